"""A blog on a laptop cloud: told by commands, read back from its views and its lake."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from foldstack import Command
from foldstack.aws import composition, view_rows
from foldstack.aws.environment import Environment
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.lake import composition as lake
from foldstack.lake.columnar import read
from foldstack.lake.compaction import Compactor
from foldstack.lake.compaction_run import CompactionRun
from typer.testing import CliRunner

from local.cloud import LaptopCloud
from local.commands import app
from local.event_sources import Faults

from .conftest import ROOT
from .programs.blog import blogging

PROGRAM = ROOT / "tests" / "e2e" / "programs" / "blog"
PATIENCE = 120.0
DEAD_LETTERS = "blog-cascade-removals-dead-letters"


class Blog:
    """Commands are committed here, without a function: what the functions do is to follow."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self.cloud = cloud
        self._commands = itertools.count()

    def up(self, faults: Faults | None = None, **config: Any) -> None:
        self.cloud.up(faults=faults, config=config)
        operated = self.cloud.outputs["operated"]
        service, pipeline = operated["service"], operated["pipelines"][0]
        self.environment, self._pipeline = Environment(service["variables"]), Environment(pipeline["variables"])
        self._lake = Environment(operated["lake"]["variables"] if "lake" in operated else {})
        self.executor = Executor(composition.commit_store(self.environment, self.cloud.client))

    def do(self, tenant: str, *commands: Command) -> None:
        for command in commands:
            aggregate = blogging.service.aggregate_of(type(command))
            context = CommandContext(f"test-{next(self._commands)}")
            assert isinstance(self.executor.execute(aggregate, Tenant(tenant), command, context), Committed)

    def rest(self) -> None:
        self.cloud.wait_idle(PATIENCE)

    def rows(self, tenant: str, view: str) -> dict[str, Any]:
        """Of a view, by id."""
        store = composition.view_operations(self._pipeline, blogging.service, self.cloud.client)
        projection = blogging.service.projections[view]
        found = store.rows(projection, Tenant(tenant), None, 1000)
        return {id: view_rows.model_of(projection, lead.row) for id, lead in found}

    def removed(self, tenant: str, category: str, id: str) -> list[int]:
        """The numbers that the deletions of an entity were reported with."""
        commits = self.executor.store.since(StreamId(Tenant(tenant), category, id), 1).commits
        return [event.data["removed"] for each in commits for event in each.stored if "removed" in event.data]

    def run(self, *arguments: str) -> str:
        """A command line to its end; what it printed."""
        done = CliRunner().invoke(app, [*arguments, "--program", str(self.cloud.home.parent)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def asked(self, sql: str, tenant: str) -> list[dict[str, str]]:
        """The lake's answer to a question with one parameter."""
        return json.loads(self.run("lake", "query", sql, "-p", tenant, "--json"))

    def compact(self, later: timedelta) -> None:
        """As the compactor would, so much later."""
        made = lake.objects(self._lake, self.cloud.client)
        compactor = Compactor(made, clock=lambda: datetime.now(UTC) + later)
        assert CompactionRun(made, compactor, lake.tables(self._lake, blogging.service))(lambda: True).failed == ()

    def files(self, tenant: str, table: str) -> list[dict[str, Any]]:
        """Every row that is in a file of a table of the lake, be it read or not."""
        made = lake.objects(self._lake, self.cloud.client)
        keys = [each.key for each in made.list(f"tables/{tenant}/{table}/") if each.key.endswith(".parquet")]
        return [row for key in keys for row in read(made.get(key)).to_pylist()]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Of the cascade, once there are some; they are still there afterwards."""
        until = time.monotonic() + PATIENCE
        while not (found := self._received(self._queue(DEAD_LETTERS))):
            assert time.monotonic() < until
            time.sleep(0.2)
        return found

    def redrive(self, messages: list[dict[str, Any]]) -> None:
        """As the console does: back into the queue, and out of the dead letters."""
        sqs, dead = self.cloud.client("sqs"), self._queue(DEAD_LETTERS)
        for each in messages:
            sqs.send_message(QueueUrl=self._queue("blog-cascade-removals-queue"), MessageBody=each["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=each["ReceiptHandle"])

    def left_over(self) -> dict[str, int]:
        """Messages that are anywhere."""
        sqs, names = self.cloud.client("sqs"), ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        urls = sqs.list_queues()["QueueUrls"]
        found = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in urls}
        counts = {url.rsplit("/", 1)[-1]: sum(map(int, each.values())) for url, each in found.items()}
        return {name: count for name, count in counts.items() if count}

    def _queue(self, name: str) -> str:
        (url,) = [each for each in self.cloud.client("sqs").list_queues()["QueueUrls"] if f"{name}-" in each]
        return url

    def _received(self, url: str) -> list[dict[str, Any]]:
        answer = self.cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return answer.get("Messages", [])


@contextmanager
def opened(home: Path) -> Iterator[Blog]:
    """One on a cloud of its own."""
    with LaptopCloud(PROGRAM, home=home / ".foldstack") as cloud:
        yield Blog(cloud)
