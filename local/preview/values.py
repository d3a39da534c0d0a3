"""Where two values differ: paths, and what was and is there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .snapshot import ARCHIVE, SECRET

ABSENT = "<absent>"
"""Stands for what is not there on one side."""
FILE, OTHER_FILE = "<file>", "<other content>"
OTHER_SECRET = "<another secret>"


@dataclass(frozen=True)
class Difference:
    """`path` is written as in Python and JSON, `policy.Statement[2].Action`, for instance."""

    path: str
    old: Any
    new: Any


def differences(old: Any, new: Any, path: str) -> Iterator[Difference]:
    """All of them, the smallest parts that differ; nothing for equal values. Secrets are told apart, never shown."""
    if old == new:
        return
    if _is(old, ARCHIVE) and _is(new, ARCHIVE):
        yield from _of_files(old[ARCHIVE], new[ARCHIVE], path)
    elif _is(old, SECRET) or _is(new, SECRET):
        yield Difference(path, _shown(old), OTHER_SECRET if _is(old, SECRET) and _is(new, SECRET) else _shown(new))
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _of_mappings(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, path)
    elif (documents := _documents(old, new)) is not None:
        yield from differences(*documents, path)
    else:
        yield Difference(path, _shown(old), _shown(new))


def _of_mappings(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), f"{path}.{key}")


def _of_files(old: dict[str, str], new: dict[str, str], path: str) -> Iterator[Difference]:
    for file in sorted(old.keys() | new.keys()):
        if old.get(file) != new.get(file):
            was, now = (ABSENT if file not in side else FILE for side in (old, new))
            yield Difference(f"{path}: {file}", was, OTHER_FILE if (was, now) == (FILE, FILE) else now)


def _of_lists(old: list[Any], new: list[Any], path: str) -> Iterator[Difference]:
    """Aligned, so that one more in the middle is one more and no change of all that follow."""
    texts = [[json.dumps(each, sort_keys=True) for each in side] for side in (old, new)]
    for kind, i, i2, j, j2 in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for n in range(max(i2 - i, j2 - j)):
            was = old[i + n] if i + n < i2 else ABSENT
            now = new[j + n] if j + n < j2 else ABSENT
            yield from differences(was, now, f"{path}[{j + n if now is not ABSENT else i + n}]")


def _documents(old: Any, new: Any) -> tuple[Any, Any] | None:
    """Policies and the like are JSON in text."""
    if not (isinstance(old, str) and isinstance(new, str) and old[:1] in "[{" and new[:1] in "[{"):
        return None
    try:
        return json.loads(old), json.loads(new)
    except ValueError:
        return None


def _is(value: Any, mark: str) -> bool:
    return isinstance(value, dict) and value.keys() == {mark}


def _shown(value: Any) -> Any:
    """Digests say nothing to anybody; what is secret stays so however deep it is."""
    if isinstance(value, dict):
        if _is(value, SECRET):
            return SECRET
        if _is(value, ARCHIVE):
            return f"{len(value[ARCHIVE])} files"
        return {key: _shown(inner) for key, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value
