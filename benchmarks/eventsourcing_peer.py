"""The domain of `stock` in the `eventsourcing` library, in the two ways its documentation shows.

`DefaultShop` is the library as it comes: frozen dataclasses through its JSONTranscoder. `ModelShop` is the
documentation's aggregate example 8, events as frozen pydantic models, with a mapper that is quicker than the
documented one: JSON is written and read in one step. Both declare event classes: quicker than the decorators.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, BaseAggregate, CanInitAggregate, CanMutateAggregate
from eventsourcing.persistence import Mapper, StoredEvent
from eventsourcing.utils import get_topic, resolve_topic
from pydantic import BaseModel, ConfigDict

from .stock import AMOUNT, CURRENCY, EXPIRES, NAME, ON_HAND, RESERVATION

Settings = dict[str, str]

ZLIB: Settings = {"COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor"}
CACHE: Settings = {"AGGREGATE_CACHE_MAXSIZE": "0"}
SINGLE_WRITER: Settings = {**CACHE, "AGGREGATE_CACHE_FASTFORWARD": "n", "DEEPCOPY_FROM_AGGREGATE_CACHE": "n"}


class OutOfStock(Exception):
    """The command is refused."""


class Holding:
    """What both aggregates do, changed in place as the library has it."""

    Held: ClassVar[type[Any]]
    trigger_event: Any

    def __init__(self, name: str, on_hand: int) -> None:
        self.on_hand = on_hand
        self.held = 0

    def hold(self, reservation_id: str, quantity: int, amount: Decimal, currency: str, expires_at: datetime) -> None:
        if self.held + quantity > self.on_hand:
            raise OutOfStock
        self.trigger_event(
            self.Held,
            reservation_id=reservation_id,
            quantity=quantity,
            amount=amount,
            currency=currency,
            expires_at=expires_at,
        )


class Stock(Holding, Aggregate):
    class Created(Aggregate.Created):
        name: str
        on_hand: int

    class Held(Aggregate.Event):
        reservation_id: str
        quantity: int
        amount: Decimal
        currency: str
        expires_at: datetime

        def apply(self, aggregate: Any) -> None:
            aggregate.held += self.quantity


class ModelEvent(BaseModel, CanMutateAggregate[UUID]):
    model_config = ConfigDict(frozen=True, extra="forbid")

    originator_id: UUID
    originator_version: int
    timestamp: datetime


class ModelAggregate(BaseAggregate[UUID]):
    @staticmethod
    def create_id(*_: Any, **__: Any) -> UUID:
        return uuid4()

    class Event(ModelEvent):
        pass

    class Created(Event, CanInitAggregate[UUID]):
        originator_topic: str


class ModelStock(Holding, ModelAggregate):
    class Created(ModelAggregate.Created):
        name: str
        on_hand: int

    class Held(ModelAggregate.Event):
        reservation_id: str
        quantity: int
        amount: Decimal
        currency: str
        expires_at: datetime

        def apply(self, aggregate: Any) -> None:
            aggregate.held += self.quantity


class ModelMapper(Mapper[UUID]):
    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        state = domain_event.__pydantic_serializer__.to_json(domain_event)
        if self.compressor:
            state = self.compressor.compress(state)
        topic = get_topic(type(domain_event))
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        state = stored_event.state
        if self.compressor:
            state = self.compressor.decompress(state)
        return resolve_topic(stored_event.topic).__pydantic_validator__.validate_json(state)


class DefaultShop(Application[UUID]):
    stock: ClassVar[type[Any]] = Stock

    def create(self, events: int) -> UUID:
        """A new stock with so many events; it is in the cache, if there is one."""
        made = self.stock(name=NAME, on_hand=ON_HAND)
        for n in range(events - 1):
            made.hold(f"hold.{n:021}", 1, AMOUNT, CURRENCY, EXPIRES)
        self.save(made)
        if self.repository.cache is not None:
            self.repository.get(made.id)
        return made.id

    def hold(self, id: UUID) -> None:
        found: Any = self.repository.get(id)
        found.hold(RESERVATION, 1, AMOUNT, CURRENCY, EXPIRES)
        self.save(found)

    def events_of(self, ids: Sequence[UUID]) -> int:
        return sum(len(self.recorder.select_events(id)) for id in ids)


class ModelShop(DefaultShop):
    env: ClassVar[Settings] = {"MAPPER_TOPIC": get_topic(ModelMapper)}
    stock: ClassVar[type[Any]] = ModelStock
