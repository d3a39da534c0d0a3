"""Questions: files that are read or refused with what they lack, and parameters that become literals."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from foldstack.kernel.errors import DefinitionError
from foldstack.lake.questions import BadParameters, questions, read
from hypothesis import given
from hypothesis import strategies as st

HEAD = """-- What was earned,
-- day by day.
-- permission: read
-- parameter: since date = today-30
-- parameter: currency text = 'EUR'
"""
SQL = "SELECT day FROM events WHERE tenant = :tenant AND day >= :since AND currency = :currency"


def literals(parameters: str, condition: str, **values: Any) -> list[str]:
    text = (
        f"-- parameter: since date = 2026-01-01\n{parameters}\nSELECT 1 FROM t WHERE tenant = :tenant AND day > :since"
    )
    return read("q", f"{text} AND {condition}").literals("acme", values)[2:]


def test_a_file_is_read() -> None:
    question = read("earned", f"{HEAD}{SQL};\n")
    assert (question.summary, question.permission) == ("What was earned, day by day.", "read")
    assert question.sql == "SELECT day FROM events WHERE tenant = ? AND day >= ? AND currency = ?"
    assert question.order == ("tenant", "since", "currency")
    assert question.literals("acme", {}, date(2026, 11, 20)) == ["'acme'", "DATE '2026-10-21'", "'EUR'"]
    assert question.literals("acme", {"since": "today"}, date(2026, 11, 20))[1] == "DATE '2026-11-20'"


def test_names_within_texts_and_comments_are_none() -> None:
    sql = "SELECT ':currency' AS \":since\", x::varchar -- :nobody\nFROM t WHERE tenant = :tenant AND day = :since"
    question = read("q", f"-- parameter: since date\n{sql}")
    assert question.order == ("tenant", "since")
    assert "':currency'" in question.sql


def test_a_name_twice_is_bound_twice() -> None:
    question = read(
        "q", "-- parameter: d date\nSELECT 1 FROM a, b WHERE a.tenant = :tenant AND a.day > :d AND b.day > :d"
    )
    assert question.literals("t", {"d": "2026-01-01"}) == ["'t'", "DATE '2026-01-01'", "DATE '2026-01-01'"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SQL.replace("tenant = :tenant AND ", ""), "write `tenant = :tenant`"),
        (SQL.replace("tenant = :tenant", "':tenant' = ':tenant'"), "write `tenant = :tenant`"),
        (SQL.replace("day >= :since AND ", "x = :since AND "), "it would read every day there is"),
        (SQL.replace(":currency", ":other"), ":other is declared nowhere"),
        (SQL.replace(":currency", "?"), "a \\? has no name"),
        (SQL.replace(" AND currency = :currency", ""), "the parameter currency is in no condition"),
    ],
)
def test_what_a_file_lacks_is_told(text: str, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        read("earned", HEAD + text)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("-- parameter: a money", "types are text, whole, decimal"),
        ("-- parameter: a date = tomorrow", "the default is no date"),
        ("-- parameter: a whole = 1.5", "the default is no whole"),
        ("-- parameter: a date\n-- parameter: a text", "a is declared twice"),
        ("-- parameter: tenant text", "or is the tenant's name"),
        ("-- permission: Read Everything", "is no permission"),
    ],
)
def test_a_head_is_checked(head: str, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        read("q", f"{head}\nSELECT 1 FROM t WHERE tenant = :tenant AND day = :a")


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "earned.sql").write_text(HEAD + SQL)
    (tmp_path / "notes.md").write_text("none")
    assert questions(tmp_path).keys() == {"earned"}
    (tmp_path / "Not_A_Name.sql").write_text(HEAD + SQL)
    with pytest.raises(DefinitionError, match="Not_A_Name"):
        questions(tmp_path)


@pytest.mark.parametrize(
    ("type_", "value", "literal"),
    [
        ("text", "it's", "'it''s'"),
        ("whole", -(2**63), "-9223372036854775808"),
        ("decimal", "19.99", "DECIMAL '19.99'"),
        ("boolean", False, "false"),
        ("timestamp", "2026-11-20T12:00:00.123+01:00", "TIMESTAMP '2026-11-20 11:00:00.123'"),
    ],
)
def test_values_become_literals(type_: str, value: Any, literal: str) -> None:
    assert literals(f"-- parameter: v {type_}", "x = :v", v=value) == [literal]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("text", 5),
        ("text", "x" * 501),
        ("whole", "5"),
        ("whole", True),
        ("whole", 2**63),
        ("decimal", 19.99),
        ("decimal", "1e5"),
        ("decimal", "1' OR '1'='1"),
        ("date", "2026-02-30"),
        ("date", "2026-11-20' OR '1'='1"),
        ("timestamp", "2026-11-20T12:00:00"),
        ("boolean", "true"),
        ("whole", None),
    ],
)
def test_what_is_none_is_named(type_: str, value: Any) -> None:
    with pytest.raises(BadParameters) as refused:
        literals(f"-- parameter: v {type_}", "x = :v", v=value)
    assert [name for name, _ in refused.value.errors] == ["v"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BadParameters) as refused:
        read("earned", HEAD + SQL).literals("acme", {"since": 5, "currency": [], "stranger": 1})
    assert {name for name, _ in refused.value.errors} == {"since", "currency", "stranger"}


@given(st.text(max_size=200))
def test_no_text_ends_its_literal(text: str) -> None:
    (literal,) = literals("-- parameter: v text", "x = :v", v=text)
    assert (literal[0], literal[-1]) == ("'", "'")
    assert literal[1:-1].replace("''", "") == text.replace("'", "")
