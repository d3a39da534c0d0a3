"""Filter patterns: what they accept, and which are refused."""

from typing import Any

import pytest

from local.event_sources import Filters


@pytest.mark.parametrize(
    ("rules", "yes", "no"),
    [
        (["x", 1, None, True], ["x", 1, None, True, ["y", "x"]], ["y", 2, 0, False, "1", "", 1.5, {}]),
        ([{"prefix": "ab"}], ["ab", "abc"], ["b", 1, None]),
        ([{"suffix": "bc"}], ["bc", "abc"], ["b", 1]),
        ([{"equals-ignore-case": "Ab"}], ["aB", "AB"], ["b", 1]),
        ([{"anything-but": ["x", 1]}], ["y", 2, None], ["x", 1]),
        ([{"anything-but": {"prefix": "a"}}], ["b"], ["ab"]),
        ([{"numeric": [">", 0, "<=", 5]}], [1, 5, 0.5], [0, 6, "1", True, None]),
        ([{"numeric": ["=", 3]}], [3, 3.0], [4]),
        ([{"cidr": "10.0.0.0/8"}], ["10.1.2.3"], ["11.0.0.1", "x", 1]),
        ([{"exists": True}], ["x", None, 0], [{}]),
    ],
)
def test_filter_rules(rules: list[Any], yes: list[Any], no: list[Any]) -> None:
    filters = Filters([{"a": {"b": rules}}])
    assert [value for value in yes if not filters.accept({"a": {"b": value}})] == []
    assert [value for value in no if filters.accept({"a": {"b": value}})] == []
    assert not filters.accept({"a": {}})
    assert not filters.accept({})


def test_filters_combine() -> None:
    record = {"a": "1", "b": {"c": ["x", "y"]}}
    assert Filters([{"a": ["2"]}, {"a": ["1"]}]).accept(record)
    assert not Filters([{"a": ["1"], "b": {"c": ["z"]}}]).accept(record)
    assert Filters([{"$or": [{"a": ["2"]}, {"b": {"c": ["y"]}}]}]).accept(record)
    assert Filters([{"d": [{"exists": False}]}]).accept(record)
    assert Filters(['{"a": ["1"]}']).accept(record)


@pytest.mark.parametrize("pattern", [{"a": "x"}, {"a": []}, {"a": [{"wildcard": "x*"}]}, {"a": {"b": [{}]}}])
def test_a_filter_that_is_not_known_is_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"filter pattern\.a"):
        Filters([pattern])
