"""Every block of every document is run, or held against what it is about. None is passed over."""

from functools import cache

import pytest

from tests.docs.assumed import BUILDS_UPON, IN_TESTS
from tests.docs.blocks import Block, BlockError, documents, read
from tests.docs.languages import CHECKS
from tests.docs.python import bundles_by_name, deployed, run
from tests.docs.shell import Shell
from tests.graph.support import ROOT

RUN_WHOLE = ("docs/tutorial.md", "docs/architectures/")
"""Those that have tests of their own: all of a block's words are run there."""


def of(document: str, language: str) -> list[Block]:
    return [each for each in read(document) if each.language == language]


@cache
def plain() -> list[str]:
    return [each for each in documents() if not each.startswith(RUN_WHOLE)]


def test_there_is_a_rule_for_each_block():
    blocks = [block for document in plain() for block in read(document)]
    assert len(blocks) > 45
    strange = [f"{each}: {each.language}" for each in blocks if each.language not in {"python", "sh", *CHECKS}]
    assert strange == []


@pytest.mark.parametrize("document", [each for each in plain() if of(each, "sh")])
def test_commands_are_commands(document):
    project = ROOT / document.rpartition("/")[0] if document.startswith("local/templates/") else ROOT
    assert all(Shell(project).check(block) for block in of(document, "sh"))


@pytest.mark.parametrize("document", [each for each in plain() if of(each, "python")])
def test_python_runs(document):
    blocks = [each for each in of(document, "python") if "LaptopCloud" not in each.text]
    if document in BUILDS_UPON:
        deployed(blocks, BUILDS_UPON[document])
    elif document in IN_TESTS:
        with bundles_by_name():
            run(blocks, IN_TESTS[document]())
    else:
        raise BlockError(f"{document} has Python: say in tests/docs/assumed.py what it builds upon")


@pytest.mark.parametrize("language", CHECKS)
def test_other_languages_are_kept_to(language):
    blocks = [block for document in plain() for block in of(document, language)]
    for block in blocks:
        CHECKS[language](block)
    assert blocks, f"no document has {language}: take the rule out"
