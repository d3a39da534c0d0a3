"""The real handlers on the emulator: table stream, relay, bus, queue, projector, view."""

import base64
import json
import random
from typing import Any

import pytest
from foldstack.aws import clients
from foldstack.kernel.store import MemoryCommitStore

from .domain import Noted
from .functions import Context, failed, load
from .library import Library, assert_equals_fold

pytestmark = pytest.mark.emulator


class Road:
    """A bus with a rule to a queue, a parking queue, and the functions' environment."""

    def __init__(self, tables, monkeypatch: pytest.MonkeyPatch) -> None:
        emulator = tables.emulator
        monkeypatch.setattr(clients, "client", lambda service, **how: emulator.client(service))
        self.tables, self.sqs, self.streams = tables, emulator.client("sqs"), emulator.client("dynamodbstreams")
        events, suffix = emulator.client("events"), tables.commits
        self.bus = f"bus-{suffix}"
        self.queue, self.parked = (
            self.sqs.create_queue(QueueName=f"{name}-{suffix}")["QueueUrl"] for name in ("projector", "parked")
        )
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.create_event_bus(Name=self.bus)
        pattern = json.dumps({"source": ["library"]})
        events.put_rule(Name=f"rule-{suffix}", EventBusName=self.bus, EventPattern=pattern)
        events.put_targets(Rule=f"rule-{suffix}", EventBusName=self.bus, Targets=[{"Id": "queue", "Arn": arn}])
        self.environment = {
            "DOMAIN": "tests.consumers.domain:service",
            "SERVICE": "library",
            "COMMIT_TABLE": tables.commits,
            "BODIES_BUCKET": tables.bucket,
            "VIEW_TABLES": json.dumps(tables.of_views),
            "BUS": self.bus,
            "PARKED_QUEUE": self.parked,
        }
        self.relay = load(monkeypatch, "relay", self.environment)
        self.projector = load(monkeypatch, "projector", self.environment)

    def records(self) -> list[dict[str, Any]]:
        """Everything on the stream, as Lambda hands it out."""
        arn = self.tables.dynamodb.describe_table(TableName=self.tables.commits)["Table"]["LatestStreamArn"]
        found = []
        for shard in self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = self.streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = self.streams.get_records(ShardIterator=iterator)
                found += [_as_lambda(record) for record in page["Records"]]
                iterator = page.get("NextShardIterator") if page["Records"] else None
        return found

    def drain(self, rng: random.Random) -> int:
        """The queue into the projector, every third batch twice. How many messages there were."""
        taken = 0
        while True:
            got = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
            if not got:
                return taken
            rng.shuffle(got)
            taken += len(got)
            event = {"Records": [{"messageId": m["MessageId"], "body": m["Body"]} for m in got]}
            for _ in range(rng.choice([1, 1, 2])):
                assert failed(self.projector.handler(event, Context())) == []
            for each in got:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])

    def parked_messages(self) -> list[dict]:
        got = self.sqs.receive_message(QueueUrl=self.parked, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(each["Body"]) for each in got]


def _as_lambda(record: dict[str, Any]) -> dict[str, Any]:
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    change["NewImage"] = {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
        for name, value in change["NewImage"].items()
    }
    return {"eventID": record["eventID"], "eventName": record["eventName"], "dynamodb": change}


def test_commits_reach_their_views(tables, monkeypatch):
    rng = random.Random(1)
    road = Road(tables, monkeypatch)
    library = Library(tables.store()).grow(rng, streams=4, commits=8)
    library.commit("a0", Noted(text=rng.randbytes(150_000).hex()))  # travels by reference
    library.commit("a0", Noted(text=rng.randbytes(320_000).hex()))  # lies in S3
    records = road.records()
    assert len(records) == len(library.commits)
    assert road.relay.handler({"Records": records}, Context()) == {"batchItemFailures": []}
    assert road.drain(rng) == len(library.commits)
    memory = MemoryCommitStore()
    for commit in library.commits:
        memory.append(commit)
    assert_equals_fold(tables.views(), memory)
    assert road.projector.handler({"sweep": True}, Context())["healed"] == 0
    assert road.parked_messages() == []


def test_what_stops_a_stream_or_a_commit_is_in_the_parking_queue(tables, monkeypatch):
    road = Road(tables, monkeypatch)
    library = Library(tables.store())
    library.commit("a", Noted(text="well"))
    records = road.records()
    broken = json.loads(json.dumps(records[0]))
    broken["dynamodb"]["NewImage"]["b"] = {"B": base64.b64encode(b"nonsense").decode()}
    assert road.relay.handler({"Records": [broken, *records]}, Context()) == {"batchItemFailures": []}
    assert [(m["kind"], m["stream"], m["first"]) for m in road.parked_messages()] == [("relay", "acme#article#a", 1)]
    assert road.drain(random.Random(1)) == 1


def test_the_relay_says_how_late_it_is(tables, monkeypatch, capsys):
    road = Road(tables, monkeypatch)
    Library(tables.store()).commit("a", Noted(text="late"))
    (record,) = road.records()
    record["dynamodb"]["ApproximateCreationDateTime"] -= 100
    road.relay.handler({"Records": [record]}, Context())
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "RelayLag" in line]
    assert len(metrics) == 1
    assert metrics[0]["RelayLag"][0] > 100_000


def test_a_relay_out_of_time_names_the_record(tables, monkeypatch):
    road = Road(tables, monkeypatch)
    Library(tables.store()).commit("a", Noted(text="stuck"))
    records = road.records()
    monkeypatch.setattr(road.relay.relay, "_put", lambda request: request)
    answer = road.relay.handler({"Records": records}, Context(milliseconds=5_000))
    assert failed(answer) == [records[0]["dynamodb"]["SequenceNumber"]]
