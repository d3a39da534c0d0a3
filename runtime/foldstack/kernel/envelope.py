"""What travels on every road: a CloudEvents 1.0 envelope of one commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .commit import Commit, event_id
from .errors import InvalidValue, UndecodableEvent
from .keys import StreamId, Tenant
from .upcasting import StoredEvent

TYPE = "foldstack.commit"


@dataclass(frozen=True)
class Envelope:
    """A commit as its consumers see it. `stored` is None where the events were too large to travel:
    then the consumer reads the store."""

    stream: StreamId
    first: int
    next: int
    prev: Mapping[str, int]
    types: tuple[str, ...]
    time: str
    epoch: int
    stored: tuple[StoredEvent, ...] | None
    correlation: str = ""
    causation: str = ""
    traceparent: str = ""
    replay: str = ""
    depth: int = 0
    reaction: str = ""

    @property
    def tenant(self) -> Tenant:
        return self.stream.tenant

    @property
    def id(self) -> str:
        return event_id(self.stream, self.first)

    def previous(self, types: frozenset[str]) -> int:
        """See `Commit.previous`."""
        return max((version for name, version in self.prev.items() if name in types), default=1)

    @classmethod
    def of(cls, commit: Commit, *, with_events: bool = True) -> "Envelope":
        return cls(
            commit.stream,
            commit.first,
            commit.next,
            commit.prev,
            commit.types,
            commit.time,
            commit.epoch,
            commit.stored if with_events else None,
            commit.correlation,
            commit.causation,
            commit.traceparent,
            depth=commit.depth,
            reaction=commit.reaction,
        )

    def to_dict(self, source: str) -> dict[str, Any]:
        """The CloudEvents document; extension attributes are Foldstack's own."""
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": TYPE,
            "subject": self.stream.key,
            "time": self.time,
            "datacontenttype": "application/json",
            "tenant": str(self.tenant),
            "first": self.first,
            "next": self.next,
            "prev": dict(self.prev),
            "epoch": self.epoch,
            "types": list(self.types),
        }
        for name in ("correlation", "causation", "traceparent", "replay", "reaction"):
            if value := getattr(self, name):
                document[name] = value
        if self.depth:
            document["depth"] = self.depth
        if self.stored is None:
            document["dataref"] = self.id
        else:
            document["data"] = [
                {"type": e.type, "schema": e.schema, "version": e.version, "data": e.data} for e in self.stored
            ]
        return document

    @classmethod
    def parse(cls, document: Any) -> "Envelope":
        """Raises UndecodableEvent for anything that `to_dict` did not make."""
        try:
            if document["specversion"] != "1.0" or document["type"] != TYPE:
                raise UndecodableEvent(f"not a {TYPE} envelope: {document['type']!r}")
            stored = None
            if "dataref" not in document:
                stored = tuple(
                    StoredEvent(e["type"], int(e["schema"]), int(e["version"]), e["data"]) for e in document["data"]
                )
            return cls(
                StreamId.parse(document["subject"]),
                int(document["first"]),
                int(document["next"]),
                {name: int(version) for name, version in document["prev"].items()},
                tuple(document["types"]),
                document["time"],
                int(document["epoch"]),
                stored,
                document.get("correlation", ""),
                document.get("causation", ""),
                document.get("traceparent", ""),
                document.get("replay", ""),
                int(document.get("depth", 0)),
                document.get("reaction", ""),
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, InvalidValue) as error:
            raise UndecodableEvent(f"not a {TYPE} envelope: {error!r}") from error
