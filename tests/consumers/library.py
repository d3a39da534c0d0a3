"""Histories of articles, their deliveries, and what views must show of them."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from foldstack.aws import view_rows
from foldstack.aws.projector import Projector, by_stream
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.projection import Projection
from foldstack.kernel.store import MemoryCommitStore

from .domain import (
    Created,
    Deleted,
    Moved,
    Noted,
    Priced,
    Record,
    Repriced,
    articles,
    trails,
    writer,
)
from .fakes import Parked

TENANTS = (Tenant("acme"), Tenant("zeta"))
PROJECTIONS = (articles, trails)


class Library:
    """A commit store, and a writer of articles into it."""

    def __init__(self, store: Any = None, epoch: int = 1) -> None:
        self.store = MemoryCommitStore() if store is None else store
        self.commits: list[Commit] = []
        self._clock = datetime(2026, 1, 1, tzinfo=UTC)
        self._ids = 0
        self._executor = Executor(self.store, epoch=epoch, now=self._now, rng=random.Random(0))

    def commit(self, id: str, *events: Any, tenant: Tenant = TENANTS[0]) -> Commit:
        self._ids += 1
        context = CommandContext(f"command-{self._executor.epoch}-{self._ids}")
        done = self._executor.execute(writer, tenant, Record(id=id, events=events), context)
        assert isinstance(done, Committed)
        assert done.commit is not None
        self.commits.append(done.commit)
        return done.commit

    def grow(self, rng: random.Random, streams: int = 4, commits: int = 20) -> "Library":
        """Random lives of articles: created, changed, deleted and made again, with notes that few read."""
        lives = [(rng.choice(TENANTS), f"a{n}") for n in range(streams)]
        alive: dict[Any, bool] = {}
        for _ in range(streams * commits):
            life = rng.choice(lives)
            events = []
            for _ in range(rng.choice([1, 1, 1, 2, 3])):
                events.append(_event(rng, alive.get(life)))
                if isinstance(events[-1], Created | Deleted):
                    alive[life] = isinstance(events[-1], Created)
            self.commit(life[1], *events, tenant=life[0])
        return self

    def _now(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock


def _event(rng: random.Random, alive: bool | None) -> Any:
    price, shelf = Decimal(rng.randrange(10_000)) / 100, rng.choice("xyz")
    if not alive and rng.random() < 0.5:
        return Created(price=price, shelf=shelf)
    if rng.random() < 0.4:
        return Noted(text="n" * rng.randrange(5))
    roll = rng.random()
    if roll < 0.3:
        return Priced(price=price)
    if roll < 0.5:
        return Repriced(cents=rng.randrange(10_000))
    return Deleted() if alive and roll > 0.85 else Moved(shelf=shelf)


def published(commits: Iterable[Commit], rng: random.Random | None = None) -> list[Envelope]:
    """Envelopes as consumers parse them; with `rng`, some travel by reference."""
    made = []
    for commit in commits:
        inline = rng is None or rng.random() > 0.1
        made.append(Envelope.parse(Envelope.of(commit, with_events=inline).to_dict("library")))
    return made


def projector(commits: Any, views: Any, park: Any = None, epoch: int = 1, seed: int = 0) -> Projector:
    """Of all projections; it never really sleeps."""
    return Projector(
        PROJECTIONS,
        commits,
        views,
        Parked() if park is None else park,
        epoch=epoch,
        sleep=lambda seconds: None,
        rng=random.Random(seed),
    )


def deliver(to: Projector, envelopes: Iterable[Envelope]) -> None:
    """As the handler does with a batch."""
    for group in by_stream(envelopes).values():
        to.project(group[0].stream, group)


def assert_equals_fold(views: Any, store: MemoryCommitStore) -> None:
    """Rows and totals of both projections are those of the whole store, tenant by tenant."""
    for tenant in TENANTS:
        for projection in PROJECTIONS:
            rows, totals = folded(store, projection, tenant)
            assert shown(views, projection, tenant) == rows
            assert views.totals(projection, tenant, consistent=True) == totals


def folded(store: MemoryCommitStore, projection: Projection, tenant: Tenant) -> tuple[dict, dict]:
    """What the rows and the totals must be."""
    rows: dict[str, Any] = {}
    totals: dict[str, dict[str, Any]] = {}
    for key, commits in store.streams().items():
        stream = StreamId.parse(key)
        if stream.tenant != tenant:
            continue
        row = None
        for commit in commits:
            row = projection.apply(row, commit.stored, stream.id, commit.time)
        if row is None:
            continue
        rows[stream.id] = row
        for total, fields in projection.contribution(row).items():
            for field, number in fields.items():
                of = totals.setdefault(total, {})
                of[field] = of.get(field, 0) + number
    found = {key: {name: n for name, n in fields.items() if n} for key, fields in totals.items()}
    return rows, {key: fields for key, fields in found.items() if fields}


def shown(views: Any, projection: Projection, tenant: Tenant) -> dict[str, Any]:
    return {id: view_rows.model_of(projection, lead.row) for id, lead in views.rows(projection, tenant, None, 100)}


def stream(id: str, tenant: Tenant = TENANTS[0]) -> StreamId:
    return StreamId.of(tenant, "article", id)
