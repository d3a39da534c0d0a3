"""The lake's resources on the emulator, what delivers to its archive, and the edges that AWS would refuse."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local.edges import EdgeError, check
from local.emulator import PATCHES, Emulator
from local.graph import reveal
from local.graph_provider import GraphProvider
from local.program import deploy
from local.resources import Request, Site

from .deploying import GATEWAY, Laptop

pytestmark = pytest.mark.emulator


def catalogue(column: str = "a", description: str = "") -> None:
    database = aws.glue.CatalogDatabase("facts", name="facts_db", description=description or None)
    aws.glue.CatalogTable(
        "sums",
        name="sums",
        database_name=database.name,
        table_type="EXTERNAL_TABLE",
        parameters={"projection.enabled": "true"},
        partition_keys=[{"name": "tenant", "type": "string"}],
        storage_descriptor={
            "columns": [{"name": column, "type": "decimal(38,9)"}],
            "location": "s3://somewhere/tables/",
            "ser_de_info": {"serialization_library": "parquet"},
        },
    )
    pulumi.export("arn", database.arn)


def test_a_database_and_its_tables(laptop: Laptop) -> None:
    glue = laptop.client("glue")
    arn = laptop.up(catalogue).exports["arn"]
    assert arn == f"arn:aws:glue:{laptop.site.region}:{laptop.site.account}:database/facts_db"
    made = glue.get_table(DatabaseName="facts_db", Name="sums")["Table"]
    assert made["StorageDescriptor"]["Columns"] == [{"Name": "a", "Type": "decimal(38,9)"}]
    assert made["StorageDescriptor"]["SerdeInfo"] == {"SerializationLibrary": "parquet"}
    assert made["PartitionKeys"] == [{"Name": "tenant", "Type": "string"}]
    laptop.up(lambda: catalogue("b", "of sales"))
    assert laptop.verbs() == {"facts": "update", "sums": "update"}
    assert (
        glue.get_table(DatabaseName="facts_db", Name="sums")["Table"]["StorageDescriptor"]["Columns"][0]["Name"] == "b"
    )
    assert glue.get_database(Name="facts_db")["Database"]["Description"] == "of sales"
    laptop.up(lambda: None)
    assert [each["Name"] for each in glue.get_databases()["DatabaseList"] if each["Name"] == "facts_db"] == []


def workgroup(limit: int) -> Callable[[], None]:
    def program() -> None:
        made = aws.athena.Workgroup(
            "group",
            configuration={
                "bytes_scanned_cutoff_per_query": limit,
                "enforce_workgroup_configuration": False,
                "result_configuration": {"output_location": "s3://somewhere/results/"},
            },
        )
        pulumi.export("name", made.name)

    return program


def test_a_workgroup(laptop: Laptop) -> None:
    athena = laptop.client("athena")
    name = laptop.up(workgroup(20_000_000)).exports["name"]
    made = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    assert made["BytesScannedCutoffPerQuery"] == 20_000_000
    assert made["EnforceWorkGroupConfiguration"] is False
    assert made["ResultConfiguration"]["OutputLocation"] == "s3://somewhere/results/"
    laptop.up(workgroup(30_000_000))
    assert laptop.verbs() == {"group": "update"}
    limit = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]["BytesScannedCutoffPerQuery"]
    assert limit == 30_000_000
    with pytest.raises(Exception, match="AWS takes 10000000 or more"):
        laptop.up(workgroup(9_999_999))
    laptop.up(lambda: None)
    assert name not in [each["Name"] for each in athena.list_work_groups()["WorkGroups"]]


def archive(prefix: str = "events/", **broken: Any) -> None:
    """A bus, a topic and a delivery stream to a bucket, connected as AWS asks; `broken` is what is wrong."""
    bucket = aws.s3.Bucket("kept", force_destroy=True)
    roles = {}
    for name, service, action in (
        ("delivery", "firehose", ["s3:PutObject", "s3:AbortMultipartUpload"]),
        ("rule", "events", ["firehose:PutRecord", "firehose:PutRecordBatch"]),
        ("topic", "sns", ["firehose:PutRecord", "firehose:PutRecordBatch"]),
    ):
        trusted = broken.get(f"{name}_trust", f"{service}.amazonaws.com")
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": trusted}}
        roles[name] = aws.iam.Role(f"{name}-role", assume_role_policy=json.dumps({"Statement": [statement]}))
        granted = {"Effect": "Allow", "Action": broken.get(f"{name}_actions", action), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [granted]})
        aws.iam.RolePolicy(f"{name}-policy", role=roles[name].name, policy=policy)
    delivery = aws.kinesis.FirehoseDeliveryStream(
        "delivery",
        destination="extended_s3",
        extended_s3_configuration={
            "bucket_arn": bucket.arn,
            "role_arn": roles["delivery"].arn,
            "prefix": prefix,
            "error_output_prefix": "errors/",
            "buffering_interval": 60,
            "buffering_size": 5,
            "compression_format": "GZIP",
        },
    )
    bus, topic = aws.cloudwatch.EventBus("bus"), aws.sns.Topic("topic")
    rule = aws.cloudwatch.EventRule("rule", event_bus_name=bus.name, event_pattern=json.dumps({"source": ["shop"]}))
    aws.cloudwatch.EventTarget(
        "target",
        event_bus_name=bus.name,
        rule=rule.name,
        arn=delivery.arn,
        role_arn=broken.get("target_role", roles["rule"].arn),
        input_path="$.detail",
    )
    aws.sns.TopicSubscription(
        "subscription",
        topic=topic.arn,
        protocol="firehose",
        endpoint=delivery.arn,
        subscription_role_arn=broken.get("subscription_role", roles["topic"].arn),
        raw_message_delivery=True,
    )
    pulumi.export("bucket", bucket.bucket)
    pulumi.export("bus", bus.name)
    pulumi.export("topic", topic.arn)
    pulumi.export("stream", delivery.name)


def delivered(laptop: Laptop) -> list[Any]:
    """What came to the bucket of an event on the bus and a message on the topic."""
    names, s3 = laptop.up(archive).exports, laptop.client("s3")
    entry = {"Source": "shop", "DetailType": "commit", "Detail": '{"n": 1}', "EventBusName": names["bus"]}
    laptop.client("events").put_events(Entries=[entry])
    laptop.client("sns").publish(TopicArn=names["topic"], Message='{"n": 2}')
    until, found = time.monotonic() + 3, []
    while len(found) < 2 and time.monotonic() < until:
        found = s3.list_objects_v2(Bucket=names["bucket"], Prefix="events/").get("Contents", [])
        time.sleep(0.02)
    bodies = [s3.get_object(Bucket=names["bucket"], Key=each["Key"])["Body"].read() for each in found]
    return sorted((json.loads(body) for body in bodies), key=lambda each: each["n"])


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """On an emulator without the patch."""
    others = tuple(patch for patch in PATCHES if patch != "deliveries")
    with Emulator(tmp_path_factory.mktemp("bare"), patches=others) as running:
        yield Laptop(running, tmp_path_factory.mktemp("home") / "home", project="bare")


def test_patch_deliveries(laptop: Laptop, bare: Laptop) -> None:
    assert delivered(laptop) == [{"n": 1}, {"n": 2}]
    assert delivered(bare) == [], "the patch is no longer needed"


def test_a_delivery_stream_changes_in_place(laptop: Laptop) -> None:
    name = laptop.up(archive).exports["stream"]
    laptop.up(lambda: archive("all/"))
    assert laptop.verbs()["delivery"] == "update"
    described = laptop.client("firehose").describe_delivery_stream(DeliveryStreamName=name)
    (destination,) = described["DeliveryStreamDescription"]["Destinations"]
    assert destination["ExtendedS3DestinationDescription"]["Prefix"] == "all/"
    laptop.up(lambda: None, replace_data=True)
    assert name not in laptop.client("firehose").list_delivery_streams()["DeliveryStreamNames"]


def checked(**broken: Any) -> None:
    graph = deploy(lambda: archive(**broken), provider=GraphProvider("project", "test"))
    site = Site(lambda service: None, None, "project", "test", "us-east-1", "123456789012", str, lambda api: GATEWAY)  # type: ignore[arg-type]
    check([Request(site, each, reveal(each.inputs)) for each in graph.resources if each.custom], site)


def test_the_archive_is_connected_as_aws_asks() -> None:
    checked()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"delivery_trust": "lambda.amazonaws.com"}, "does not let firehose.amazonaws.com assume it"),
        ({"delivery_actions": ["s3:GetObject"]}, "is not allowed s3:PutObject"),
        ({"rule_trust": "sns.amazonaws.com"}, "does not let events.amazonaws.com assume it"),
        ({"rule_actions": ["firehose:PutRecord"]}, "is not allowed firehose:PutRecordBatch"),
        ({"topic_trust": "events.amazonaws.com"}, "does not let sns.amazonaws.com assume it"),
        ({"target_role": None}, "needs a role that events.amazonaws.com may assume"),
        ({"subscription_role": None}, "needs a role that sns.amazonaws.com may assume"),
    ],
)
def test_what_aws_would_refuse_is_told(broken: dict[str, Any], told: str) -> None:
    with pytest.raises(EdgeError, match=told):
        checked(**broken)
