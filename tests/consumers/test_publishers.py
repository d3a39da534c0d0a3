"""Each road's publisher: its limits, what fails in part, what will never be taken, and the order of a stream."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from foldstack.aws import clients, composition
from foldstack.aws.environment import Environment
from foldstack.aws.roads.effects_queue import EffectsQueue
from foldstack.aws.roads.eventbridge import EventBridge
from foldstack.aws.roads.kinesis import Kinesis
from foldstack.aws.roads.publisher import Publisher
from foldstack.aws.roads.road import LONGEST_ID, Outgoing
from foldstack.aws.roads.sns import Sns
from foldstack.kernel.errors import ConfigurationError, StoreTimeout

from .fakes import Clock, Parked

Verdict = Callable[[Mapping[str, Any]], str | None]


class FakeService:
    """Any of the services: keeps what it takes as (envelope, entry); `verdict(entry)` is an error code or None."""

    def __init__(self, verdict: Verdict = lambda entry: None) -> None:
        self.verdict = verdict
        self.requests: list[list[Mapping[str, Any]]] = []
        self.targets: list[Any] = []
        self.taken: list[tuple[str, Mapping[str, Any]]] = []
        self.refuse: list[str] = []

    def put_events(self, Entries):
        codes = self._put(Entries[0]["EventBusName"], "Detail", Entries)
        return {"Entries": [{"ErrorCode": code, "ErrorMessage": "no"} if code else {"EventId": "1"} for code in codes]}

    def put_records(self, StreamARN, Records):
        codes = self._put(StreamARN, "Data", Records)
        return {"Records": [{"ErrorCode": code, "ErrorMessage": "no"} if code else {"ShardId": "0"} for code in codes]}

    def publish_batch(self, TopicArn, PublishBatchRequestEntries):
        return self._batch(TopicArn, "Message", PublishBatchRequestEntries)

    def send_message_batch(self, QueueUrl, Entries):
        return self._batch(QueueUrl, "MessageBody", Entries)

    def _batch(self, target, body, entries):
        codes = self._put(target, body, entries)
        failed = [{"Id": e["Id"], "Code": c, "Message": "no"} for e, c in zip(entries, codes, strict=True) if c]
        return {"Failed": failed, "Successful": []}

    def _put(self, target, body, entries):
        self.requests.append(entries)
        self.targets.append(target)
        if self.refuse:
            answer = {"Error": {"Code": self.refuse.pop()}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(answer, "Put")  # pyright: ignore
        codes = [self.verdict(entry) for entry in entries]
        texts = [entry[body] if isinstance(entry[body], str) else entry[body].decode() for entry in entries]
        self.taken += [(text, e) for text, e, code in zip(texts, entries, codes, strict=True) if code is None]
        return codes

    @property
    def published(self) -> list[str]:
        return [json.loads(text)["id"] for text, _ in self.taken]


ROADS = {
    "EventBridge": lambda service: EventBridge(service, "arn:bus", "library"),
    "Kinesis": lambda service: Kinesis(service, "arn:stream"),
    "SNS": lambda service: Sns(service, "arn:topic"),
    "SNS FIFO": lambda service: Sns(service, "arn:topic.fifo"),
    "SQS": lambda service: EffectsQueue(service, "arn:queue"),
}
ORDERED = {"Kinesis", "SNS FIFO"}
THROTTLED = {
    "EventBridge": "ThrottlingException",
    "Kinesis": "ProvisionedThroughputExceededException",
    "SNS": "Throttled",
    "SNS FIFO": "Throttled",
    "SQS": "InternalError",
}
REFUSED = {
    "EventBridge": "MalformedDetail",
    "SNS": "InvalidParameter",
    "SNS FIFO": "InvalidParameter",
    "SQS": "InvalidMessageContents",
}

each_road = pytest.mark.parametrize("road", ROADS)


def outgoing(stream: str, first: int = 1, size: int = 100, types: tuple[str, ...] = ("A",)) -> Outgoing:
    id = f"{stream}@{first}"
    envelope = json.dumps({"id": id, "types": types, "data": "x" * size}).encode()
    return Outgoing(f"{stream}/{first:05}", id, stream, stream.split("#")[0], first, types, envelope)


def publisher(road: str, service: FakeService, park=None, types=frozenset(), clock=None) -> Publisher:
    clock = clock or Clock()
    park = Parked() if park is None else park
    return Publisher(ROADS[road](service), park, types, clock=clock, sleep=clock.sleep, rng=random.Random(1))


@each_road
def test_requests_are_cut_by_count(road):
    service = FakeService()
    commits = [outgoing(f"acme#a#{n}") for n in range(1_203)]
    assert publisher(road, service).publish(commits, until=50) is None
    most = 500 if road == "Kinesis" else 10
    assert [len(request) for request in service.requests] == [most] * (1_203 // most) + [1_203 % most]
    assert service.published == [each.id for each in commits]


@each_road
def test_requests_are_cut_by_bytes(road):
    service = FakeService()
    commits = [outgoing(f"acme#a#{n}", size=200_000) for n in range(30)]
    assert publisher(road, service).publish(commits, until=50) is None
    most, limit = (26, 5 * 1024 * 1024) if road == "Kinesis" else (1, 256 * 1024)
    assert max(len(request) for request in service.requests) == most
    for request in service.requests:
        assert sum(len(json.dumps(entry, default=bytes.decode)) for entry in request) - 200 * len(request) < limit
    assert service.published == [each.id for each in commits]


@pytest.mark.parametrize("road", ["SNS", "SNS FIFO"])
def test_attributes_count_with_the_message(road):
    """Many long type names weigh as much as the events themselves."""
    types = tuple(f"{n:03}" + "T" * 120 for n in range(1_000))
    commits = [outgoing(f"acme#a#{n}", types=types) for n in range(2)]
    service = FakeService()
    assert publisher(road, service).publish(commits, until=50) is None
    assert [len(request) for request in service.requests] == [1, 1]


@each_road
def test_what_failed_alone_is_put_again(road):
    rng = random.Random(3)
    service = FakeService(lambda entry: rng.choice([None, None, THROTTLED[road]]))
    commits = [outgoing(f"acme#a#{n % 7}", n) for n in range(60)]
    park = Parked()
    assert publisher(road, service, park).publish(commits, until=1e9) is None
    assert Counter(service.published) == Counter(each.id for each in commits), "each once"
    assert park == []


@pytest.mark.parametrize("road", sorted(ORDERED))
@pytest.mark.parametrize("seed", range(5))
def test_a_stream_arrives_in_its_order_whatever_fails(road, seed):
    rng = random.Random(seed)
    service = FakeService(lambda entry: rng.choice([None, THROTTLED[road]]))
    commits = [outgoing(f"acme#a#{rng.randrange(4)}", n) for n in range(50)]
    assert publisher(road, service).publish(commits, until=1e9) is None
    for stream in {each.stream for each in commits}:
        arrived = [id for id in service.published if id.startswith(f"{stream}@")]
        assert arrived == [each.id for each in commits if each.stream == stream]


@pytest.mark.parametrize("road", sorted(ROADS.keys() - ORDERED))
def test_a_road_without_order_does_not_wait_for_it(road):
    service = FakeService()
    assert publisher(road, service).publish([outgoing("acme#a#1", n) for n in range(20)], until=50) is None
    assert [len(request) for request in service.requests] == [10, 10]


@each_road
@pytest.mark.parametrize("code", ["ThrottlingException", "Throttled", "KMSThrottlingException"])
def test_a_request_that_is_throttled_as_a_whole_is_put_again(road, code):
    service = FakeService()
    service.refuse = [code, code]
    assert publisher(road, service).publish([outgoing("acme#a#1")], until=50) is None
    assert len(service.requests) == 3
    assert service.published == ["acme#a#1@1"]


@each_road
def test_a_denied_permission_is_told_and_not_parked(road):
    """Somebody mends the role; until then Lambda delivers again."""
    service, park = FakeService(), Parked()
    service.refuse = ["AccessDeniedException"]
    with pytest.raises(ClientError):
        publisher(road, service, park).publish([outgoing("acme#a#1")], until=50)
    assert park == []


@pytest.mark.parametrize("road", ["SNS", "SNS FIFO", "SQS"])
def test_an_entry_that_is_denied_is_not_parked_either(road):
    clock, park = Clock(), Parked()
    service = FakeService(lambda entry: "AuthorizationError")
    assert publisher(road, service, park, clock=clock).publish([outgoing("acme#a#1", 7)], until=9) == "acme#a#1/00007"
    assert park == []


@each_road
def test_out_of_time_it_names_the_first_that_is_left(road):
    def verdict(entry):
        return THROTTLED[road] if "acme#a#2@" in json.dumps(entry, default=bytes.decode) else None

    clock = Clock()
    commits = [outgoing(f"acme#a#{n % 4}", n) for n in range(8)]
    stopped = publisher(road, FakeService(verdict), clock=clock).publish(commits, until=20)
    assert stopped == "acme#a#2/00002"
    assert 0 < clock.now < 20


@pytest.mark.parametrize("road", REFUSED)
def test_what_is_refused_for_good_is_parked_with_payload_and_reason(road):
    def verdict(entry):
        return REFUSED[road] if "acme#a#1@" in json.dumps(entry, default=bytes.decode) else None

    service, park = FakeService(verdict), Parked()
    commits = [outgoing(f"acme#a#{n}") for n in range(3)]
    assert publisher(road, service, park).publish(commits, until=50) is None
    assert service.published == ["acme#a#0@1", "acme#a#2@1"]
    (parked,) = park
    assert (parked["kind"], parked["stream"], parked["first"]) == ("relay", "acme#a#1", 1)
    assert REFUSED[road] in parked["reason"]
    assert parked["payload"] == json.loads(commits[1].envelope)


@each_road
def test_what_no_request_can_hold_is_parked_with_payload_and_reason(road):
    service, park = FakeService(), Parked()
    large = outgoing("acme#a#1", size=6 * 1024 * 1024)
    assert publisher(road, service, park).publish([outgoing("acme#a#0"), large], until=50) is None
    assert service.published == ["acme#a#0@1"]
    assert park[0]["payload"] == json.loads(large.envelope)
    assert "bytes without any event" in park[0]["reason"]


@each_road
def test_what_cannot_be_parked_now_is_left(road):
    def park(kind: str, reason: str, **pointer: Any) -> None:
        raise StoreTimeout("the queue does not answer")

    large = outgoing("acme#a#1", 3, size=6 * 1024 * 1024)
    assert publisher(road, FakeService(), park).publish([large], until=5) == "acme#a#1/00003"


@each_road
def test_a_publisher_may_be_of_some_types_alone(road):
    service = FakeService()
    commits = [outgoing(f"acme#a#{n}", types=types) for n, types in enumerate([("A", "B"), ("B",), ("C", "A")])]
    assert publisher(road, service, types=frozenset({"A"})).publish(commits, until=50) is None
    assert service.published == ["acme#a#0@1", "acme#a#2@1"]


# ---- what each service is sent


def test_the_partition_key_is_the_stream():
    service = FakeService()
    publisher("Kinesis", service).publish([outgoing("acme#a#1"), outgoing("acme#a#2")], until=50)
    assert [entry["PartitionKey"] for _, entry in service.taken] == ["acme#a#1", "acme#a#2"]
    assert service.targets == ["arn:stream"]


def test_a_topic_is_sent_types_and_the_tenant():
    service = FakeService()
    publisher("SNS", service).publish([outgoing("acme#a#1", types=("A", "B"))], until=50)
    ((_, entry),) = service.taken
    assert entry["MessageAttributes"] == {"types": {"DataType": "String.Array", "StringValue": '["A","B"]'}}
    assert entry["MessageGroupId"] == "acme"
    assert "MessageDeduplicationId" not in entry


def test_a_fifo_topic_is_sent_the_stream_and_the_envelopes_id():
    service = FakeService()
    publisher("SNS FIFO", service).publish([outgoing("acme#a#1", 4)], until=50)
    ((_, entry),) = service.taken
    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("acme#a#1", "acme#a#1@4")


def test_ids_too_long_for_a_fifo_topic_are_hashed():
    service = FakeService()
    streams = [f"acme#a#{letter * 128}" for letter in "xy"]
    publisher("SNS FIFO", service).publish([outgoing(stream, n) for stream in streams for n in (1, 2)], until=50)
    groups = [entry["MessageGroupId"] for _, entry in service.taken]
    ids = [entry["MessageDeduplicationId"] for _, entry in service.taken]
    assert (len(set(groups)), len(set(ids))) == (2, 4)
    assert max(map(len, groups + ids)) <= LONGEST_ID


def test_the_effects_queue_is_sent_the_tenant_as_its_group():
    service = FakeService()
    publisher("SQS", service).publish([outgoing("acme#a#1")], until=50)
    ((_, entry),) = service.taken
    assert entry["MessageGroupId"] == "acme"


# ---- which road a relay takes


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        ("arn:aws:events:eu-west-1:1:event-bus/b", EventBridge),
        ("arn:aws:kinesis:eu-west-1:1:stream/s", Kinesis),
        ("arn:aws:sns:eu-west-1:1:t", Sns),
        ("arn:aws:sns:eu-west-1:1:t.fifo", Sns),
    ],
)
def test_the_arn_says_which_road(monkeypatch, arn, kind):
    monkeypatch.setattr(clients, "client", lambda service, **_: service)
    road = composition.road(Environment({"FOLDSTACK_ROAD": arn, "FOLDSTACK_SERVICE": "library"}))
    assert isinstance(road, kind)
    assert road.ordered is (kind is Kinesis or arn.endswith(".fifo"))


@pytest.mark.parametrize("arn", ["bus", "arn:aws:sqs:eu-west-1:1:q"])
def test_another_arn_is_refused(arn):
    with pytest.raises(ConfigurationError, match="FOLDSTACK_ROAD must be the ARN of an EventBridge bus"):
        composition.road(Environment({"FOLDSTACK_ROAD": arn}))
