"""One envelope, however it was delivered; and which records of a batch are delivered again."""

import base64
import json
import logging

import pytest
from foldstack.handlers.batch import Batch
from foldstack.handlers.delivered import envelope_of, identifier
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import Unavailable, UndecodableEvent

from .domain import Noted
from .functions import bus_message, kinesis_record, message
from .library import Library


@pytest.fixture
def envelope():
    library = Library()
    library.commit("a", Noted(text="käse"))
    return Envelope.of(library.commits[0])


def test_every_road_delivers_the_same_envelope(envelope):
    document = envelope.to_dict("library")
    by_road = {
        "EventBridge": bus_message(envelope),
        "SNS, raw, and the relay itself": message(document),
        "Kinesis": kinesis_record(envelope, "7"),
    }
    assert {road: envelope_of(record) for road, record in by_road.items()} == dict.fromkeys(by_road, envelope)


@pytest.mark.parametrize(
    "record",
    [
        message("no JSON"),
        message([1]),
        message({"detail": "text"}),
        message({"Type": "Notification", "Message": "{}"}),
        {"kinesis": {"sequenceNumber": "1", "data": base64.b64encode(b"\xff").decode()}},
        {"kinesis": {"sequenceNumber": "1", "data": "not base64"}},
    ],
)
def test_anything_else_is_undecodable(record):
    with pytest.raises(UndecodableEvent):
        envelope_of(record)


def test_a_record_is_called_what_its_source_calls_it(envelope):
    sent = bus_message(envelope)
    assert identifier(sent) == sent["messageId"]
    assert identifier(kinesis_record(envelope, "49")) == "49"


def fail():
    raise Unavailable("later")


def batch_of(records, failing):
    batch, done = Batch(logging.getLogger("test"), None), []  # pyright: ignore
    for n, record in enumerate(records):
        batch.attempt(record, fail if n in failing else lambda n=n: done.append(n))
    return done, [each["itemIdentifier"] for each in batch.answer()["batchItemFailures"]]


def queued(group, queue):
    sent = message(json.dumps(group))
    return {**sent, "eventSourceARN": f"arn:aws:sqs:r:1:{queue}", "attributes": {"MessageGroupId": group}}


def test_a_fifo_group_stops_at_its_first_failure_and_others_go_on():
    records = [queued(group, "q.fifo") for group in "abaab"]
    done, failed = batch_of(records, failing={2})
    assert done == [0, 1, 4]
    assert failed == [records[2]["messageId"], records[3]["messageId"]]


def test_a_fair_queue_has_groups_and_no_order():
    records = [queued("acme", "q") for _ in range(3)]
    done, failed = batch_of(records, failing={0})
    assert done == [1, 2]
    assert failed == [records[0]["messageId"]]
