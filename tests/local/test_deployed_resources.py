"""What a deployment creates on the emulator."""

import json
import stat
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pytest

from local.autonaming import physical_name
from local.resources import HANDLERS

from .deploying import GATEWAY, Laptop, table

pytestmark = pytest.mark.emulator


def test_the_handlers_are_those_of_the_contract() -> None:
    """What a component may use; a type more or less is a decision, not an accident."""
    assert len(HANDLERS) == 47
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


def test_a_data_stream(laptop: Laptop) -> None:
    def program(shards: int = 1, hours: int = 24, mode: str = "PROVISIONED", **tags: str) -> None:
        stream = aws.kinesis.Stream(
            "river",
            stream_mode_details={"stream_mode": mode},
            shard_count=shards if mode == "PROVISIONED" else None,
            retention_period=hours,
            encryption_type="KMS",
            kms_key_id="alias/aws/kinesis",
            tags=tags,
        )
        pulumi.export("name", stream.name)
        pulumi.export("arn", stream.arn)

    exports = laptop.up(lambda: program(own="1", gone="1")).exports
    kinesis, name = laptop.client("kinesis"), exports["name"]

    def found() -> tuple[str, int, int, dict[str, str]]:
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        assert summary["StreamARN"] == exports["arn"]
        tags = {t["Key"]: t["Value"] for t in kinesis.list_tags_for_stream(StreamName=name)["Tags"]}
        mode = summary["StreamModeDetails"]["StreamMode"]
        return mode, summary["OpenShardCount"], summary["RetentionPeriodHours"], tags

    assert found() == ("PROVISIONED", 1, 24, {"own": "1", "gone": "1"})
    laptop.up(lambda: program(shards=2, hours=48, own="2"))
    assert laptop.verbs() == {"river": "update"}
    assert found() == ("PROVISIONED", 2, 48, {"own": "2"})
    laptop.up(lambda: program(shards=2, hours=24, own="2"))
    assert found()[2] == 24
    laptop.up(lambda: None)
    assert name not in kinesis.list_streams()["StreamNames"]
    exports = laptop.up(lambda: program(mode="ON_DEMAND")).exports
    assert found() == ("ON_DEMAND", 1, 24, {})


def test_a_budget(laptop: Laptop) -> None:
    def program(dollars: str = "20", **tags: str) -> None:
        told = {"comparison_operator": "GREATER_THAN", "threshold_type": "PERCENTAGE"}
        budget = aws.budgets.Budget(
            "dear",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=dollars,
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": ["user:service$shop"]}],
            notifications=[
                {
                    **told,
                    "notification_type": "ACTUAL",
                    "threshold": 100,
                    "subscriber_email_addresses": ["a@example.com"],
                }
            ],
            tags=tags,
        )
        pulumi.export("name", budget.name)
        pulumi.export("account", budget.account_id)
        pulumi.export("arn", budget.arn)

    exports = laptop.up(lambda: program(own="1", gone="1")).exports
    budgets, name = laptop.client("budgets"), exports["name"]
    which = {"AccountId": exports["account"], "BudgetName": name}

    def found() -> tuple[str, dict[str, str]]:
        budget = budgets.describe_budget(**which)["Budget"]
        assert budget["CostFilters"] == {"TagKeyValue": ["user:service$shop"]}
        tags = budgets.list_tags_for_resource(ResourceARN=exports["arn"])["ResourceTags"]
        return budget["BudgetLimit"]["Amount"], {each["Key"]: each["Value"] for each in tags}

    assert found() == ("20", {"own": "1", "gone": "1"})
    (told,) = budgets.describe_notifications_for_budget(**which)["Notifications"]
    assert (told["NotificationType"], told["Threshold"]) == ("ACTUAL", 100)
    whom = budgets.describe_subscribers_for_notification(**which, Notification=told)["Subscribers"]
    assert whom == [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]
    laptop.up(lambda: program(own="2"))
    assert laptop.verbs() == {"dear": "update"}
    assert found() == ("20", {"own": "2"})
    laptop.up(lambda: program("35", own="2"))
    assert laptop.verbs() == {"dear": "replace"}
    assert found() == ("35", {"own": "2"})
    laptop.up(lambda: None)
    assert budgets.describe_budgets(AccountId=exports["account"]).get("Budgets", []) == []


def test_a_topic_its_policy_and_its_subscription(laptop: Laptop) -> None:
    def program(fifo: bool = False, types: str | None = "A", policy: bool = True, subscribed: bool = True) -> None:
        topic = aws.sns.Topic("topic", fifo_topic=fifo, kms_master_key_id="alias/aws/sns", tags={"own": "1"})
        queue = aws.sqs.Queue("queue", fifo_queue=fifo)
        statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue.arn}
        sender = {
            "Principal": {"Service": "sns.amazonaws.com"},
            "Condition": {"ArnEquals": {"aws:SourceArn": topic.arn}},
        }
        allowed = pulumi.Output.json_dumps({"Statement": [{**statement, **sender}]})
        aws.sqs.QueuePolicy("queue", queue_url=queue.url, policy=allowed)
        if policy:
            deny = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic.arn}
            deny |= {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
            aws.sns.TopicPolicy("topic", arn=topic.arn, policy=pulumi.Output.json_dumps({"Statement": [deny]}))
        if subscribed:
            aws.sns.TopicSubscription(
                "subscription",
                topic=topic.arn,
                protocol="sqs",
                endpoint=queue.arn,
                raw_message_delivery=True,
                filter_policy=json.dumps({"types": [types]}) if types else None,
            )
        pulumi.export("topic", topic.arn)
        pulumi.export("queue", queue.url)

    exports = laptop.up(program).exports
    sns, sqs = laptop.client("sns"), laptop.client("sqs")

    def arrived(*types: str) -> list[str]:
        for each in types:
            attribute = {"types": {"DataType": "String.Array", "StringValue": json.dumps([each])}}
            group = {"MessageGroupId": "g", "MessageDeduplicationId": each} if ".fifo" in exports["topic"] else {}
            sns.publish(TopicArn=exports["topic"], Message=each, MessageAttributes=attribute, **group)
        got = sqs.receive_message(QueueUrl=exports["queue"], MaxNumberOfMessages=10).get("Messages", [])
        for each in got:
            sqs.delete_message(QueueUrl=exports["queue"], ReceiptHandle=each["ReceiptHandle"])
        return sorted(each["Body"] for each in got)

    assert arrived("A", "B") == ["A"]
    assert "SecureTransport" in sns.get_topic_attributes(TopicArn=exports["topic"])["Attributes"]["Policy"]
    assert sns.list_tags_for_resource(ResourceArn=exports["topic"])["Tags"] == [{"Key": "own", "Value": "1"}]
    laptop.up(lambda: program(types="B"))
    assert laptop.verbs()["subscription"] == "update"
    assert arrived("A", "B") == ["B"]
    laptop.up(lambda: program(types=None, policy=False))
    assert arrived("A", "B") == ["A", "B"]
    assert "SecureTransport" not in sns.get_topic_attributes(TopicArn=exports["topic"])["Attributes"]["Policy"]
    laptop.up(lambda: program(subscribed=False))
    assert arrived("A") == []
    exports = laptop.up(lambda: program(fifo=True, types=None)).exports
    assert exports["topic"].endswith(".fifo")
    assert arrived("A", "B") == ["A", "B"]


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


def test_an_api_has_the_gateways_url(laptop: Laptop) -> None:
    def program() -> None:
        api = aws.apigatewayv2.Api("api", protocol_type="HTTP")
        stage = aws.apigatewayv2.Stage("stage", api_id=api.id, name="$default", auto_deploy=True)
        pulumi.export("urls", [api.api_endpoint, stage.invoke_url])

    assert laptop.up(program).exports["urls"] == [GATEWAY, GATEWAY]


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
