"""What a deployment creates on the emulator, what the next one changes, and what it will not touch."""

import json
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local.autonaming import physical_name
from local.deployer import DeployError
from local.emulator import Emulator
from local.monitor import ProgramError
from local.resources import HANDLERS, Handler

from .deploying import GATEWAY, Laptop

pytestmark = pytest.mark.emulator
ID = [{"name": "id", "type": "S"}]


@pytest.fixture
def laptop(emulator: Emulator, tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(emulator, tmp_path / "home", project=tmp_path.name.replace("_", "-")[-20:])
    yield laptop
    laptop.up(lambda: None, replace_data=True)


def table(name: str = "things", *, range_key: str | None = None, **inputs: Any) -> aws.dynamodb.Table:
    attributes = inputs.pop("attributes", ID + ([{"name": range_key, "type": "N"}] if range_key else []))
    return aws.dynamodb.Table(
        name, hash_key="id", range_key=range_key, attributes=attributes, billing_mode="PAY_PER_REQUEST", **inputs
    )


def test_the_handlers_are_those_of_the_contract() -> None:
    """What a component may use; a type more or less is a decision, not an accident."""
    assert len(HANDLERS) == 28
    for type_, handler in HANDLERS.items():
        assert handler.understood.isdisjoint(handler.without_effect), type_
        assert handler.replaced_by <= handler.understood | handler.without_effect, type_


def test_a_table(laptop: Laptop) -> None:
    def program() -> None:
        made = table(
            range_key="n",
            stream_enabled=True,
            stream_view_type="NEW_IMAGE",
            ttl={"attribute_name": "ends", "enabled": True},
            point_in_time_recovery={"enabled": True},
            tags={"kind": "events"},
            global_secondary_indexes=[{"name": "by-n", "hash_key": "n", "projection_type": "KEYS_ONLY"}],
        )
        pulumi.export("name", made.name)
        pulumi.export("stream", made.stream_arn)

    exports = laptop.up(program).exports
    dynamodb = laptop.client("dynamodb")
    there = dynamodb.describe_table(TableName=exports["name"])["Table"]
    assert exports["name"] == physical_name(
        "aws:dynamodb/table:Table",
        f"urn:pulumi:test::{laptop.project}::aws:dynamodb/table:Table::things",
        laptop.project,
        "test",
        "things",
    )
    assert [k["AttributeName"] for k in there["KeySchema"]] == ["id", "n"]
    assert there["LatestStreamArn"] == exports["stream"]
    assert there["GlobalSecondaryIndexes"][0]["IndexName"] == "by-n"
    ttl = dynamodb.describe_time_to_live(TableName=exports["name"])["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("ends", "ENABLED")
    backups = dynamodb.describe_continuous_backups(TableName=exports["name"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.list_tags_of_resource(ResourceArn=there["TableArn"])["Tags"] == [{"Key": "kind", "Value": "events"}]


def test_a_bucket_with_all_that_belongs_to_it(laptop: Laptop) -> None:
    def program() -> None:
        bucket = aws.s3.Bucket("Bodies", tags={"kind": "bodies"})
        name = bucket.bucket
        aws.s3.BucketPublicAccessBlock("bodies", bucket=name, block_public_acls=True, restrict_public_buckets=True)
        aws.s3.BucketVersioning("bodies", bucket=name, versioning_configuration={"status": "Enabled"})
        encryption = {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
        aws.s3.BucketServerSideEncryptionConfiguration("bodies", bucket=name, rules=[encryption])
        aws.s3.BucketLifecycleConfiguration(
            "bodies",
            bucket=name,
            rules=[
                {
                    "id": "old",
                    "status": "Enabled",
                    "noncurrent_version_expiration": {"noncurrent_days": 7},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
                }
            ],
        )
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
        plain_http = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        aws.s3.BucketPolicy("bodies", bucket=name, policy=json.dumps({"Statement": [plain_http]}))
        pulumi.export("name", name)

    name = laptop.up(program).exports["name"]
    s3 = laptop.client("s3")
    assert name == name.lower()
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["BlockPublicAcls"]
    rule = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]
    assert (rule["ID"], rule["NoncurrentVersionExpiration"]) == ("old", {"NoncurrentDays": 7})
    assert s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert "Deny" in s3.get_bucket_policy(Bucket=name)["Policy"]
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "kind", "Value": "bodies"}]


def test_queues_logs_alarms_secrets_and_keys(laptop: Laptop) -> None:
    log = f"/aws/lambda/{laptop.project}"

    def program() -> None:
        dead = aws.sqs.Queue("dead", fifo_queue=True, message_retention_seconds=1_209_600)
        redrive = pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 3})
        queue = aws.sqs.Queue(
            "queue", fifo_queue=True, delay_seconds=2, visibility_timeout_seconds=70, redrive_policy=redrive
        )
        aws.cloudwatch.LogGroup("log", name=log, retention_in_days=30, tags={"a": "b"})
        aws.cloudwatch.MetricAlarm(
            "letters",
            comparison_operator="GreaterThanThreshold",
            evaluation_periods=1,
            threshold=0,
            namespace="AWS/SQS",
            metric_name="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": dead.name},
            period=60,
            statistic="Maximum",
            treat_missing_data="notBreaching",
        )
        secret = aws.secretsmanager.Secret("key", recovery_window_in_days=0)
        aws.secretsmanager.SecretVersion("key", secret_id=secret.id, secret_string=pulumi.Output.secret("hush"))
        key = aws.kms.Key("key", description="for tests")
        pulumi.export("queue", queue.url)
        pulumi.export("secret", secret.arn)
        pulumi.export("key", key.arn)

    exports = laptop.up(program).exports
    assert exports["queue"].endswith(".fifo")
    sqs = laptop.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=exports["queue"], AttributeNames=["All"])["Attributes"]
    assert (attributes["DelaySeconds"], attributes["VisibilityTimeout"]) == ("2", "70")
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 3
    group = laptop.client("logs").describe_log_groups(logGroupNamePrefix=log)["logGroups"][0]
    assert group["retentionInDays"] == 30
    prefix = f"{laptop.project}-test-letters"
    alarm = laptop.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"][0]
    assert alarm["Dimensions"][0]["Name"] == "QueueName"
    assert laptop.client("secretsmanager").get_secret_value(SecretId=exports["secret"])["SecretString"] == "hush"
    assert laptop.client("kms").describe_key(KeyId=exports["key"])["KeyMetadata"]["Description"] == "for tests"
    for file in laptop.home.rglob("*"):
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file
        assert "hush" not in file.read_text(), f"a secret in clear in {file}"


def test_functions_are_known_to_the_emulator_by_their_proxy_alone(laptop: Laptop, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("def handler(event, context): ...")

    def program() -> None:
        role = aws.iam.Role("worker", assume_role_policy=trust("lambda.amazonaws.com"))
        layer = aws.lambda_.LayerVersion("pins", layer_name="pins", code=pulumi.FileArchive(str(tmp_path / "code")))
        function = aws.lambda_.Function(
            "worker",
            role=role.arn,
            handler="app.handler",
            runtime="python3.13",
            code=pulumi.FileArchive(str(tmp_path / "code")),
            layers=[layer.arn],
            environment={"variables": {"OPEN": "o", "CLOSED": pulumi.Output.secret("hush")}},
        )
        pulumi.export("name", function.name)
        pulumi.export("layer", layer.arn)

    graph = laptop.up(program)
    there = laptop.client("lambda").get_function_configuration(FunctionName=graph.exports["name"])
    url = laptop.site.function_url(graph.exports["name"])
    assert there["Environment"]["Variables"] == {"MINISTACK_LAMBDA_PROXY_URL": url}
    for resource in graph.resources:
        assert "MINISTACK" not in repr(resource.inputs)
        assert url not in repr(resource.outputs)
    assert sorted(f.name for f in laptop.home.glob("functions/*/*")) == ["app.py", "app.py"]
    assert graph.exports["layer"].endswith(":layer:pins:1")
    (tmp_path / "code" / "app.py").write_text("def handler(event, context): return 1")
    again = laptop.up(program)
    assert again.exports["layer"].endswith(":layer:pins:2")
    assert laptop.verbs() == {"worker": "update", "pins": "update"}


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


def test_tags_come_from_the_stack_the_provider_and_the_resource(laptop: Laptop) -> None:
    def program() -> None:
        provider = aws.Provider("mine", region="us-east-1", default_tags={"tags": {"team": "mine"}})
        one = aws.sqs.Queue("one", tags={"own": "1"})
        two = aws.sqs.Queue("two", opts=pulumi.ResourceOptions(provider=provider))
        pulumi.export("urls", [one.url, two.url])
        pulumi.export("all", one.tags_all)

    graph = laptop.up(program, tags={"team": "ours", "own": "0"})
    sqs = laptop.client("sqs")
    assert [sqs.list_queue_tags(QueueUrl=url)["Tags"] for url in graph.exports["urls"]] == [
        {"team": "ours", "own": "1"},
        {"team": "mine"},
    ]
    assert graph.exports["all"] == {"team": "ours", "own": "1"}
    laptop.up(program, tags={"team": "theirs"})
    assert laptop.verbs() == {"one": "update", "two": "same"}
    assert sqs.list_queue_tags(QueueUrl=graph.exports["urls"][0])["Tags"] == {"team": "theirs", "own": "1"}


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "an unknown type": (
        lambda: aws.kinesis.Stream("river", shard_count=1),
        r"resource type aws:kinesis/stream:Stream \('river'\) is not known",
    ),
    "an unknown input": (
        lambda: aws.sqs.Queue("queue", name_prefix="q"),
        "'queue': input namePrefix is not supported on the laptop",
    ),
    "another region": (
        lambda: aws.sqs.Queue("queue", region="eu-west-1"),
        "'queue': region is 'eu-west-1', and the laptop has 'us-east-1' only",
    ),
    "a provider elsewhere": (
        lambda: aws.Provider("p", region="eu-west-1"),
        "'p': region is 'eu-west-1'",
    ),
    "a provider's role": (
        lambda: aws.Provider("p", region="us-east-1", assume_roles=[{"role_arn": "arn:aws:iam::1:role/r"}]),
        "'p': argument assumeRoles has no meaning on the laptop",
    ),
    "another account": (
        lambda: aws.Provider("p", region="us-east-1", allowed_account_ids=["123456789012"]),
        "'p': allowedAccountIds is .*, and the laptop's account is 000000000000",
    ),
    "a WebSocket API": (
        lambda: aws.apigatewayv2.Api("api", protocol_type="WEBSOCKET"),
        "'api': protocolType is 'WEBSOCKET', and the laptop's gateway serves 'HTTP' only",
    ),
    "what the service refuses": (
        lambda: aws.cloudwatch.EventBus("bus", name="default"),
        "'bus': .*ResourceAlreadyExistsException",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(laptop: Laptop, make: Callable[[], object], message: str) -> None:
    with pytest.raises((DeployError, ProgramError), match=message):
        laptop.up(lambda: make() and None)


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


def test_an_api_has_the_gateways_url(laptop: Laptop) -> None:
    def program() -> None:
        api = aws.apigatewayv2.Api("api", protocol_type="HTTP")
        stage = aws.apigatewayv2.Stage("stage", api_id=api.id, name="$default", auto_deploy=True)
        pulumi.export("urls", [api.api_endpoint, stage.invoke_url])

    assert laptop.up(program).exports["urls"] == [GATEWAY, GATEWAY]


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


@pytest.mark.parametrize(
    ("type_", "longest"), [("aws:s3/bucket:Bucket", 63), ("aws:iam/role:Role", 64), ("aws:sqs/queue:Queue", 80)]
)
def test_automatic_names_fit_the_service(type_: str, longest: int) -> None:
    def name(resource: str, **more: str) -> str:
        urn = f"urn:pulumi:local::shop::{type_}::{resource}"
        return physical_name(type_, urn, "shop", "local", resource, **more)

    assert name("bodies").startswith("shop-local-bodies-")
    assert len(name("b" * 100)) == longest
    assert name("b" * 100) != name("b" * 99)
    assert name("bodies") == name("bodies")
    assert name("b" * 100, suffix=".fifo").endswith(".fifo")


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
