"""docs/reference.md, made of what the components say of themselves and of what they register: `make reference`."""

import json
import re
from collections import Counter
from typing import Any

from components.package import Package
from local.explain.rights import FUNCTION, rights
from tests.graph.support import ROOT, blog, shop

OUT = ROOT / "docs" / "reference.md"


def made() -> str:
    schema = json.loads(Package().schema)
    graphs = [shop("dev", lake=True).resources, shop("dev", readModel="postgres").resources, blog().resources]
    parts = [
        "# Reference\n\nMade from the components' own words and from the shop's graph by `make reference`: arguments\n"
        "and outputs as their classes document them, resources and rights as the `dev` stack of the shop registers\n"
        "them, with a lake, `SqlStore` with `readModel: postgres`, and `DeletionCascade` as a blog does. In a program\n"
        "names are written `so_named`, in a package `soNamed`.\n"
    ]
    for token, resource in sorted(schema["resources"].items()):
        name = token.rpartition(":")[2]
        parts.append(f"## {name}\n\n{resource['description']}\n")
        parts.append(_table("argument", resource["inputProperties"], resource.get("requiredInputs", [])))
        parts.append(_table("output", resource["properties"], resource.get("required", [])))
        graph = next(each for each in graphs if any(one.type == token for one in each))
        parts.append(_made_of(token, graph))
    parts.append("## Handles and other types\n")
    for token, kind in sorted(schema["types"].items()):
        parts.append(f"### {token.rpartition(':')[2]}\n\n{kind.get('description', '')}\n")
        parts.append(_table("field", kind["properties"], kind.get("required", [])))
    return "\n".join(parts)


def _table(what: str, properties: dict[str, Any], required: list[str]) -> str:
    rows = [f"| {what} | type | |", "|---|---|---|"]
    for name, each in properties.items():
        needed = "" if name in required or what == "output" else "optional; "
        text = " ".join(each.get("description", "").split()).replace("|", "\\|")
        rows.append(f"| `{_snake(name)}` | {_type(each)} | {needed}{text} |")
    return "\n".join([*rows, ""])


def _made_of(token: str, graph: list[Any]) -> str:
    component = next(each for each in graph if each.type == token)
    inside = [each for each in graph if each.parent == component.urn]
    kinds = Counter(each.type.rpartition(":")[2] for each in inside)
    counted = ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in sorted(kinds.items()))
    lines = [f"It registers {counted}.", ""]
    by_urn = {each.urn: each for each in graph}
    for each in sorted(inside, key=lambda each: each.name):  # they register when they are ready
        if each.type == FUNCTION:
            told = {right.why: right for right in rights(each, by_urn)}
            may = "; ".join(
                f"{why} (`{'`, `'.join(right.actions)}`{', for one tenant at a time' if right.for_tenant else ''})"
                for why, right in told.items()
            )
            lines.append(f"- `{each.name}` may {may}.")
    return "\n".join([*lines, ""])


def _type(each: dict[str, Any]) -> str:
    if "$ref" in each:
        return each["$ref"].rpartition(":")[2] if "#/types" in each["$ref"] else "archive"
    if each.get("type") == "array":
        return f"list of {_type(each['items'])}"
    if each.get("type") == "object":
        return f"map of {_type(each['additionalProperties'])}" if "additionalProperties" in each else "map"
    return each.get("type", "any")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


if __name__ == "__main__":
    OUT.write_text(made())
