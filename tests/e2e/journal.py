"""A journal on a laptop cloud: told by commands, read back from its store and from its views."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foldstack.aws import composition, domain, view_rows
from foldstack.aws.commit_scan import CommitTableScan
from foldstack.aws.environment import Environment
from foldstack.aws.lag import Lag, Late
from foldstack.aws.sweep import CommitTableHeads
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.projection import Projection

from local.cloud import LaptopCloud
from local.event_sources import Faults

from .conftest import ROOT
from .histories import History, Model, Shown, Totals, without_zeros

PROGRAM = ROOT / "tests" / "e2e" / "programs" / "journal"
TRIES = 20


class Journal:
    """`config` chooses the road and the store of the views. Safe for threads, one a stream."""

    def __init__(self, cloud: LaptopCloud, config: dict[str, str], crash: float = 0.0) -> None:
        """`crash`: how often the function that decides a command is killed before, amid or after it."""
        self.cloud, self.config = cloud, config
        self.models: dict[str, Model] = {}
        self.told: dict[str, History] = {}
        self.killed = Counter()
        self._appended = 0
        self._crash, self._rng, self._lock = crash, random.Random(5), threading.Lock()

    def up(self, faults: Faults | None = None, poison: str = "") -> None:
        self.cloud.up(faults=faults, config={**self.config, "poison": poison})
        operated = self.cloud.outputs["operated"]
        self.environment = Environment(operated["service"]["variables"])
        self.pipeline = Environment(operated["pipelines"][0]["variables"])
        self.service = domain.load(self.environment.domain)
        self._executor = Executor(composition.commit_store(self.environment, self.cloud.client))
        self.views = composition.view_operations(self.pipeline, self.service, self.cloud.client)

    def command(self, tenant: str, key: str, command: str, data: dict[str, Any]) -> dict[str, Any]:
        """Executes one command; one whose function was killed is repeated with its key, as any client has to."""
        document = {"tenant": tenant, "command": command, "key": key, "data": data}
        for _ in range(TRIES):
            answer = self.cloud.invoke("journal-commands", document, crash=self._draw())
            if answer.ok:
                break
        assert answer.ok, answer
        content = json.loads(answer.payload)
        assert content["status"] == "committed", content
        return content

    def tell(self, history: History) -> None:
        """Sends a history's commands one after the other; the model takes each once."""
        model = self.models.setdefault(history.tenant, Model())
        self.told[history.tenant] = history
        for step in history.steps:
            done = self.command(history.tenant, step.key, step.command, step.data)
            model.take(step.command, step.data)
            if step.again:
                again = self.command(history.tenant, step.key, step.command, step.data)
                assert again["version"] == done["version"], history

    def append(self, tenant: str, command: str, data: dict[str, Any]) -> None:
        """Commits a command here, without a function: for many."""
        kind = self.service.commands[command]
        self._appended += 1
        context = CommandContext(f"appended-{self._appended}")
        done = self._executor.execute(self.service.aggregate_of(kind), Tenant(tenant), kind(**data), context)
        assert isinstance(done, Committed)
        self.models.setdefault(tenant, Model()).take(command, data)

    def commits(self) -> dict[StreamId, list[Commit]]:
        """All that is in the store, by stream, in its order. A stream with a hole is no stream."""
        bodies = composition.bodies(self.environment, self.cloud.client)
        scan = CommitTableScan(self.cloud.client("dynamodb"), self.environment.commit_table, bodies)
        found: dict[StreamId, list[Commit]] = {}
        after = None
        while True:
            page = scan.page(None, (), after, 0, 1)
            for commit in page.commits:
                found.setdefault(commit.stream, []).append(commit)
            after = page.after
            if after is None:
                break
        for stream, commits in found.items():
            commits.sort(key=lambda commit: commit.first)
            assert [1, *(c.next for c in commits[:-1])] == [c.first for c in commits], stream
        return found

    def folded(self, commits: dict[StreamId, list[Commit]]) -> dict[str, Shown]:
        """What the views must show by the store, folded here and now by the domain's own functions."""
        found: dict[str, Shown] = {}
        for stream, streams_commits in commits.items():
            shown = found.setdefault(str(stream.tenant), Shown())
            for name, rows, totals in _parts(shown):
                projection = self.service.projections[name]
                row = None
                for commit in streams_commits:
                    row = projection.apply(row, commit.stored, stream.id, commit.time)
                if row is not None:
                    rows[stream.id] = row.model_dump()
                    _add(totals, projection.contribution(row))
        return {
            tenant: Shown(s.entries, s.ratings, without_zeros(s.entry_totals), without_zeros(s.rating_totals))
            for tenant, s in found.items()
        }

    def shown(self, tenant: str) -> Shown:
        """What the views say."""
        shown = Shown()
        for name, rows, totals in _parts(shown):
            projection = self._live(name)
            for id, lead in self.views.rows(projection, Tenant(tenant), None, 100):
                rows[id] = view_rows.model_of(projection, lead.row).model_dump()
            for key, fields in self.views.totals(projection, Tenant(tenant), consistent=True).items():
                totals[key] = {field: int(n) for field, n in fields.items() if n}
        return Shown(
            shown.entries, shown.ratings, without_zeros(shown.entry_totals), without_zeros(shown.rating_totals)
        )

    def lag(self) -> list[Late]:
        """Rows that are behind the store now."""
        heads = CommitTableHeads(self.cloud.client("dynamodb"), self.environment.commit_table)
        return [
            late
            for name in self.service.projections
            for late in Lag(self._live(name), heads, self.views, self.environment.store_epoch, patience=0).late()
        ]

    def metric(self, function: str, name: str) -> list[float]:
        """What a function has told of a metric, oldest first."""
        lines = [line for line in self.log(function).splitlines() if f'"{name}":' in line and '"_aws"' in line]
        return [value for line in lines for value in json.loads(line)[name]]

    def log(self, function: str) -> str:
        """What a function has printed."""
        (name,) = [each.name for each in self.cloud.functions if f"-{function}-" in each.name]
        log = self.cloud.logs / f"{name}.log"
        return log.read_text() if log.exists() else ""

    def parked(self, name: str) -> set[str]:
        """`tenant#id` of the streams that are parked in a view."""
        page = self.views.leads(self._live(name), parked=True)
        return {f"{row.tenant}#{row.id}" for row in page.rows}

    def assert_at_rest(self, but: frozenset[str] = frozenset()) -> None:
        """Waits until nothing moves; then each tenant's views are the fold of the store, and what its commands say."""
        self.cloud.wait_idle(180)
        by_store = self.folded(self.commits())
        for tenant in self.models.keys() - but:
            shown, told = self.shown(tenant), self.models[tenant].shown
            assert by_store[tenant] == told, self.told.get(tenant, tenant)
            assert shown == told, self.told.get(tenant, tenant)

    def left_over(self) -> dict[str, int]:
        """Messages in queues and records given up to S3, where there are any: dead letters and parked ones too."""
        sqs, s3 = self.cloud.client("sqs"), self.cloud.client("s3")
        counts = {}
        for url in sqs.list_queues()["QueueUrls"]:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            counts[url.rsplit("/", 1)[-1]] = sum(int(attributes[name]) for name in names)
        for bucket in s3.list_buckets()["Buckets"]:
            counts[bucket["Name"]] = s3.list_objects_v2(Bucket=bucket["Name"])["KeyCount"]
        return {name: count for name, count in counts.items() if count}

    def _live(self, name: str) -> Projection:
        projection = self.service.projections[name]
        return projection.in_generation(self.views.control(projection).live)

    def _draw(self) -> Any:
        with self._lock:
            if self._rng.random() >= self._crash:
                return None
            how = self._rng.choice(("before", "amid", "after"))
            self.killed[how] += 1
            return how


@contextmanager
def opened(home: Path, road: str, read_model: str, monkeypatch: Any, crash: float = 0.0) -> Iterator[Journal]:
    """One on a cloud of its own."""
    monkeypatch.syspath_prepend(PROGRAM)
    monkeypatch.setenv("POISON", "")
    with LaptopCloud(PROGRAM, home=home) as cloud:
        yield Journal(cloud, {"road": road, "readModel": read_model}, crash)


def _parts(shown: Shown) -> Iterable[tuple[str, dict[str, dict[str, Any]], Totals]]:
    return ("entries", shown.entries, shown.entry_totals), ("ratings", shown.ratings, shown.rating_totals)


def _add(totals: Totals, contribution: Any) -> None:
    for key, fields in contribution.items():
        of = totals.setdefault(key, {})
        for name, number in fields.items():
            of[name] = of.get(name, 0) + number
