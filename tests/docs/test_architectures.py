"""Each architecture's program is run as it stands, keeps to every rule, and costs at rest what the index says; one is
deployed to the laptop, too, with the code that `docs/testing.md` shows."""

import re
from pathlib import Path

import pytest
from foldstack.components import __all__ as COMPONENTS
from rich.console import Console

from local.demo_calls import Calls
from local.explain.prices import idle_total
from local.operations.connection import Connection
from local.program import Deployment
from policies import violations
from tests.docs.blocks import Block, documents, path_of, read
from tests.docs.python import deployed, run
from tests.graph.support import ROOT

INDEX = "docs/architectures/README.md"
GUIDES = [each for each in documents() if each.startswith("docs/architectures/") and each != INDEX]
OWN_DOMAIN = "docs/architectures/ingestion.md"
PROJECT = """
name: meters
runtime: python
config: {target: {type: string}, removal: {type: string}, lakeWindowSeconds: {type: integer}}
"""
STACK = """
config: {"aws:region": us-east-1, "meters:target": host, "meters:removal": destroy, "meters:lakeWindowSeconds": 1}
"""


def program(guide: str) -> Block:
    (found,) = [each for each in read(guide) if each.title == "__main__.py"]
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the guide that brings its own domain, and those of a stack for the laptop."""
    folder = tmp_path_factory.mktemp("meters")
    files = {each.title: each.text for each in read(OWN_DOMAIN) if each.title}
    for name, text in {**files, "Pulumi.yaml": PROJECT, "Pulumi.local.yaml": STACK}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def graph(guide: str, folder: Path) -> Deployment:
    return deployed([program(guide)], lambda: {"__file__": str(folder / "__main__.py")})


def test_there_are_guides():
    assert len(GUIDES) == 5
    linked = re.findall(r"\]\(([a-z-]+\.md)\)", path_of(INDEX).read_text())
    assert sorted(f"docs/architectures/{each}" for each in linked) == sorted(GUIDES)


@pytest.mark.parametrize("guide", GUIDES)
def test_a_program_is_run_and_keeps_to_the_rules(guide, project):
    made = graph(guide, project if guide == OWN_DOMAIN else ROOT)
    assert violations(made.resources) == []
    assert made.exports.keys() == {"apiUrl", "operated"}
    (row,) = re.findall(rf"^\|.*\({Path(guide).name}\).*\| (.*) \$ \|$", path_of(INDEX).read_text(), re.MULTILINE)
    assert row == f"{idle_total(made.resources):.1f}"


@pytest.mark.parametrize("guide", GUIDES)
def test_what_it_says_of_components_is_so(guide):
    """A table of boxes names components that there are, and what has none is not used by the program."""
    text = path_of(guide).read_text()
    boxes = text[text.index("| box | here |") :]
    used = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", boxes)) & {*COMPONENTS}
    assert used
    assert all(f"{name}(" in program(guide).text for name in used), used


@pytest.mark.emulator
def test_one_runs_on_the_laptop(project, tmp_path):
    """With the block of `docs/testing.md` that starts a cloud, in which the calls take the place of `...`."""
    (block,) = [each for each in read("docs/testing.md") if "LaptopCloud" in each.text]
    (opening,) = [line for line in block.text.splitlines() if line.strip().startswith("...")]

    def use(cloud) -> None:
        calls = Calls(cloud.outputs["apiUrl"], Console(quiet=True), Connection(project, None, cloud.home).tokens)
        reading = {"meter": "m1", "watts": 40}
        assert calls.call("north", "POST", "/days/2026-11-20/readings", reading, None, "meter").status == 202
        assert calls.call("north", "POST", "/days/2026-11-20/readings", reading, None, "site").status == 403
        cloud.wait_idle()
        assert calls.call("north", "GET", "/days/2026-11-20", None, None, "site").json["watts"] == 40
        calls.close()

    text = block.text.replace(opening, "    use(cloud)")
    run([Block(block.document, block.line, "python", "", text)], {"ROOT": project, "tmp_path": tmp_path, "use": use})
