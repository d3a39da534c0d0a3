"""From the schema an event was stored with to the schema of today."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from .errors import DefinitionError, UndecodableEvent
from .messages import Event

if TYPE_CHECKING:
    from .personal import Reading


class StoredEvent(NamedTuple):
    """An event as it lies in the store: `version` is its place in the stream, `data` plain JSON."""

    type: str
    schema: int
    version: int
    data: dict


Upcast = Callable[[dict], dict | list[tuple[str, int, dict]] | None]


class Upcasters:
    """The event types of one aggregate, and the chain that leads old schemas to them."""

    def __init__(self) -> None:
        self._types: dict[str, type[Event]] = {}
        self._chain: dict[tuple[str, int], tuple[Upcast, frozenset[str]]] = {}

    def know(self, event: type[Event]) -> None:
        other = self._types.setdefault(event.type_name, event)
        if other is not event:
            raise DefinitionError(f"{event.type_name} names both {other.__qualname__} and {event.__qualname__}")

    def add(self, type_name: str, from_version: int, upcast: Upcast, makes: Iterable[type[Event]] = ()) -> None:
        """`upcast(data)` answers the data of the next version, None to drop the event, or, to rename or split
        it, a list of (type name, schema version, data) whose types `makes` names. What it makes keeps its
        place in the stream."""
        if (type_name, from_version) in self._chain:
            raise DefinitionError(f"{type_name} version {from_version} is upcast twice")
        self._chain[type_name, from_version] = upcast, frozenset(event.type_name for event in makes)

    @property
    def old(self) -> frozenset[tuple[str, int]]:
        """Name and version of every stored event that is none of today's, and is read all the same."""
        return frozenset(self._chain)

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        """The stored names that may become events of `names`, those included."""
        found = set(names)
        while more := {old for (old, _), (_, makes) in self._chain.items() if found & makes} - found:
            found |= more
        return frozenset(found)

    def check(self, owner: str) -> None:
        """The chain has no gap and no loose end, else DefinitionError."""
        for name, event in self._types.items():
            for version in range(1, event.schema_version):
                if (name, version) not in self._chain:
                    raise DefinitionError(
                        f"{owner}: {name} is at version {event.schema_version}, but nothing upcasts version {version}"
                    )
        for (name, version), (_, makes) in self._chain.items():
            if loose := makes - self._types.keys() - {made for made, _ in self._chain}:
                raise DefinitionError(
                    f"{owner}: the upcaster of {name} version {version} makes {', '.join(sorted(loose))}; "
                    f"no event of {owner} is called so"
                )
            known = self._types.get(name)
            if known and version >= known.schema_version:
                raise DefinitionError(
                    f"{owner}: {name} is at version {known.schema_version}; an upcaster from {version} leads nowhere"
                )
            if not known and version > 1 and (name, version - 1) not in self._chain:
                raise DefinitionError(f"{owner}: {name} version {version} is upcast, version {version - 1} is not")

    def decode(self, stored: StoredEvent, reading: "Reading | None" = None) -> tuple[Event, ...]:
        """Today's events for a stored one: one, none or several; `reading` says what becomes of personal fields,
        which upcasters may move and can't read. Raises UndecodableEvent."""
        name, schema, version, data = stored
        event = self._types.get(name)
        if event is not None and schema == event.schema_version:
            try:
                return (event.__pydantic_validator__.validate_python(data, strict=False, context=reading),)
            except ValidationError as error:
                wrong = ", ".join(
                    f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
                    for each in error.errors(include_url=False, include_context=False, include_input=False)
                )  # without the values: this text ends in logs and parking queues
                raise UndecodableEvent(f"{name} at {version} does not fit its model: {wrong}") from None
        upcast, makes = self._chain.get((name, schema), (None, frozenset()))
        if upcast is None:
            raise UndecodableEvent(
                f"{name} version {schema} at {version}: "
                + (f"this code knows it up to version {event.schema_version}" if event else "unknown to this code")
            )
        made = upcast(data)
        if made is None:
            return ()
        events: list[Event] = []
        for step in [(name, schema + 1, made)] if isinstance(made, dict) else made:
            if step[0] != name and step[0] not in makes:
                raise UndecodableEvent(f"the upcaster of {name} version {schema} made {step[0]}; name it in `makes`")
            events += self.decode(StoredEvent(step[0], step[1], version, step[2]), reading)
        return tuple(events)
