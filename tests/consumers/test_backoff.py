"""A failed message comes again after two seconds, then four, eight and so on, never later than its queue says."""

import json
import logging
import random

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError
from foldstack.aws.environment import DrainedQueue, Environment
from foldstack.handlers.backoff import Backoff
from foldstack.handlers.batch import Batch
from foldstack.kernel.errors import ConfigurationError, Unavailable

from .functions import failed, message

QUEUE = DrainedQueue("https://queue", 18, 360)


class Sqs:
    """Keeps what it is told; `refuses` may raise, or name entries."""

    def __init__(self, error: Exception | None = None, refused: tuple[str, ...] = ()) -> None:
        self.error, self.refused, self.requests = error, refused, []

    def change_message_visibility_batch(self, QueueUrl, Entries):
        self.requests.append((QueueUrl, Entries))
        if self.error is not None:
            raise self.error
        return {"Failed": [{"Id": id, "Code": "ReceiptHandleIsInvalid"} for id in self.refused]}


def given(receives: int, handle: str = "r") -> dict:
    return {**message("x", receives), "receiptHandle": handle}


def test_it_doubles_with_jitter_up_to_the_queues_own_time():
    backoff = Backoff(QUEUE, Logger(), Sqs(), random.Random(1))
    for receives, longest in enumerate((2, 4, 8, 16, 32, 64, 128, 256, 360, 360), 1):
        seconds = {backoff.seconds(receives) for _ in range(600)}
        assert seconds >= {longest // 2, longest} if longest < 100 else True
        assert min(seconds) >= longest // 2 >= 1
        assert max(seconds) <= longest
    assert backoff.seconds(1000) <= 360


def test_all_attempts_take_half_an_hour_to_an_hour():
    """What the documentation says of 18 attempts."""
    longest = sum(min(360, 2 * 2**n) for n in range(QUEUE.attempts - 1))
    assert 60 * 60 <= longest <= 65 * 60


def test_failed_messages_are_shown_again_by_how_often_they_were_tried(monkeypatch):
    sqs = Sqs()
    monkeypatch.setattr("foldstack.aws.clients.client", lambda service, attempts: sqs)
    batch = Batch(Logger(), QUEUE)
    good, first, fifth = given(1, "good"), given(1, "first"), given(5, "fifth")
    batch.attempt(good, lambda: None)
    for each, error in ((first, Unavailable("later")), (fifth, ValueError("bad"))):
        batch.attempt(each, lambda error=error: (_ for _ in ()).throw(error))
    assert failed(batch.answer()) == [first["messageId"], fifth["messageId"]]
    ((url, entries),) = sqs.requests
    assert url == "https://queue"
    assert [entry["ReceiptHandle"] for entry in entries] == ["first", "fifth"]
    assert 1 <= entries[0]["VisibilityTimeout"] <= 2
    assert 16 <= entries[1]["VisibilityTimeout"] <= 32


def test_more_than_ten_go_in_several_requests():
    sqs = Sqs()
    Backoff(QUEUE, Logger(), sqs).hide([given(1) for _ in range(23)])
    assert [len(entries) for _, entries in sqs.requests] == [10, 10, 3]
    assert all(len({entry["Id"] for entry in entries}) == len(entries) for _, entries in sqs.requests)


def test_of_a_stream_and_of_a_good_batch_nobody_is_told(monkeypatch):
    monkeypatch.setattr("foldstack.aws.clients.client", lambda service, attempts: pytest.fail("asked"))
    batch = Batch(Logger(), QUEUE)
    batch.attempt(given(1), lambda: None)
    assert failed(batch.answer()) == []
    stream = Batch(Logger(), None)
    stream.attempt({"kinesis": {"sequenceNumber": "1"}}, lambda: 1 / 0)
    assert failed(stream.answer()) == ["1"]


@pytest.mark.parametrize(
    "sqs",
    [
        Sqs(ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ChangeMessageVisibilityBatch")),
        Sqs(EndpointConnectionError(endpoint_url="https://queue")),
        Sqs(refused=("0",)),
    ],
)
def test_what_cannot_be_shown_earlier_is_told_and_stays_hidden(sqs, caplog):
    log = logging.getLogger("backoff")
    Backoff(QUEUE, log, sqs).hide([given(1)])
    (line,) = caplog.records
    assert "stay hidden for the queue's whole time" in line.getMessage()


def test_the_queue_is_read_from_the_environment():
    text = json.dumps(QUEUE._asdict())
    assert Environment.read({"FOLDSTACK_QUEUE": text}).queue == QUEUE
    assert Environment.read({}).queue is None
    for wrong in ('{"url": "x"}', "[]", '{"url": "x", "attempts": "many", "hidden_seconds": 1}'):
        with pytest.raises(ConfigurationError, match="FOLDSTACK_QUEUE"):
            Environment.read({"FOLDSTACK_QUEUE": wrong})


@pytest.mark.emulator
@pytest.mark.parametrize("fifo", [False, True])
def test_a_real_queue_gives_it_out_again_soon_and_in_order(emulator, fifo):
    """Of a queue that would hide it for six minutes. In a group nothing overtakes the first that failed."""
    sqs = emulator.client("sqs")
    name = f"backoff-{fifo}{'.fifo' if fifo else ''}".lower()
    kind = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360", **kind})["QueueUrl"]
    for body in ("first", "second"):
        sqs.send_message(QueueUrl=url, MessageBody=body, **({"MessageGroupId": "g"} if fifo else {}))

    def receive(wanted: int) -> list[dict]:
        found: list[dict] = []
        while len(found) < wanted:
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageSystemAttributeNames=["All"]
            )
            found += answer.get("Messages", [])
        return found

    batch = receive(2)
    backoff = Backoff(DrainedQueue(url, 18, 360), Logger(), sqs)
    backoff.hide([{"receiptHandle": each["ReceiptHandle"], "attributes": each["Attributes"]} for each in batch])
    again = receive(2)
    assert {each["Attributes"]["ApproximateReceiveCount"] for each in again} == {"2"}
    bodies = [each["Body"] for each in again]
    assert bodies == ["first", "second"] if fifo else sorted(bodies) == ["first", "second"]
