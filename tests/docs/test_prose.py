"""What prose names is there: files, links to them, and commands."""

import re
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from tests.docs.blocks import documents, inline, path_of
from tests.docs.shell import check_foldstack
from tests.graph.support import ROOT
from tests.package.support import tracked

DOCUMENTS = documents()
FILE = re.compile(r"[\w./-]+\.(?:py|md|yaml|json|sql|svg|yml)")
OURS = [str(name) for name in tracked()]
OTHERS = ("local/templates/bank/README.md", "docs/tutorial.md")
"""Those that are about a project of their own."""
IN_PROGRAMS = {"outputs.json", ".foldstack/outputs.json", "SERVICE.messages.json", "SERVICE.asyncapi.json"} | {
    "SERVICE.openapi.json"
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)\)", path_of(document).read_text())
    here = path_of(document).parent
    assert [each for each in links if not each.startswith("http") and not (here / each).exists()] == []


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each not in OTHERS])
def test_files_are_there(document):
    named = {each for each in inline(document) if FILE.fullmatch(each)} - IN_PROGRAMS
    lost = [each for each in named if not is_there(each, path_of(document).parent)]
    assert lost == []


def is_there(name: str, here: Path) -> bool:
    """By its path from the root or from the document, or by the end of its path."""
    return (here / name).exists() or any(f"/{each}".endswith(f"/{name}") for each in OURS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_a_sentence_are_commands(document):
    """Their arguments may be left out there; what is given has to be right."""
    wrong = []
    for text in inline(document):
        words = text.removeprefix("uv run ").removeprefix(".venv/bin/").split()
        if words[:1] != ["foldstack"]:
            continue
        try:
            check_foldstack(words[1:])
        except TyperException as error:
            if str(error) and "Missing parameter" not in str(error):  # of a group alone there is nothing to say
                wrong.append(f"{text}: {error}")
    assert wrong == []


def test_what_is_not_there_is_found():
    assert not is_there("shop/produkt.py", ROOT)
    assert is_there("shop/product.py", ROOT)
    assert is_there("kernel/executor.py", ROOT / "docs")
    with pytest.raises(TyperException, match="No such option"):
        check_foldstack(["saga", "list", "--stuk"])
