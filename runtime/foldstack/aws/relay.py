"""The relay: commits from the table's stream to the road, each stream's in order, none lost."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import uuid4

from pydantic_core import to_json

from ..kernel.commit import Commit, event_id
from ..kernel.envelope import Envelope
from ..kernel.errors import FoldstackError, StoreThrottled, StoreTimeout
from .commit_item import from_item
from .parking import Park
from .roads.road import Outgoing

MOST_INLINE_BYTES = 200 * 1024
"""Of an envelope, on every road alike; a larger one carries a reference."""

Record = Mapping[str, Any]

_UNREADABLE = (FoldstackError, ValueError, LookupError, TypeError, zlib.error)
_LONGEST_REASON = 500


class Publishes(Protocol):
    def publish(self, commits: Sequence[Outgoing], until: float) -> str | None: ...


class Relay:
    """`source` is the service's name; each of `publishers` is given all commits, one after the other. With `replay`
    the envelopes say that they come again, and which consumer alone is meant."""

    def __init__(self, publishers: Sequence[Publishes], source: str, park: Park, *, replay: str = "") -> None:
        self._publishers = publishers
        self._source = source
        self._park = park
        self._replay = replay
        # A FIFO topic drops for five minutes what has the id of another: what comes again needs one of its own.
        self._again = f"~{uuid4().hex}" if replay else ""

    def relay(self, records: Sequence[Record], until: float) -> str | None:
        """Publishes stream records in their order, until `until` on the clock. Answers the sequence number of the
        first that could not be published now, None where there is none: Lambda delivers from there on again."""
        commits, unread = self._read(records)
        places = {record["dynamodb"]["SequenceNumber"]: place for place, record in enumerate(records)}
        stops = [unread, *(publisher.publish(commits, until) for publisher in self._publishers)]
        return min((stop for stop in stops if stop is not None), key=places.__getitem__, default=None)

    def _read(self, records: Sequence[Record]) -> tuple[list[Outgoing], str | None]:
        """The commits of some records, and the first record that could neither be read nor parked: what comes
        after it has to wait."""
        commits: list[Outgoing] = []
        for record in records:
            if record["eventName"] != "INSERT" or "t" not in record["dynamodb"].get("NewImage", ()):
                continue
            try:
                outgoing = self._outgoing(record["dynamodb"])
            except (StoreTimeout, StoreThrottled):
                return commits, record["dynamodb"]["SequenceNumber"]
            if outgoing is not None:
                commits.append(outgoing)
        return commits, None

    def _outgoing(self, change: Mapping[str, Any]) -> Outgoing | None:
        """The envelope of a new item; None for one that is parked, since nobody will ever be able to read it."""
        image, keys = change["NewImage"], change["Keys"]
        try:
            commit = from_item(image, lambda tenant, key: _NO_BODY)
            document = b""
            if "o" not in image:
                document = self._document(commit, with_events=True)
            if not document or len(document) > MOST_INLINE_BYTES:
                document = self._document(commit, with_events=False)
        except _UNREADABLE as error:
            reason = f"not a commit: {type(error).__name__}: {error}"
            self._park(
                "relay", reason[:_LONGEST_REASON], stream=keys["p"]["S"], first=int(keys["s"]["N"]), payload=image
            )
            return None
        return Outgoing(
            change["SequenceNumber"],
            f"{event_id(commit.stream, commit.first)}{self._again}",
            commit.stream.key,
            str(commit.stream.tenant),
            commit.first,
            commit.types,
            document,
        )

    def _document(self, commit: Commit, *, with_events: bool) -> bytes:
        envelope = replace(Envelope.of(commit, with_events=with_events), replay=self._replay)
        return to_json(envelope.to_dict(self._source))


# A body that lies in S3 stays there: its envelope carries a reference, and each consumer reads the store.
_NO_BODY = bytes(4)
