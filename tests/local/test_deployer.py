"""What the next deployment changes, in which order, and what it keeps."""

import threading
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local.deployer import DeployError
from local.resources import HANDLERS, Handler

from .deploying import Laptop, table

pytestmark = pytest.mark.emulator


def test_the_second_deployment_changes_only_what_changed(laptop: Laptop) -> None:
    def program(retention: int, *, third: bool) -> Callable[[], None]:
        def run() -> None:
            first = aws.sqs.Queue("first", message_retention_seconds=retention)
            aws.sqs.Queue("second", tags={"after": first.name})
            if third:
                aws.sqs.Queue("third")

        return run

    laptop.up(program(60, third=True))
    assert laptop.verbs() == dict.fromkeys(("first", "second", "third"), "create")
    laptop.up(program(60, third=True))
    assert laptop.verbs() == dict.fromkeys(("first", "second", "third"), "same")
    laptop.up(program(120, third=False))
    assert laptop.verbs() == {"first": "update", "second": "same", "third": "delete"}
    queues = laptop.client("sqs").list_queues(QueueNamePrefix=f"{laptop.project}-")["QueueUrls"]
    assert len(queues) == 2


def test_a_secret_that_changed_is_seen_though_only_its_hash_is_kept(laptop: Laptop) -> None:
    secret_name = f"{laptop.project}-secret"

    def program(value: str) -> Callable[[], None]:
        def run() -> None:
            secret = aws.secretsmanager.Secret("key", name=secret_name)
            aws.secretsmanager.SecretVersion("value", secret_id=secret.id, secret_string=pulumi.Output.secret(value))

        return run

    laptop.up(program("one"))
    laptop.up(program("one"))
    assert laptop.verbs() == {"key": "same", "value": "same"}
    laptop.up(program("two"))
    assert laptop.verbs() == {"key": "same", "value": "update"}
    assert laptop.client("secretsmanager").get_secret_value(SecretId=secret_name)["SecretString"] == "two"


def test_what_is_removed_goes_before_what_it_depends_on(laptop: Laptop) -> None:
    def program() -> None:
        bus = aws.cloudwatch.EventBus("bus")
        rule = aws.cloudwatch.EventRule("rule", event_bus_name=bus.name, event_pattern='{"source": ["s"]}')
        aws.sqs.Queue("queue", tags={"rule": rule.name})

    laptop.up(program)
    laptop.up(lambda: None)
    assert [resource.split("'")[1] for _, resource in laptop.steps] == ["queue", "rule", "bus"]


def test_data_is_replaced_or_deleted_only_when_told(laptop: Laptop) -> None:
    laptop.up(lambda: table() and None)
    name = laptop.client("dynamodb").list_tables()["TableNames"]

    with pytest.raises(
        DeployError, match=r"'things' holds data, and changing rangeKey replaces it: say --replace-data"
    ):
        laptop.up(lambda: table(range_key="n") and None)
    with pytest.raises(DeployError, match=r"'things' holds data, and the program no longer registers it"):
        laptop.up(lambda: None)
    assert laptop.client("dynamodb").list_tables()["TableNames"] == name

    laptop.up(lambda: table(range_key="n") and None, replace_data=True)
    assert laptop.verbs() == {"things": "replace"}
    laptop.up(lambda: table(range_key="n", tags={"a": "b"}) and None)
    assert laptop.verbs() == {"things": "update"}
    laptop.up(lambda: None, replace_data=True)
    assert laptop.verbs() == {"things": "delete"}


def test_protected_and_retained_resources(laptop: Laptop) -> None:
    def program(**options: Any) -> Callable[[], None]:
        return lambda: aws.sqs.Queue("queue", opts=pulumi.ResourceOptions(**options)) and None

    laptop.up(program(protect=True))
    with pytest.raises(DeployError, match="'queue' is protected"):
        laptop.up(lambda: None)
    laptop.up(program(retain_on_delete=True))
    laptop.up(lambda: None)
    kept = laptop.client("sqs").list_queues(QueueNamePrefix=f"{laptop.project}-test-queue")["QueueUrls"]
    assert len(kept) == 1
    laptop.client("sqs").delete_queue(QueueUrl=kept[0])


def test_an_alias_keeps_the_resource_under_its_new_name(laptop: Laptop) -> None:
    laptop.up(lambda: table("old") and None)
    before = laptop.client("dynamodb").list_tables()["TableNames"]
    renamed = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")])
    laptop.up(lambda: table("new", opts=renamed) and None)
    assert laptop.verbs() == {"new": "same"}
    assert laptop.client("dynamodb").list_tables()["TableNames"] == before


def test_a_components_alias_keeps_all_that_is_in_it(laptop: Laptop) -> None:
    class Shelf(pulumi.ComponentResource):
        def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
            super().__init__("tests:index:Shelf", name, None, opts)
            table(f"{name}-books", opts=pulumi.ResourceOptions(parent=self))

    laptop.up(lambda: Shelf("old") and None)
    before = laptop.client("dynamodb").list_tables()["TableNames"]
    renamed = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")])
    laptop.up(lambda: Shelf("new", renamed) and None)
    assert laptop.verbs() == {"new-books": "same"}
    assert laptop.client("dynamodb").list_tables()["TableNames"] == before


def test_after_an_error_the_rest_is_taken_up_by_the_next_deployment(laptop: Laptop) -> None:
    def program(name: str) -> Callable[[], None]:
        def run() -> None:
            first = aws.sqs.Queue("first")
            second = aws.cloudwatch.EventBus("second", name=name, tags={"after": first.name})
            aws.sqs.Queue("third", tags={"after": second.name})

        return run

    with pytest.raises(DeployError, match="'second'"):
        laptop.up(program("default"))
    assert laptop.verbs() == {"first": "create", "second": "create"}
    laptop.up(program(f"{laptop.project}-named"))
    assert laptop.verbs() == {"first": "same", "second": "create", "third": "create"}


def test_registrations_run_at_the_same_time(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4)

    class Meeting(Handler):
        understood = frozenset({"visibilityTimeoutSeconds"})

        def create(self, request: Any) -> tuple[str, dict[str, Any]]:
            together.wait(10)
            return "met", {"url": "met", "name": "met", "arn": "met"}

        def delete(self, site: Any, record: Any) -> None:
            pass

    monkeypatch.setitem(HANDLERS, "aws:sqs/queue:Queue", Meeting())
    laptop.up(lambda: [aws.sqs.Queue(f"queue-{n}") for n in range(4)] and None)
    laptop.up(lambda: None)
