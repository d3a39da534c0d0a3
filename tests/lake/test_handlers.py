"""The entry points, with a bucket, tables and a queue: what Lambda hands them, and what they answer."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
from foldstack.aws import clients, view_rows
from foldstack.kernel.envelope import Envelope
from foldstack.lake.first_days import FirstDays
from foldstack.lake.objects import S3Objects
from moto import mock_aws

from tests.lake.domain import accounts
from tests.lake.folds import assert_lake_is
from tests.lake.histories import History, history
from tests.lake.support import ACME, TABLES, Bucket, envelope, read_view

CONTEXT = SimpleNamespace(
    function_name="lake",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:lake",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 300_000,
)


class Stack:
    """What the functions use, empty."""

    def __init__(self) -> None:
        make = boto3.session.Session("key", "secret", region_name="eu-central-1").client
        self.s3, self.dynamodb, self.sqs = make("s3"), make("dynamodb"), make("sqs")
        for bucket in ("lake", "bodies"):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for table, kind in (("commits", "N"), ("bank-accounts", "S")):
            self.dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "p", "AttributeType": "S"},
                    {"AttributeName": "s", "AttributeType": kind},
                ],
                KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
            )
        self.parked_queue = self.sqs.create_queue(QueueName="parked")["QueueUrl"]

    def keep_first_commits(self, made: History) -> None:
        for stream, day in made.days.items():
            item = {"p": {"S": stream.key}, "s": {"N": "1"}, "d": {"S": f"{day}T00:00:00+00:00"}}
            self.dynamodb.put_item(TableName="commits", Item=item)

    def bucket(self) -> Bucket:
        """As readers find it."""
        found, objects = Bucket(), S3Objects(self.s3, "lake")
        found.contents = {each.key: objects.get(each.key) for each in objects.list("")}
        return found

    def parked(self) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.parked_queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", ())]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with mock_aws():
        made = Stack()
        for name, value in {
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "POWERTOOLS_SERVICE_NAME": "bank",
            "FOLDSTACK_DOMAIN": "tests.lake.domain:service",
            "FOLDSTACK_SERVICE": "bank",
            "FOLDSTACK_COMMIT_TABLE": "commits",
            "FOLDSTACK_BODIES_BUCKET": "bodies",
            "FOLDSTACK_VIEW_TABLES": '{"accounts": "bank-accounts"}',
            "FOLDSTACK_LAKE_BUCKET": "lake",
            "FOLDSTACK_PARKED_QUEUE": made.parked_queue,
            "FOLDSTACK_CONSUMER": "lake",
        }.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield made
        _forget()


def _forget() -> None:
    for cached in (clients.client, clients.session):
        cached.cache_clear()
    for name in ("lake_writer", "lake_compactor"):
        sys.modules.pop(f"foldstack.handlers.{name}", None)


def loaded(name: str) -> ModuleType:
    return importlib.import_module(f"foldstack.handlers.{name}")


def message(id: str, document: Any) -> dict[str, Any]:
    return {"messageId": id, "body": json.dumps(document), "eventSource": "aws:sqs", "attributes": {}}


def event_of(envelope: Envelope) -> dict[str, Any]:
    return {"source": "bank", "detail-type": "commit", "detail": envelope.to_dict("bank")}


def test_commits_of_the_road_and_rows_of_a_stream_are_in_the_lake(stack):
    made, writer = history(31), loaded("lake_writer")
    stack.keep_first_commits(made)
    records = [message(str(n), event_of(each)) for n, each in enumerate(made.envelopes)]
    assert writer.handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}
    assert writer.handler({"Records": made.images}, CONTEXT) == {"batchItemFailures": []}
    assert stack.parked() == []
    assert_lake_is(made, stack.bucket())


def test_what_is_no_envelope_comes_again_alone(stack):
    records = [message("bad", {"no": 1}), message("good", event_of(envelope("a", ("Closed", 1, {}))))]
    answer = loaded("lake_writer").handler({"Records": records}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(read_view(stack.bucket(), TABLES["events"])) == 1


def test_a_replay_for_others_is_not_written(stack):
    sent = envelope("a", ("Closed", 1, {}))
    records = [message(name, event_of(replace(sent, replay=name))) for name in ("other", "lake")]
    loaded("lake_writer").handler({"Records": records[:1]}, CONTEXT)
    assert stack.bucket().contents == {}
    loaded("lake_writer").handler({"Records": records}, CONTEXT)
    assert len(read_view(stack.bucket(), TABLES["events"])) == 1


def test_when_the_bucket_refuses_all_come_again(stack):
    writer, made = loaded("lake_writer"), history(31)
    stack.keep_first_commits(made)
    stack.s3.delete_bucket(Bucket="lake")
    records = [message(str(n), event_of(each)) for n, each in enumerate(made.envelopes[:3])]
    answer = writer.handler({"Records": records}, CONTEXT)
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["0", "1", "2"]
    answer = writer.handler({"Records": made.images[:2]}, CONTEXT)
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == [
        image["dynamodb"]["SequenceNumber"] for image in made.images[:2]
    ]


def test_what_does_not_fit_is_in_the_parking_queue(stack):
    sent = envelope("a", ("Paid", 1, {"amount": "1E-10", "at": "2026-11-20T00:00:00Z"}))
    assert (
        loaded("lake_writer").handler({"Records": [message("1", event_of(sent))]}, CONTEXT)["batchItemFailures"] == []
    )
    (told,) = stack.parked()
    assert (told["kind"], told["table"], told["stream"], told["version"]) == ("lake", "event_paid", "account#a", 1)
    assert "amount does not fit decimal(38,9)" in told["reason"]


def test_all_rows_of_a_view_are_written_on_demand(stack):
    made, writer = history(33), loaded("lake_writer")
    stack.keep_first_commits(made)
    for stream, lead in made.rows.items():
        item = view_rows.to_item(view_rows.partition(accounts, stream.tenant), stream.id, lead)
        stack.dynamodb.put_item(TableName="bank-accounts", Item=item)
        older = view_rows.to_item(view_rows.partition(accounts.in_generation(2), stream.tenant), stream.id, lead)
        stack.dynamodb.put_item(TableName="bank-accounts", Item=older)
    assert writer.handler({"resync": "accounts"}, CONTEXT) == {"done": True, "rows": len(made.rows)}
    records = [message(str(n), event_of(each)) for n, each in enumerate(made.envelopes)]
    writer.handler({"Records": records}, CONTEXT)
    assert_lake_is(made, stack.bucket())
    with pytest.raises(Exception, match="no entities of 'carts'; it has those of accounts"):
        writer.handler({"resync": "carts"}, CONTEXT)


def test_a_resync_that_has_no_time_left_says_where_to_go_on(stack, monkeypatch):
    made, writer = history(33), loaded("lake_writer")
    stack.keep_first_commits(made)
    pages: list[Any] = [([], [], {"p": 1}), ([], [], None)]
    monkeypatch.setattr(writer.entities, "of_table", lambda store, view, after, now: pages.pop(0))
    late = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 0})
    assert writer.handler({"resync": "accounts"}, late) == {"done": False, "rows": 0, "after": {"p": 1}}
    assert writer.handler({"resync": "accounts", "after": {"p": 1}}, late) == {"done": True, "rows": 0}


@pytest.mark.parametrize(("name", "takes"), [("lake_writer", "Records or resync"), ("lake_compactor", "compact")])
def test_what_a_function_does_not_take_is_told(stack, name, takes):
    with pytest.raises(ValueError, match=f"this function takes {takes}; got other"):
        loaded(name).handler({"other": 1}, CONTEXT)


def test_the_compactor_merges_all_or_what_it_is_told(stack):
    made, writer, compactor = history(35), loaded("lake_writer"), loaded("lake_compactor")
    stack.keep_first_commits(made)
    for n, each in enumerate(made.envelopes):
        writer.handler({"Records": [message(str(n), event_of(each))]}, CONTEXT)
    writer.handler({"Records": made.images}, CONTEXT)
    part = compactor.handler({"compact": {"tenant": "acme", "table": "events"}}, CONTEXT)
    merged = [key for key in stack.bucket().contents if "/merged-" in key]
    assert part["done"]
    assert {"/".join(key.split("/")[:3]) for key in merged} == {"tables/acme/events"}
    assert compactor.handler({"compact": {}}, CONTEXT)["merged"] > 0
    assert_lake_is(made, stack.bucket())
    later = datetime.now(UTC) + timedelta(minutes=61)
    compactor.run._compactor._clock = lambda: later
    assert compactor.handler({"compact": {}}, CONTEXT)["deleted"] >= part["merged"]
    assert_lake_is(made, stack.bucket())
    with pytest.raises(ValueError, match="a tenant, then a table of it, then a day; got day"):
        compactor.handler({"compact": {"day": "2026-11-20"}}, CONTEXT)


def test_first_days_are_asked_for_once_and_a_hundred_at_a_time(stack):
    made = history(37, commits=400, ids=200)
    stack.keep_first_commits(made)
    asked: list[int] = []

    class Counting:
        def batch_get_item(self, RequestItems):
            asked.append(len(RequestItems["commits"]["Keys"]))
            return stack.dynamodb.batch_get_item(RequestItems=RequestItems)

    days = FirstDays(Counting(), "commits")
    unknown = envelope("never", tenant=ACME).stream
    assert days([*made.days, unknown]) == made.days
    assert max(asked) == 100
    assert sum(asked) == len(made.days) + 1
    asked.clear()
    assert days(made.days) == made.days
    assert asked == []


def test_the_bucket_lists_by_key_and_forgets_what_is_deleted(stack):
    objects = S3Objects(stack.s3, "lake")
    for name in ("a/1", "a/2", "b/1"):
        objects.put(name, name.encode())
    assert [each.key for each in objects.list("a/")] == ["a/1", "a/2"]
    assert [(each.key, each.size) for each in objects.list("", "a/1")] == [("a/2", 3), ("b/1", 3)]
    objects.delete(["a/1", "never"])
    assert [each.key for each in objects.list("a/")] == ["a/2"]
    with pytest.raises(KeyError):
        objects.get("a/1")
