"""Python blocks are run: those of a document one after another, in one namespace, on what the document builds upon.

Whatever they make of infrastructure is registered with a graph of its own, and nothing is created.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import foldstack.components.bundle
import pytest

import components.bundle
from local.program import Deployment
from tests.docs.blocks import Block
from tests.graph import support
from tests.graph.support import FUNCTION_ZIP, LAYER_ZIP

Names = dict[str, Any]


def run(blocks: list[Block], names: Names) -> None:
    """Runs tests that a block defines, too. What it raises comes out as it is, the document and the line in its
    traceback."""
    names = {"__name__": "document", **names}
    for block in blocks:
        before = set(names)
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, block.document, "exec", dont_inherit=True), names)
        for name in sorted(names.keys() - before):
            if name.startswith("test_"):
                names[name]()


def deployed(blocks: list[Block], assumed: Callable[[], Names]) -> Deployment:
    """The graph that blocks of infrastructure register."""
    with bundles_by_name():
        return support.deploy(lambda: run(blocks, assumed()), project="shop", stack="dev")


@contextmanager
def bundles_by_name() -> Iterator[None]:
    """Names of zips instead of zips, as the graph's tests have it, under both names of the components."""
    with pytest.MonkeyPatch.context() as patch:
        for bundle in (components.bundle, foldstack.components.bundle):
            patch.setattr(bundle, "layer", lambda target, *_, **__: LAYER_ZIP)
            patch.setattr(bundle, "function", lambda sources, target, layers: FUNCTION_ZIP)
        yield
