"""Questions to the lake: one SQL file each, with named parameters that are bound and never pasted.

    -- What was earned, day by day.
    -- permission: read
    -- parameter: since date = today-30
    -- parameter: currency text = 'EUR'
    SELECT day, sum(amount.amount) AS revenue
    FROM event_purchase_began
    WHERE tenant = :tenant AND day >= :since AND amount.currency = :currency
    GROUP BY day ORDER BY day

The file's name is the question's. `:tenant` is the caller's, and no parameter; a parameter without a default has to be
given. Athena takes parameters in conditions only.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ..kernel.access import Roles
from ..kernel.errors import DefinitionError

TENANT = "tenant"
MOST_TEXT = 500

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}").fullmatch
_PARAMETER = re.compile(r"([a-z][a-z0-9_]{0,62}) (\w+)(?: = (.+))?").fullmatch
_TODAY = re.compile(r"today(?:-(\d{1,4}))?").fullmatch
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?<![:\w]):([a-z][a-z0-9_]*)|\?", re.DOTALL)
_OF_DAY = r"\bday\s*(?:=|>=|>|BETWEEN)\s*:({names})\b"
_OF_TENANT = re.compile(r"\btenant\s*=\s*:tenant\b", re.IGNORECASE)


class BadParameters(Exception):
    """Parameters that are not as the question declares them: (name, reason) each."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors))
        self.errors = errors


@dataclass(frozen=True)
class Parameter:
    """`default` as JSON would give it, or `today-N` of a date; None where it has to be given."""

    name: str
    type: str
    default: Any = None


@dataclass(frozen=True)
class Question:
    """`sql` has a ? for each of `order`, which names parameters, and the tenant, as often as they occur."""

    name: str
    summary: str
    permission: str
    parameters: tuple[Parameter, ...]
    sql: str
    order: tuple[str, ...]

    def literals(self, tenant: str, given: Mapping[str, Any], today: date | None = None) -> list[str]:
        """What Athena takes for the marks, each one literal in SQL. Raises BadParameters."""
        declared = {each.name: each for each in self.parameters}
        errors = [(name, "unknown parameter") for name in given if name not in declared]
        texts = {TENANT: _quoted(tenant)}
        for name, parameter in declared.items():
            value = given.get(name, parameter.default)
            if value is None:
                errors.append((name, "required"))
                continue
            try:
                texts[name] = _LITERALS[parameter.type](_day_of(value, today) if parameter.type == "date" else value)
            except (ValueError, TypeError, InvalidOperation) as error:
                errors.append((name, str(error) if isinstance(error, _Unfit) else f"is no {parameter.type}"))
        if errors:
            raise BadParameters(errors)
        return [texts[name] for name in self.order]


def questions(folder: Path) -> dict[str, Question]:
    """By name, those of a folder. Raises DefinitionError."""
    if not folder.is_dir():
        raise DefinitionError(f"{folder}: there is no such folder of questions")
    return {path.stem: read(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))}


def read(name: str, text: str) -> Question:
    """Raises DefinitionError, which says what the file lacks."""
    where = f"question {name}.sql"
    if not _NAME(name):
        raise DefinitionError(f"{where}: a name is a-z, 0-9 and -, from a letter, at most 63")
    comments, sql = _head(text)
    summary, permission, parameters = [], "", []
    for line in comments:
        key, colon, value = line.partition(":")
        if colon and key == "permission":
            permission = value.strip()
        elif colon and key == "parameter":
            parameters.append(_parameter(value.strip(), where))
        else:
            summary.append(line)
    if permission:
        Roles.check_permission(permission, where)
    named = [each.name for each in parameters]
    if twice := sorted({each for each in named if named.count(each) > 1 or each == TENANT}):
        raise DefinitionError(f"{where}: the parameter {', '.join(twice)} is declared twice, or is the tenant's name")
    marked, order = _marked(sql, {*named, TENANT}, where)
    if unused := sorted(set(named) - set(order)):
        raise DefinitionError(f"{where}: the parameter {', '.join(unused)} is in no condition: write :{unused[0]}")
    _check_conditions(sql, [each.name for each in parameters if each.type == "date"], where)
    return Question(name, " ".join(summary), permission, tuple(parameters), marked, tuple(order))


def _head(text: str) -> tuple[list[str], str]:
    lines = text.strip().splitlines()
    count = next((index for index, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return [line[2:].strip() for line in lines[:count]], "\n".join(lines[count:]).strip().rstrip(";")


def _parameter(text: str, where: str) -> Parameter:
    found = _PARAMETER(text)
    if not found or found[2] not in _LITERALS:
        raise DefinitionError(
            f"{where}: `parameter: {text}` is none: write `parameter: NAME TYPE`, or `parameter: NAME TYPE = DEFAULT`; "
            f"types are {', '.join(_LITERALS)}"
        )
    name, type_, default = found.groups()
    if default is None:
        return Parameter(name, type_)
    try:
        value = _default(type_, default)
        _LITERALS[type_](_day_of(value, None) if type_ == "date" else value)
    except (ValueError, TypeError, InvalidOperation):
        raise DefinitionError(f"{where}: {name} = {default}: the default is no {type_}") from None
    return Parameter(name, type_, value)


def _default(type_: str, text: str) -> Any:
    if type_ == "whole":
        return int(text)
    if type_ == "boolean":
        return {"true": True, "false": False}[text] if text in ("true", "false") else text
    return text[1:-1].replace("''", "'") if len(text) > 1 and text[0] == text[-1] == "'" else text


def _marked(sql: str, known: set[str], where: str) -> tuple[str, list[str]]:
    order: list[str] = []

    def mark(found: re.Match[str]) -> str:
        if found[0] == "?":
            raise DefinitionError(f"{where}: a ? has no name: write :name, and declare it as a parameter")
        if found[1] is None:
            return found[0]
        if found[1] not in known:
            raise DefinitionError(f"{where}: :{found[1]} is declared nowhere: write `-- parameter: {found[1]} TYPE`")
        order.append(found[1])
        return "?"

    return _TOKEN.sub(mark, sql), order


def _check_conditions(sql: str, dates: list[str], where: str) -> None:
    bare = _TOKEN.sub(lambda found: found[0] if found[1] else " ", sql)
    if not _OF_TENANT.search(bare):
        raise DefinitionError(f"{where}: nothing keeps it to its caller's tenant: write `tenant = :tenant`")
    names = "|".join(map(re.escape, dates))
    if not dates or not re.search(_OF_DAY.format(names=names), bare, re.IGNORECASE):
        raise DefinitionError(
            f"{where}: it would read every day there is: declare a date, `-- parameter: since date = today-30`, "
            "and write `day >= :since`, or another of =, > and BETWEEN"
        )


class _Unfit(ValueError):
    """The reason is for whoever gave the value."""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _day_of(value: Any, today: date | None) -> Any:
    if isinstance(value, str) and (found := _TODAY(value)):
        return ((today or datetime.now(UTC).date()) - timedelta(days=int(found[1] or 0))).isoformat()
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise _Unfit(f"is no text of at most {MOST_TEXT} characters")
    return _quoted(value)


def _whole(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise _Unfit("is no whole number of 64 bits")
    return str(value)


def _decimal(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,38}(\.[0-9]{1,37})?", value):
        raise _Unfit('is no decimal in a text, such as "19.99"')
    if len(Decimal(value).as_tuple().digits) > 38:
        raise _Unfit("has more than 38 digits")
    return f"DECIMAL '{value}'"


def _date(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise _Unfit("is no date, such as 2026-11-20")
    return f"DATE '{date.fromisoformat(value)}'"


def _timestamp(value: Any) -> str:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise _Unfit("has no offset: write 2026-11-20T12:00:00Z")
    return f"TIMESTAMP '{at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S')}.{at.microsecond // 1000:03d}'"


def _boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise _Unfit("is neither true nor false")
    return "true" if value else "false"


_LITERALS: dict[str, Callable[[Any], str]] = {
    "text": _text,
    "whole": _whole,
    "decimal": _decimal,
    "date": _date,
    "timestamp": _timestamp,
    "boolean": _boolean,
}
