"""A small domain that shows every rule of projections: articles that are priced, moved, deleted, and noted upon.

`writer` is yesterday's code, which still wrote `Repriced`; `article` is today's, which knows it as `Priced`.
"""

import hashlib
from decimal import Decimal
from typing import Any

from foldstack import Aggregate, Command, Event, EventMeta, Projection, Service, State


class Created(Event):
    price: Decimal
    shelf: str


class Priced(Event):
    price: Decimal


class Repriced(Event):
    cents: int


class Moved(Event):
    shelf: str


class Deleted(Event):
    pass


class Noted(Event):
    text: str


class Nothing(State):
    pass


class Record(Command):
    """Stores just these events."""

    id: str
    events: tuple[Any, ...]


class ArticleRow(State):
    price: Decimal
    shelf: str
    weight: float = 0.5
    tags: tuple[str, ...] = ("a", "b")


class TrailRow(State):
    """`trace` depends on every event and its place: two rows agree in it only if they saw the same, in order."""

    trace: str = ""
    seen: int = 0


writer = Aggregate("article", Nothing)
article = Aggregate("article", Nothing)


@writer.decides(Record, by="id")
@article.decides(Record, by="id")
def record(command: Record, state: Nothing):
    return command.events


for kind in (Created, Priced, Moved, Deleted, Noted):
    writer.evolves(kind)(lambda state, event: state)
    article.evolves(kind)(lambda state, event: state)
writer.evolves(Repriced)(lambda state, event: state)


@article.upcasts("Repriced", 1, makes=[Priced])
def repriced(data: dict):
    return [("Priced", 1, {"price": str(Decimal(data["cents"]) / 100)})]


articles = Projection("articles", of=article, row=ArticleRow)
trails = Projection("trails", of=article, row=TrailRow, version=2)
POISONED: set[tuple[str, int]] = set()
"""(stream id, version): where the handlers of today's code raise."""


def check(meta: EventMeta) -> None:
    if (meta.stream_id, meta.version) in POISONED:
        raise ZeroDivisionError(f"poison at {meta.version}")


@articles.on(Created)
def created(row: ArticleRow | None, event: Created, meta: EventMeta) -> ArticleRow:
    check(meta)
    return ArticleRow(price=event.price, shelf=event.shelf)


@articles.on(Priced)
def priced(row: ArticleRow | None, event: Priced, meta: EventMeta) -> ArticleRow | None:
    check(meta)
    return row and row.model_copy(update={"price": event.price})


@articles.on(Moved)
def moved(row: ArticleRow | None, event: Moved, meta: EventMeta) -> ArticleRow | None:
    check(meta)
    return row and row.model_copy(update={"shelf": event.shelf})


@articles.on(Deleted)
def deleted(row: ArticleRow | None, event: Deleted, meta: EventMeta) -> None:
    check(meta)


@articles.contributes
def stock(row: ArticleRow):
    return {row.shelf: {"articles": 1, "worth": row.price}, "all": {"articles": 1}}


for kind in (Created, Priced, Moved, Deleted, Noted):

    @trails.on(kind)
    def seen(row: TrailRow | None, event: Event, meta: EventMeta) -> TrailRow:
        before = row or TrailRow()
        text = f"{before.trace}|{meta.version}|{meta.time}|{event.model_dump_json()}"
        return TrailRow(trace=hashlib.sha256(text.encode()).hexdigest()[:12], seen=before.seen + 1)


service = Service("library", aggregates=[article], projections=[articles, trails])
