"""`foldstack explain` and `foldstack graph`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ..errors import explain as told
from ..graph import Registered
from ..operations.terminal import Program, console, fail
from ..program import deploy
from ..stack_files import read_stack_files
from . import prices
from .picture import svg
from .rights import FUNCTION, rights

Stack = Annotated[str, typer.Option(help="Which Pulumi.<stack>.yaml to read.")]


def explain(
    resource: Annotated[
        str | None, typer.Argument(help="A resource or component by name, for instance shop-relay.")
    ] = None,
    stack: Stack = "dev",
    program: Program = Path(),
) -> None:
    """Show what a program makes, what each function may do and why, and what it costs."""
    resources = _resources(program, stack)
    if resource is None:
        console().print(_tree(resources), _costs(resources))
        return
    found = [each for each in resources if each.name == resource]
    if not found:
        near = sorted({each.name for each in resources if resource in each.name}) or sorted(
            {each.name for each in resources if not each.custom}
        )
        fail(f"there is no {resource!r} in stack {stack}; there are {', '.join(near)}")
    for each in found:
        console().print(_about(each, resources))


def graph(
    out: Annotated[Path, typer.Argument(help="The file to write.")] = Path("architecture.svg"),
    stack: Stack = "dev",
    program: Program = Path(),
) -> None:
    """Draw the architecture of a stack as SVG, from what the program registers."""
    out.write_text(svg(_resources(program, stack)))
    print(out)


def _resources(program: Path, stack: str) -> list[Registered]:
    try:
        return deploy(read_stack_files(program, stack, encrypted=True)).resources
    except Exception as error:  # noqa: BLE001 - shown to the person who asked
        fail(told(error, program.resolve()))


def _tree(resources: list[Registered]) -> Tree:
    """By components; what a component has many of is told by its type."""
    tree = Tree("[bold]resources[/bold]")
    components = {each.urn: each for each in resources if not each.custom and ":index:" in each.type}
    for urn, component in components.items():
        inside = [each for each in resources if each.parent == urn]
        cost = sum(_idle(each) for each in inside)
        branch = tree.add(f"[bold]{escape(_kind(component))} {component.name}[/bold]  {_dollars(cost)} at rest")
        kinds: dict[str, list[str]] = {}
        for each in inside:
            kinds.setdefault(_kind(each), []).append(each.name.removeprefix(f"{component.name}-"))
        for kind, names in sorted(kinds.items()):
            branch.add(f"{kind}: {escape(', '.join(names))}")
    loose = [each for each in resources if each.custom and each.parent not in components and _kind(each) != "Provider"]
    for each in loose:
        tree.add(f"{_kind(each)} {each.name}")
    return tree


def _costs(resources: list[Registered]) -> Table:
    table = Table(title="At list prices of us-east-1, no free tier", title_justify="left")
    for column in ("what", "how much", "$"):
        table.add_column(column, justify="right" if column == "$" else "left")
    table.add_row("at rest", "a month", f"{prices.idle_total(resources):.2f}")
    uses = prices.per_million_commands(resources)
    for use in uses:
        table.add_row(use.what, f"{use.how_much} a command, a million of them", f"{use.dollars:.2f}")
    table.add_row("a million commands", "of one event and one view each", f"{sum(use.dollars for use in uses):.2f}")
    return table


def _about(each: Registered, resources: list[Registered]) -> Tree:
    by_urn = {other.urn: other for other in resources}
    tree = Tree(f"[bold]{escape(each.type)} {each.name}[/bold]")
    tree.add(f"URN {escape(each.urn)}")
    if each.parent in by_urn and not by_urn[each.parent].custom:
        tree.add(f"of {_kind(by_urn[each.parent])} {by_urn[each.parent].name}")
    tree.add(f"{_dollars(_idle(each))} at rest")
    if each.options.protect:
        tree.add("protected: it holds data")
    if each.type == FUNCTION:
        may = tree.add("may")
        for right in rights(each, by_urn):
            whose = f", of {' and '.join(right.of)}" if any(right.of) else ""
            within = " [for one tenant at a time]" if right.for_tenant else ""
            line = f"{right.why}: {', '.join(right.actions)} on {', '.join(right.resources)}{whose}{within}"
            may.add(escape(line))
    inside = [other for other in resources if other.parent == each.urn]
    for other in inside:
        tree.add(f"{_kind(other)} {other.name}")
    used_by = [other for other in resources if each.urn in other.dependencies and other.parent != each.urn]
    if used_by:
        tree.add(escape(f"used by {', '.join(dict.fromkeys(other.name for other in used_by))}"))
    return tree


def _idle(each: Registered) -> float:
    try:
        return prices.idle(each)
    except prices.UnknownPrice as unknown:
        fail(str(unknown))


def _kind(each: Registered) -> str:
    return each.type.rpartition(":")[2]


def _dollars(amount: float) -> str:
    return f"{amount:.2f} $ a month" if amount else "nothing"
