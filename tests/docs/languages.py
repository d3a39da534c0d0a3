"""What is asked of a block of each language besides Python and shell."""

import json
import re
from collections.abc import Callable

import yaml
from foldstack.lake.questions import read as read_question

from components import __all__ as COMPONENTS
from tests.docs.blocks import Block, BlockError
from tests.docs.calls import check_config
from tests.graph.support import FUNCTION, ROOT, functions, shop, statements_of, tenant_role_of

_NODE = re.compile(r"(\w+)[\[({/]+")
_TREE = re.compile(r"(?<![\w.])[\w./-]*\w(?:/(?= |$)|\.(?:py|yaml|md)\b)")


def check_yaml(block: Block) -> None:
    """A stack's configuration, which the program of this repository takes."""
    content = yaml.safe_load(block.text)
    if content.keys() != {"config"}:
        raise BlockError(f"{block}: a block of YAML is a stack's configuration: `config:` and keys below it")
    check_config(content["config"])


def check_json(block: Block) -> None:
    """A condition that roles for tenants have; other JSON only has to be some."""
    content = json.loads(block.text)
    if "ForAllValues:StringLike" in content:
        graph = shop("dev")
        roles = [role for each in functions(graph) if (role := tenant_role_of(graph, each))]
        conditions = [each.get("Condition") for role in roles for each in statements_of(graph, role)]
        if content not in conditions:
            raise BlockError(f"{block}: no role for tenants has this condition")


def check_sql(block: Block) -> None:
    """A question, as the lake reads it."""
    read_question("question", block.text)


def check_mermaid(block: Block) -> None:
    """Arrows lead from and to what is drawn, functions are deployed, and what is drawn around them are components."""
    drawn = set(_NODE.findall(block.text))
    for line in block.text.splitlines():
        for node in re.findall(r"(?:^ *|> ?|\| ?)(\w+)(?= -| *$|\[|\()", line) if "-->" in line else []:
            if node not in drawn:
                raise BlockError(f"{block}: {node} has an arrow, and is drawn nowhere")
    for name in re.findall(r"subgraph (\w+)", block.text):
        if name not in COMPONENTS:
            raise BlockError(f"{block}: there is no component {name}")
    graph = shop("dev", lake=True)
    deployed = {each.name.rpartition("-")[2] for each in graph.of(FUNCTION)}
    for name in re.findall(r"(\w+) function", block.text):
        if name not in deployed:
            raise BlockError(f"{block}: no function of the shop is a {name}; there are {', '.join(sorted(deployed))}")


def check_text(block: Block) -> None:
    """The tree of the repository: all that it names is there."""
    if not block.text.startswith("Pulumi.yaml"):
        raise BlockError(f"{block}: plain text is for the tree of the repository; say which language this is")
    room = ROOT
    for line in block.text.splitlines():
        inside = line.startswith(" ")
        names = _TREE.findall(line)
        if not inside:
            room = ROOT / names[0] if names and names[0].endswith("/") else ROOT
        for name in names:
            if not (ROOT / name).exists() and not any(room.rglob(name)):
                raise BlockError(f"{block}: there is no {name} in {room.relative_to(ROOT)}/")


def check_insights(block: Block) -> None:
    """A query of CloudWatch Logs Insights, over what functions tell of usage."""
    sources = (ROOT / "runtime/foldstack" / each for each in ("handlers/usage.py", "aws/consumption.py"))
    told = set(re.findall(r"\b(\w+)(?==|\")", "".join(each.read_text() for each in sources)))
    for field in re.findall(r"(?:sum|ispresent)\((\w+)\)|by (\w+)$", block.text, re.MULTILINE):
        if "".join(field) not in told:
            raise BlockError(f"{block}: no function tells {''.join(field)} of its usage")


CHECKS: dict[str, Callable[[Block], None]] = {
    "insights": check_insights,
    "json": check_json,
    "mermaid": check_mermaid,
    "sql": check_sql,
    "text": check_text,
    "yaml": check_yaml,
}
