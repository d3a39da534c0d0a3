"""A read model, fed by one kind of stream: `(row, event) -> row`, pure; sums over many streams by contribution."""

import copy
import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from .aggregate import Aggregate
from .errors import DefinitionError
from .fingerprint import fingerprint
from .messages import Event, State
from .upcasting import StoredEvent

if TYPE_CHECKING:
    from .personal import Reading

R = TypeVar("R", bound=State)
F = TypeVar("F", bound=Callable[..., Any])

Number = int | Decimal
Contribution = Mapping[str, Mapping[str, Number]]


@dataclass(frozen=True, slots=True)
class EventMeta:
    """Where an event comes from: `version` in its stream, `time` of its commit in RFC 3339 UTC. `causation` is the id
    of the event that led to it, and `reaction` the name of what answered that one so; empty where there was none."""

    stream_id: str
    version: int
    time: str
    causation: str = ""
    reaction: str = ""


class Projection(Generic[R]):
    """One row per stream of an aggregate, named `name`, of the model `row`.

        products = Projection("products", of=product, row=ProductRow)

        @products.on(ProductCreated)
        def created(row, event, meta): return ProductRow(...)

    A handler gets the row (None while there is none) and answers the next one, None to delete it.
    Rows over several streams are sums: `@products.contributes` declares what one stream adds to which totals.
    `indexed` names the fields of the row, or `field.part`, by which `Views.find` finds and orders.
    """

    def __init__(
        self, name: str, *, of: Aggregate, row: type[R], version: int = 1, indexed: Iterable[str] = ()
    ) -> None:
        if not name.isidentifier() or not name.islower():
            raise DefinitionError(f"a projection's name is a lower-case identifier; got {name!r}")
        self.name = name
        self.of = of
        self.row_type = row
        self.version = version
        self.generation = 1
        self.indexed = tuple(indexed)
        for field in self.indexed:
            if not has_field(row, field):
                raise DefinitionError(f"projection {name}: {row.__name__} has no field {field} to be found by")
        self._handlers: dict[type[Event], Callable[[R | None, Any, EventMeta], R | None]] = {}
        self._contribute: Callable[[R], Contribution] | None = None

    def on(self, event: type[Event]) -> Callable[[F], F]:
        """Registers `handler(row, event, meta) -> row | None` for one event type of the aggregate."""

        def register(handler: F) -> F:
            if event not in self.of.events:
                raise DefinitionError(
                    f"projection {self.name}: {event.__name__} is no event of {self.of.category}. A row is fed by one "
                    "stream; for a row over several, declare one projection each and let them contribute to a total"
                )
            if event in self._handlers:
                raise DefinitionError(f"projection {self.name}: {event.__name__} is handled twice")
            self._handlers[event] = handler
            return handler

        return register

    def contributes(self, contribute: Callable[[R], Contribution]) -> Callable[[R], Contribution]:
        """Registers `contribute(row) -> {total key: {field: number}}`: what this stream's row adds to totals.

        Sums are all that several streams can share: the store has no order across streams.
        """
        if self._contribute is not None:
            raise DefinitionError(f"projection {self.name}: contributes is declared twice")
        self._contribute = contribute
        return contribute

    def in_generation(self, number: int) -> "Projection[R]":
        """The same projection, of another generation of its rows: views keep them apart."""
        if number == self.generation:
            return self
        other = copy.copy(self)
        other.generation = number
        return other

    @property
    def label(self) -> str:
        """The name, with the generation where it is not the first: for people, and for keys that must differ."""
        return self.name if self.generation == 1 else f"{self.name}@{self.generation}"

    @property
    def fingerprint(self) -> str:
        """Changes when code that the rows depend on changes."""
        made_by = [self.row_type, *self._handlers.values(), *filter(None, [self._contribute])]
        each = [fingerprint(module) for module in sorted({function.__module__ for function in made_by})]
        return hashlib.sha256("".join(each).encode()).hexdigest()[:16]

    @cached_property
    def reading(self) -> "Reading | None":
        """What becomes of personal fields: rows and events hold them as they are stored, and nobody here reads them.
        Raises DefinitionError where rows could not be kept so."""
        if f"{__package__}.personal" not in sys.modules:
            return None
        from .personal import KEPT
        from .personal_check import of_projection

        return KEPT if of_projection(self) or self.of.personal else None

    @property
    def types(self) -> frozenset[type[Event]]:
        return frozenset(self._handlers)

    @property
    def stored_types(self) -> frozenset[str]:
        """The names of stored events that may touch a row: commits of other types only are none of its business."""
        return self.of.upcasters.sources(frozenset(event.type_name for event in self._handlers))

    def apply(
        self,
        row: R | None,
        stored: Iterable[StoredEvent],
        stream_id: str,
        time: str,
        causation: str = "",
        reaction: str = "",
    ) -> R | None:
        """The row after the stored events of one commit."""
        for event in stored:
            for made in self.of.upcasters.decode(event, self.reading):
                handler = self._handlers.get(type(made))
                if handler is not None:
                    row = handler(row, made, EventMeta(stream_id, event.version, time, causation, reaction))
        return row

    def contribution(self, row: R | None) -> Contribution:
        if row is None or self._contribute is None:
            return {}
        return self._contribute(row)

    @property
    def has_totals(self) -> bool:
        return self._contribute is not None


def difference(before: Contribution, after: Contribution) -> dict[str, dict[str, Number]]:
    """What must be added to the totals when a stream's contribution changes; empty where nothing does."""
    changes: dict[str, dict[str, Number]] = {}
    for key in {*before, *after}:
        old, new = before.get(key, {}), after.get(key, {})
        fields = {name: new.get(name, 0) - old.get(name, 0) for name in {*old, *new}}
        if any(fields.values()):
            changes[key] = {name: change for name, change in sorted(fields.items()) if change}
    return dict(sorted(changes.items()))


def has_field(model: type[BaseModel], path: str) -> bool:
    """Whether the model has a field, or `field.part` where the field is a model itself."""
    name, _, rest = path.partition(".")
    field = model.model_fields.get(name)
    if field is None or not rest:
        return field is not None
    return (
        isinstance(field.annotation, type)
        and issubclass(field.annotation, BaseModel)
        and has_field(field.annotation, rest)
    )


Step = Literal["duplicate", "apply", "heal"]


def step(cursor: int | None, previous: int, next: int) -> Step:
    """What to do with a commit, by the cursor of its stream's row (None: no row yet).

    `previous` is the version after the last event of the consumer's types before this commit.
    """
    if cursor is not None and next <= cursor:
        return "duplicate"
    if previous <= (1 if cursor is None else cursor):
        return "apply"
    return "heal"
