"""The documents, and the fenced blocks in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.package.support import ROOT, tracked

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INFO = re.compile(r'(?P<language>[a-z]+)(?: title="(?P<title>[^"]+)")?')
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class BlockError(Exception):
    """A block that is not what its language or the repository asks for: the message says where, and what would do."""


@dataclass(frozen=True)
class Block:
    """`title` is the file that the text is the whole of, empty where it is none; `line` that of its first line."""

    document: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[str]:
    """Every document of the repository, by its path."""
    return [str(name) for name in tracked() if name.suffix == ".md"]


def read(document: str) -> list[Block]:
    return blocks(document, (ROOT / document).read_text())


def blocks(document: str, text: str) -> list[Block]:
    """Raises BlockError where a block does not say what it is."""
    found = []
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 2
        info = _INFO.fullmatch(fence["info"].strip())
        if info is None:
            raise BlockError(
                f"{document}:{line - 1}: the block says {fence['info']!r}, which is not a language, "
                'or a language and title="PATH"'
            )
        found.append(Block(document, line, info["language"], info["title"] or "", fence["text"]))
    if sum(line.lstrip("> ").startswith("```") for line in text.splitlines()) != 2 * len(found):
        raise BlockError(f"{document}: a fence is open, or indented: each block begins and ends at a line's beginning")
    return found


def inline(document: str) -> list[str]:
    """What stands between single backticks in a document's prose."""
    return _INLINE.findall(_FENCE.sub("", (ROOT / document).read_text()))


def path_of(document: str) -> Path:
    return ROOT / document
