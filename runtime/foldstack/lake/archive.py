"""The archive's objects back to records: what Firehose wrote of the road, and what rebuilds a lost table.

AWS's Firehose concatenates records, with or without lines between them, and compresses the object (gzip, of one member
or several); the laptop's writes one object a record, as it came. Both are read.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..kernel.envelope import Envelope
from ..kernel.errors import UndecodableEvent
from .entities import Unusable
from .envelopes import Whole
from .objects import Objects
from .writer import LakeWriter

_GZIP = b"\x1f\x8b"
_A_BATCH = 5_000
_decode = json.JSONDecoder().raw_decode


class Restored(NamedTuple):
    """What a restore read and wrote."""

    objects: int
    commits: int
    rows: int
    parked: int


def restore(
    objects: Objects, prefix: str, writer: LakeWriter, completed: Whole, tenants: Iterable[str] = ()
) -> Restored:
    """Writes the commits in the archive's objects below `prefix` to the lake, those of some tenants or of all. What is
    in the lake already is there twice then, and read once. Raises Unavailable: begin again."""
    wanted = frozenset(tenants)
    total = Restored(0, 0, 0, 0)
    batch: list[Envelope] = []
    unusable: list[Unusable] = []
    for each in objects.list(prefix):
        for found in envelopes_in(objects.get(each.key), each.key):
            if isinstance(found, Unusable):
                unusable.append(found)
            elif not wanted or found.tenant in wanted:
                _complete(found, completed, batch, unusable)
            if len(batch) + len(unusable) >= _A_BATCH:
                total = _written(total, writer, batch, unusable)
                batch, unusable = [], []
        total = total._replace(objects=total.objects + 1)
    return _written(total, writer, batch, unusable)


def envelopes_in(content: bytes, name: str) -> Iterator[Envelope | Unusable]:
    """Those of one object, called `name`, in its order, whether they came bare or in an event of EventBridge."""
    try:
        text = (gzip.decompress(content) if content.startswith(_GZIP) else content).decode()
    except (OSError, EOFError, ValueError) as error:
        yield Unusable({"object": name}, f"neither JSON nor gzip of it: {type(error).__name__}")
        return
    at = _past_space(text, 0)
    while at < len(text):
        try:
            document, end = _decode(text, at)
        except ValueError:
            yield Unusable({"object": name, "at": at}, "no JSON from here on")
            return
        yield _envelope(document, name, at)
        at = _past_space(text, end)


def _envelope(document: Any, name: str, at: int) -> Envelope | Unusable:
    try:
        return Envelope.parse(document["detail"] if isinstance(document, dict) and "detail" in document else document)
    except UndecodableEvent as error:
        return Unusable({"object": name, "at": at}, str(error))


def _complete(envelope: Envelope, completed: Whole, batch: list[Envelope], unusable: list[Unusable]) -> None:
    try:
        batch.append(completed(envelope))
    except UndecodableEvent as error:
        unusable.append(Unusable({"stream": envelope.stream.key, "version": envelope.first}, str(error)))


def _written(total: Restored, writer: LakeWriter, batch: list[Envelope], unusable: list[Unusable]) -> Restored:
    written = writer.write(batch, [], unusable)
    return total._replace(
        commits=total.commits + len(batch), rows=total.rows + written.rows, parked=total.parked + written.parked
    )


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at
