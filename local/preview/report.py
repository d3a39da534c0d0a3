"""Changes as a person reads them, as a pull request shows them, and as a program takes them."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from .changes import UNKNOWN, Change, Changes, counts
from .contract_changes import ContractChange
from .snapshot import REFERENCE
from .values import ABSENT, FILE, OTHER_FILE, Difference

_SIGNS = {"replace": "+-", "delete": "-", "change": "~", "create": "+"}
_COLOURS = {"replace": "red", "delete": "red", "change": "yellow", "create": "green"}
_LONGEST = 160


def show(found: Changes, console: Console) -> None:
    """Print what changes, what may be lost first."""
    console.print(_text(found))


def _text(found: Changes) -> RenderableType:
    parts: list[RenderableType] = []
    for title, group in _groups(found):
        parts.append(Text(title, style="bold"))
        for change in group:
            parts.append(
                Text.from_markup(f"  [{_COLOURS[change.kind]}]{_SIGNS[change.kind]:2}[/] {escape(_name(change))}")
            )
            parts += [Text(f"       {line}") for line in _details(change)]
    for title, contracts in _contracts(found):
        parts.append(Text(title, style="bold"))
        parts += [Text(f"     {each.what}: {each.said}") for each in contracts]
    if found.of_exports:
        parts.append(Text("Outputs", style="bold"))
        parts += [Text(f"       {_line(each)}") for each in found.of_exports]
    return Group(*parts, Text(summary(found), style="bold"))


def markdown(found: Changes) -> str:
    """For a comment on a pull request: details are folded, what may be lost is not."""
    lines = [f"**{summary(found)}**", ""]
    if found.at_risk:
        lines += ["> [!CAUTION]", *(f"> `{_name(change)}`: {change.risk}" for change in found.at_risk), ""]
    if found.breaking:
        lines += ["> [!WARNING]", *(f"> breaks `{each.what}`: {each.said}" for each in found.breaking), ""]
    for title, group in _groups(found):
        lines += [
            f"<details{' open' if title == _RISK else ''}><summary>{title} ({len(group)})</summary>",
            "",
            "```diff",
        ]
        for change in group:
            lines += [f"{_SIGNS[change.kind][0]} {_name(change)}", *(f"    {line}" for line in _details(change))]
        lines += ["```", "", "</details>", ""]
    if found.of_exports:
        lines += [
            "<details><summary>Outputs</summary>",
            "",
            "```",
            *map(_line, found.of_exports),
            "```",
            "",
            "</details>",
            "",
        ]
    return "\n".join(lines)


def document(found: Changes) -> dict[str, Any]:
    """JSON: `counts`, `changes` and `outputs`. A value that is only known later is null, and its path in `unknown`."""
    return {
        "counts": counts(found),
        "atRisk": [change.resource.urn for change in found.at_risk],
        "changes": [
            {
                "kind": change.kind,
                "urn": change.resource.urn,
                "type": change.resource.type,
                "name": change.resource.name,
                **({"movedFrom": change.moved_from} if change.moved_from else {}),
                **({"risk": change.risk} if change.risk else {}),
                **({"forcedBy": list(change.forced_by)} if change.forced_by else {}),
                **({"unknown": sorted(change.unknown)} if change.unknown else {}),
                "differences": [_as_json(each) for each in change.differences],
            }
            for change in found.of_resources
        ],
        "outputs": [_as_json(each) for each in found.of_exports],
        "contracts": [asdict(each) for each in found.of_contracts],
    }


def summary(found: Changes) -> str:
    """One line."""
    if not found:
        return "no changes"
    words = {"replace": "replaced", "delete": "deleted", "change": "changed", "create": "created"}
    told = ", ".join(f"{number} {words[kind]}" for kind, number in counts(found).items() if number) or "no resource"
    told += f"; {len(found.at_risk)} with data at risk" if found.at_risk else ""
    return told + (f"; {len(found.breaking)} contracts broken" if found.breaking else "")


_RISK = "Data at risk"


def _groups(found: Changes) -> Iterator[tuple[str, list[Change]]]:
    titles = {"replace": "Replaced", "delete": "Deleted", "change": "Changed", "create": "Created"}
    if found.at_risk:
        yield _RISK, found.at_risk
    for kind, title in titles.items():
        group = [change for change in found.of_resources if change.kind == kind and not change.risk]
        if group:
            yield title, group


def _contracts(found: Changes) -> Iterator[tuple[str, list[ContractChange]]]:
    kept = [each for each in found.of_contracts if not each.breaking]
    yield from ((title, group) for title, group in (("Contracts broken", found.breaking), ("Contracts", kept)) if group)


def _name(change: Change) -> str:
    return f"{change.resource.type} {change.resource.name}"


def _details(change: Change) -> Iterator[str]:
    if change.risk:
        yield f"! {change.risk}"
    if change.forced_by:
        yield f"another one, because of {', '.join(change.forced_by)}"
    if change.moved_from:
        yield f"was {_short(change.moved_from)}"
    for each in change.differences:
        yield _line(each)


def _line(each: Difference) -> str:
    if each.new == UNKNOWN:
        return f"{each.path}: {UNKNOWN}"
    if (each.old, each.new) == (FILE, OTHER_FILE):
        return each.path
    if each.old == ABSENT:
        return f"{each.path}: new{'' if each.new == FILE else f', {_value(each.new)}'}"
    if each.new == ABSENT:
        return f"{each.path}: gone{'' if each.old == FILE else f', was {_value(each.old)}'}"
    return f"{each.path}: {_value(each.old)} -> {_value(each.new)}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) and value.startswith("<") else json.dumps(value, sort_keys=True)
    text = REFERENCE.sub(lambda found: f"${{{_short(found[1])}}}", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _short(urn: str) -> str:
    return urn.rpartition("::")[2]


def _as_json(each: Difference) -> dict[str, Any]:
    sides = {"old": each.old, "new": None if each.new == UNKNOWN else each.new}
    return {"path": each.path, **{side: value for side, value in sides.items() if value != ABSENT and value != ""}}
