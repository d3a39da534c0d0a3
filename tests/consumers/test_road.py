"""The real handlers on the emulator, on each road: table stream, relay, road, projector, view."""

import base64
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from foldstack.aws import clients
from foldstack.aws.roads.publisher import Publisher
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.store import MemoryCommitStore

from local.event_sources.records import data_record, queue_record

from .domain import Created, Noted
from .functions import Context, failed, load
from .library import Library, assert_equals_fold

pytestmark = pytest.mark.emulator


ROADS = ("eventbridge", "kinesis", "sns", "sns-fifo")


@pytest.fixture(params=ROADS)
def road(request, tables, monkeypatch) -> "Road":
    return Road(tables, monkeypatch, request.param)


class Road:
    """A bus, stream or topic, what delivers from it, a parking queue, and the functions' environment."""

    def __init__(self, tables, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        emulator = tables.emulator
        monkeypatch.setattr(clients, "client", lambda service, **how: emulator.client(service))
        self.tables, self.sqs, self.streams = tables, emulator.client("sqs"), emulator.client("dynamodbstreams")
        self.kinesis, self.sns, self.events = (emulator.client(name) for name in ("kinesis", "sns", "events"))
        self.suffix = f"{kind}-{tables.commits}"
        self.parked, self.effects = (self._queue(name) for name in ("parked", "effects"))
        self.arn, self.drain = getattr(self, f"_{kind.replace('-', '_')}")()
        self.environment = {
            "DOMAIN": "tests.consumers.domain:service",
            "SERVICE": "library",
            "COMMIT_TABLE": tables.commits,
            "BODIES_BUCKET": tables.bucket,
            "VIEW_TABLES": json.dumps(tables.of_views),
            "ROAD": self.arn,
            "PARKED_QUEUE": self.parked,
            "EFFECTS_QUEUE": self.effects if kind == "kinesis" else "",
            "EFFECT_TYPES": "Noted",
        }
        self.relay = load(monkeypatch, "relay", self.environment)
        self.projector = load(monkeypatch, "projector", self.environment)

    def _queue(self, name: str, **attributes: str) -> str:
        return self.sqs.create_queue(QueueName=f"{name}-{self.suffix}"[-80:], Attributes=attributes)["QueueUrl"]

    def _arn_of(self, queue: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def _eventbridge(self):
        bus, rule, queue = f"bus-{self.suffix}", f"rule-{self.suffix}", self._queue("projector")
        arn = self.events.create_event_bus(Name=bus)["EventBusArn"]
        self.events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps({"source": ["library"]}))
        self.events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "queue", "Arn": self._arn_of(queue)}])
        return arn, lambda rng: self._drain_queue(queue, rng)

    def _kinesis(self):
        name = f"stream-{self.suffix}"
        self.kinesis.create_stream(StreamName=name, ShardCount=2)
        arn = self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
        return arn, self._drain_stream

    def _sns(self):
        topic, queue = self.sns.create_topic(Name=f"topic-{self.suffix}")["TopicArn"], self._queue("projector")
        return topic, self._subscribed(topic, queue)

    def _sns_fifo(self):
        self.suffix += ".fifo"
        topic = self.sns.create_topic(Name=f"topic-{self.suffix}", Attributes={"FifoTopic": "true"})["TopicArn"]
        return topic, self._subscribed(topic, self._queue("projector", FifoQueue="true"))

    def _subscribed(self, topic: str, queue: str):
        arn = self._arn_of(queue)
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        self.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [statement]})})
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        return lambda rng: self._drain_queue(queue, rng)

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

    def _project(self, records: list[dict[str, Any]], rng: random.Random) -> None:
        """Every third batch twice."""
        for _ in range(rng.choice([1, 1, 2])):
            assert failed(self.projector.handler({"Records": records}, Context())) == []

    def _drain_queue(self, queue: str, rng: random.Random) -> int:
        """The queue into the projector. How many messages there were."""
        taken = 0
        while True:
            got = self.sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
            ).get("Messages", [])
            if not got:
                return taken
            if not queue.endswith(".fifo"):
                rng.shuffle(got)
            taken += len(got)
            arn = f"arn:aws:sqs:us-east-1:0:{queue.rsplit('/', 1)[-1]}"
            self._project([queue_record(each, arn) for each in got], rng)
            for each in got:
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])

    def _drain_stream(self, rng: random.Random) -> int:
        taken = 0
        for shard in self.kinesis.list_shards(StreamARN=self.arn)["Shards"]:
            place = {"StreamARN": self.arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = self.kinesis.get_shard_iterator(**place)["ShardIterator"]
            got = self.kinesis.get_records(StreamARN=self.arn, ShardIterator=iterator)["Records"]
            taken += len(got)
            records = [data_record(each, shard["ShardId"], self.arn, "") for each in got]
            for n in range(0, len(records), 10):
                self._project(records[n : n + 10], rng)
        return taken

    def messages(self, queue: str) -> list[dict]:
        got = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(each["Body"]) for each in got]


def _as_lambda(record: dict[str, Any]) -> dict[str, Any]:
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    change["NewImage"] = {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
        for name, value in change["NewImage"].items()
    }
    return {"eventID": record["eventID"], "eventName": record["eventName"], "dynamodb": change}


def test_commits_reach_their_views(tables, road):
    rng = random.Random(1)
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
    assert road.messages(road.parked) == []


def test_what_stops_a_stream_or_a_commit_is_in_the_parking_queue(tables, road):
    library = Library(tables.store())
    library.commit("a", Noted(text="well"))
    records = road.records()
    broken = json.loads(json.dumps(records[0]))
    broken["dynamodb"]["NewImage"]["b"] = {"B": base64.b64encode(b"nonsense").decode()}
    assert road.relay.handler({"Records": [broken, *records]}, Context()) == {"batchItemFailures": []}
    (parked,) = road.messages(road.parked)
    assert (parked["kind"], parked["stream"], parked["first"]) == ("relay", "acme#article#a", 1)
    assert parked["payload"] == broken["dynamodb"]["NewImage"]
    assert road.drain(random.Random(1)) == 1


def test_the_largest_commit_can_be_parked(tables, monkeypatch):
    road = Road(tables, monkeypatch, "eventbridge")
    library = Library(tables.store())
    library.commit("a", Noted(text=random.Random(1).randbytes(145_000).hex()))
    (record,) = road.records()
    record["dynamodb"]["NewImage"]["z"] = {"B": base64.b64encode(bytes(140_000)).decode()}
    record["dynamodb"]["NewImage"]["v"] = {"M": {"Noted": {"N": "no number"}}}
    assert road.relay.handler({"Records": [record]}, Context()) == {"batchItemFailures": []}
    (parked,) = road.messages(road.parked)
    assert parked["payload"] == record["dynamodb"]["NewImage"]
    assert len(json.dumps(parked)) > 256 * 1024


def test_where_a_road_cannot_delay_the_relay_feeds_the_effects(tables, monkeypatch):
    road = Road(tables, monkeypatch, "kinesis")
    library = Library(tables.store())
    library.commit("a", Noted(text="an effect answers this"))
    library.commit("b", Created(price=Decimal(1), shelf="x"))
    road.relay.handler({"Records": road.records()}, Context())
    (message,) = road.messages(road.effects)
    assert message == json.loads(json.dumps(Envelope.of(library.commits[0]).to_dict("library")))


def test_the_relay_says_how_late_it_is(tables, monkeypatch, capsys):
    road = Road(tables, monkeypatch, "eventbridge")
    Library(tables.store()).commit("a", Noted(text="late"))
    (record,) = road.records()
    record["dynamodb"]["ApproximateCreationDateTime"] -= 100
    road.relay.handler({"Records": [record]}, Context())
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "RelayLag" in line]
    assert len(metrics) == 1
    assert metrics[0]["RelayLag"][0] > 100_000


def test_a_relay_out_of_time_names_the_record(tables, monkeypatch):
    road = Road(tables, monkeypatch, "eventbridge")
    Library(tables.store()).commit("a", Noted(text="stuck"))
    records = road.records()
    monkeypatch.setattr(Publisher, "_put", lambda self, request: request)
    answer = road.relay.handler({"Records": records}, Context(milliseconds=5_000))
    assert failed(answer) == [records[0]["dynamodb"]["SequenceNumber"]]
