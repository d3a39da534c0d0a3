"""A lake of people, and whether anything of them can be read in it."""

import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from foldstack.aws.batch_projector import BatchProjector
from foldstack.aws.generations import Generations
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId
from foldstack.kernel.personal import token_of
from foldstack.kernel.upcasting import StoredEvent
from foldstack.lake.archive import restore
from foldstack.lake.columnar import read
from foldstack.lake.entities import Entities
from foldstack.lake.tables import LakeTable, tables_of
from foldstack.lake.writer import LakeWriter
from pydantic_core import from_json

from tests.erasure.domain import customers
from tests.erasure.support import TENANT
from tests.erasure.world import World
from tests.lake.people import households, service
from tests.lake.support import TIME, Bucket, Parked, read_view

TABLES = {table.name: table for table in tables_of(service)}
VIEWS = {"customers": "people-customers", "households": "people-households"}
CLEAR = "clear:"
"""Begins every text that nobody may find."""
BORN = date(1871, 6, 5)


class Lake:
    """Commands, the road, the views, and a lake of what was delivered: its writer has no keys."""

    def __init__(self) -> None:
        self.world = World()
        self.sandbox = self.world.sandbox
        self.world.projector = BatchProjector(
            [customers, households],
            self.sandbox.store,
            self.world.rows,
            self.world.parked,
            sleep=lambda seconds: None,
        )
        self.bucket, self.parked = Bucket(), Parked()
        self.images: dict[Any, Any] = {}

    def writer(self, bucket: Bucket) -> LakeWriter:
        return LakeWriter(bucket.put, service, TABLES.values(), self.parked)

    def deliver(self) -> None:
        """What was not delivered yet: to the views, and to the lake, which gets what their streams say."""
        known = len(self.world.road)
        self.world.deliver()
        envelopes = [Envelope.parse(from_json(each)) for each in self.world.road[known:]]
        changes, unusable = self.entities().of_stream(list(self._records()))
        assert unusable == []
        self.writer(self.bucket).write(envelopes, changes)

    def entities(self) -> Entities:
        known = Generations(lambda: self.world.rows, 0)
        return Entities([customers, households], VIEWS, known, lambda streams: dict.fromkeys(streams, TIME[:10]))

    def _records(self) -> Iterator[dict[str, Any]]:
        for projection in (customers, households):
            source = f"arn:aws:dynamodb:eu-central-1:000000000000:table/{VIEWS[projection.name]}/stream/2026"
            for (p, id), item in self.world.rows.items.get(projection.name, {}).items():
                if self.images.get((p, id)) != item:
                    change = {"ApproximateCreationDateTime": 1.0, "Keys": {"p": {"S": p}, "s": {"S": id}}}
                    change |= {"NewImage": item} | ({"OldImage": old} if (old := self.images.get((p, id))) else {})
                    self.images[p, id] = dict(item)
                    yield {"eventSource": "aws:dynamodb", "eventSourceARN": source, "dynamodb": change}

    def archive(self) -> bytes:
        return gzip.compress(b"\n".join(self.world.road))

    def rebuilt(self) -> Bucket:
        """From the archive, and from the tables of the views."""
        bucket = Bucket()
        bucket.contents["archive/a.gz"] = self.archive()
        restore(bucket, "archive/", self.writer(bucket), lambda envelope: envelope)
        for view in VIEWS:
            changes, unusable, after = self.entities().of_table(self.world.rows, view, None, datetime.now(UTC))
            assert (unusable, after) == ([], None)
            self.writer(bucket).write([], changes)
        return bucket

    def opened(self, token: str | None) -> Any:
        document = None if token is None else {"~": token}
        return self.sandbox.another().keyring.opener(TENANT, document).document(document)

    def stored(self) -> dict[tuple[str, int], StoredEvent]:
        """By stream and version."""
        return {
            (StreamId.parse(stream).path, event.version): event
            for stream, commits in self.sandbox.store.streams().items()
            for commit in commits
            for event in commit.stored
        }


def contents(bucket: Bucket) -> str:
    """All bytes, and all that is packed in them."""
    parts = []
    for key, content in bucket.contents.items():
        parts += [key, content.decode("latin-1")]
        parts.append(
            repr(read(content).to_pylist()) if key.endswith(".parquet") else gzip.decompress(content).decode("latin-1")
        )
    return "\n".join(parts)


def rows(bucket: Bucket, table: str) -> list[dict[str, Any]]:
    return read_view(bucket, TABLES[table], TENANT)


def assert_ciphertext(lake: Lake, bucket: Bucket) -> None:
    """Every event and row has the stored tokens in its columns, and nothing in the clear is anywhere."""
    assert (lake.parked, lake.world.parked) == ([], [])
    stored = lake.stored()
    found = {(row["stream"], row["version"]): from_json(row["data"]) for row in rows(bucket, "events")}
    assert found == {key: event.data for key, event in stored.items()}
    typed = 0
    for table in TABLES.values():
        if table.kind == "events":
            for row in rows(bucket, table.name):
                typed += 1
                _assert_row(table, row, stored[row["stream"], row["version"]].data)
    assert typed == len(stored)
    for projection in (customers, households):
        leads = {id: lead for id, lead in lake.world.rows.rows(projection, TENANT, None, 0)}
        entities = rows(bucket, projection.name)
        assert {row["id"] for row in entities} == leads.keys()
        for row in entities:
            _assert_row(TABLES[projection.name], row, leads[row["id"]].row)
    everything = contents(bucket) + gzip.decompress(lake.archive()).decode()
    assert CLEAR not in everything
    assert str(BORN) not in everything


def _assert_row(table: LakeTable, row: dict[str, Any], data: dict[str, Any]) -> None:
    for column in table.payload:
        if column.field in ("points", "people"):
            assert row[column.name] == data[column.field]
        elif column.field == "all":
            assert from_json(row[column.name]) == data[column.field]
        else:
            assert _plain(row[column.name]) == _plain(data[column.field]), column.name


def _plain(value: Any) -> Any:
    """What a column holds, and what is stored, in one form: tokens as text, maps as pairs, JSON as text."""
    token = token_of(value)
    if token is not None:
        return {'="none"': "none"}.get(token, token or "[erased]")
    if isinstance(value, dict) and "person" in value:
        likes = value.get("likes")
        likes = from_json(likes) if isinstance(likes, str) else likes
        return {name: _plain(each) for name, each in value.items()} | ({"likes": likes} if "likes" in value else {})
    if isinstance(value, dict):
        return sorted((key, _plain(each)) for key, each in value.items())
    if isinstance(value, list):
        each_is_pair = value and all(isinstance(each, tuple) for each in value)
        return sorted((key, _plain(each)) for key, each in value) if each_is_pair else [_plain(each) for each in value]
    return value
