"""The graph of AnalyticsLake. Not proven here: that its rights suffice; the laptop runs it under these very roles."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from components import AnalyticsLake, ArgumentError, EventSourcedService, ProjectionPipeline
from components.lake_catalogue import in_trino
from components.permissions import ON_EVERYTHING, TENANT
from local.event_sources.filters import Filters
from tests.graph.support import (
    DOMAIN,
    ROOT,
    component,
    deploy,
    document,
    functions,
    role_of,
    shop,
    statements_of,
    strings,
    tenant_role_of,
)

TABLE = "aws:glue/catalogTable:CatalogTable"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
DELIVERY = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"


def with_lake(**config: Any):
    return shop("dev", lake=True, **config)


def named(graph, suffix: str):
    return next(each for each in functions(graph) if each.name == f"shop-lake-{suffix}")


def test_it_is_made_when_the_configuration_says_so():
    assert with_lake().of("foldstack:index:AnalyticsLake")
    assert not shop("dev").of("foldstack:index:AnalyticsLake")
    exports = with_lake().exports
    assert {"lakeBucket", "lakeDatabase", "lakeWorkgroup"} <= exports.keys()
    assert exports["operated"]["lake"]["results"] == f"s3://{exports['lakeBucket']}/results/-/"
    assert not {"lakeBucket", "lakeDatabase", "lakeWorkgroup"} & shop("dev").exports.keys()


def test_files_are_projected_and_views_read_them():
    graph = with_lake()
    tables = {each.inputs["name"]: each.inputs for each in graph.of(TABLE)}
    files = {name: each for name, each in tables.items() if name.endswith("_files")}
    assert {f"{name}_files" for name in tables if not name.endswith("_files")} == files.keys()
    assert {"events", "event_purchase_paid", "products", "purchases"} <= tables.keys()
    bucket = graph.exports["lakeBucket"]
    for name, each in files.items():
        projection = each["parameters"]
        table = name.removesuffix("_files")
        assert [key["name"] for key in each["partitionKeys"]] == ["tenant", "day"]
        assert projection["projection.enabled"] == "true"
        assert projection["projection.tenant.type"] == "injected", "Athena itself refuses a query without a tenant"
        assert projection["storage.location.template"] == f"s3://{bucket}/tables/${{tenant}}/{table}/day=${{day}}/"
        view = tables[table]
        text = view["viewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
        kept = json.loads(base64.b64decode(text))
        assert kept["schema"] == graph.exports["lakeDatabase"]
        assert f'"{name}"' in kept["originalSql"]
        columns = [column["name"] for column in view["storageDescriptor"]["columns"]]
        assert [column["name"] for column in kept["columns"]] == columns
        assert columns == ["tenant", "day", *(column["name"] for column in each["storageDescriptor"]["columns"])]
    assert not graph.of("aws:glue/crawler:Crawler")


@pytest.mark.parametrize(
    ("hive", "trino"),
    [
        ("string", "varchar"),
        ("timestamp", "timestamp(3)"),
        ("decimal(38,9)", "decimal(38,9)"),
        ("array<string>", "array(varchar)"),
        ("map<string,array<bigint>>", "map(varchar, array(bigint))"),
        (
            "struct<amount:decimal(38,9),at:timestamp,of:struct<a:string,b:boolean>>",
            "row(amount decimal(38,9), at timestamp(3), of row(a varchar, b boolean))",
        ),
    ],
)
def test_types_of_glue_in_athenas_words(hive: str, trino: str):
    assert in_trino(hive) == trino


def test_a_database_has_a_name_that_needs_no_quotes():
    assert with_lake().exports["lakeDatabase"] == "shop_dev_shop_lake"


def test_a_query_is_limited_and_results_do_not_stay():
    graph = with_lake()
    (workgroup,) = graph.of("aws:athena/workgroup:Workgroup")
    configuration = workgroup.inputs["configuration"]
    assert configuration["bytesScannedCutoffPerQuery"] == 10_000_000_000
    assert configuration["resultConfiguration"]["encryptionConfiguration"] == {"encryptionOption": "SSE_S3"}
    (lifecycle,) = [
        each
        for each in graph.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
        if each.inputs["bucket"] == graph.exports["lakeBucket"]
    ]
    rules = {rule["id"]: rule for rule in lifecycle.inputs["rules"]}
    assert rules["expire-results"]["filter"] == {"prefix": "results/"}
    assert rules["expire-results"]["expiration"] == {"days": 7}
    assert not [rule for rule in rules.values() if rule["filter"] == {} and "expiration" in rule], "tables stay"


def test_a_tenants_session_has_its_own_prefix_alone():
    graph = with_lake()
    role = tenant_role_of(graph, named(graph, "asking"))
    assert role is not None
    statements = {each["Sid"]: each for each in statements_of(graph, role)}
    bucket = f"arn:aws:s3:::{graph.exports['lakeBucket']}"
    own = [f"{bucket}/tables/{TENANT}/*", f"{bucket}/results/{TENANT}/*"]
    assert statements["ReadFiles"]["Resource"] == own
    assert statements["KeepResults"]["Resource"] == own[1]
    assert statements["KeepResults"]["Action"] == ["s3:PutObject"]
    listed = statements["FindFiles"]["Condition"]
    assert listed["StringLike"] == {"s3:prefix": [f"tables/{TENANT}/*", f"results/{TENANT}/*"]}
    assert listed["Null"] == {"aws:PrincipalTag/tenant": "false", "s3:prefix": "false"}
    for statement in statements.values():
        assert statement["Condition"]["Null"]["aws:PrincipalTag/tenant"] == "false"
        assert statement["Resource"] != "*"
    ours = {each["Sid"] for each in statements_of(graph, role_of(graph, named(graph, "asking")))}
    assert ours == {"ActForTenants", "CheckMembership", "CountRequests", "SeeQueries", "Trace", "WriteLogs"}


def test_who_may_do_what_with_files():
    graph = with_lake()
    bucket = f"arn:aws:s3:::{graph.exports['lakeBucket']}"
    writer, compactor = (
        {s["Sid"]: s for s in statements_of(graph, role_of(graph, named(graph, n)))} for n in ("writer", "compactor")
    )
    assert writer["WriteTables"] | {"Sid": ""} == {
        "Sid": "",
        "Effect": "Allow",
        "Action": ["s3:PutObject"],
        "Resource": f"{bucket}/tables/*",
    }
    assert not any(action.startswith("s3:Delete") for each in writer.values() for action in each["Action"])
    assert compactor["CompactTables"]["Resource"] == f"{bucket}/tables/*"
    assert not any(action.startswith("dynamodb:") for each in compactor.values() for action in each["Action"])


@pytest.mark.parametrize("road", ["eventbridge", "kinesis", "sns"])
def test_no_role_of_it_is_for_everything(road: str):
    graph = with_lake(road=road)
    roles = [each for each in graph.of("aws:iam/role:Role") if each.name.startswith("shop-lake")]
    assert len(roles) >= 6
    for role in roles:
        for statement in statements_of(graph, role):
            assert all("*" not in action for action in statement["Action"]), role.name
            if statement["Resource"] == "*":
                assert set(statement["Action"]) <= ON_EVERYTHING.keys(), role.name


def test_rows_come_from_the_streams_of_views():
    graph = with_lake()
    sources = graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    rows = {each.name: each.inputs for each in sources if each.name.startswith("shop-lake-rows-")}
    assert rows.keys() == {"shop-lake-rows-products-source", "shop-lake-rows-purchases-source"}
    for each in rows.values():
        assert each["bisectBatchOnFunctionError"]
        assert rows_let_through(each["filterCriteria"]["filters"]) == ["row", "deleted", "removed"]
        assert each["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert each["destinationConfig"]["onFailure"]["destinationArn"]
    views = [each for each in graph.of("aws:dynamodb/table:Table") if "-view-" in each.name]
    assert {each.inputs["streamViewType"] for each in views} == {"NEW_AND_OLD_IMAGES"}
    without = [each for each in shop("dev").of("aws:dynamodb/table:Table") if "-view-" in each.name]
    assert not any(each.inputs.get("streamEnabled") for each in without)


def rows_let_through(filters: list[dict[str, str]]) -> list[str]:
    """Which records of a view's table reach the writer."""
    row, shard = {"n": {"N": "3"}, "row": {"M": {}}}, {"f.purchases": {"N": "2"}}
    dead, control = {"n": {"N": "4"}, "dead": {"BOOL": True}}, {"at": {"S": "{}"}, "r": {"N": "1"}}
    records = {
        "row": ("INSERT", {"NewImage": row}),
        "deleted": ("MODIFY", {"OldImage": row, "NewImage": dead}),
        "removed": ("REMOVE", {"OldImage": row}),
        "totals": ("MODIFY", {"OldImage": shard, "NewImage": shard}),
        "control": ("INSERT", {"NewImage": control}),
        "control gone": ("REMOVE", {"OldImage": control}),
    }
    accepting = Filters([each["pattern"] for each in filters])
    return [
        kind for kind, (name, images) in records.items() if accepting.accept({"eventName": name, "dynamodb": images})
    ]


def test_rows_of_views_in_postgres_are_folded_by_the_writer():
    graph = with_lake(readModel="postgres")
    assert {"events", "products", "purchases"} <= {each.inputs["name"] for each in graph.of(TABLE)}
    sources = graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    assert not [each for each in sources if "-rows-" in each.name]
    (writer,) = functions_named(graph, "shop-lake-writer")
    assert writer.inputs["environment"]["variables"]["FOLDSTACK_FOLDED_VIEWS"] == "products,purchases"
    (role,) = [each for each in graph.of("aws:iam/role:Role") if each.name == "shop-lake-writer-role"]
    said = {each["Sid"]: each for each in statements_of(graph, role)}
    assert said["FindBeginnings"]["Action"] == ["dynamodb:BatchGetItem", "dynamodb:Scan"]
    assert "commits" in said["FindBeginnings"]["Resource"]
    assert "FollowRows" not in said


def entities_of(queries: dict[str, Any], **more: Any):
    def program() -> None:
        shop = EventSourcedService("shop", {"domain": DOMAIN})  # pyright: ignore
        views = ProjectionPipeline("views", {"source": shop.events, "views": ["products"], **more})  # pyright: ignore
        AnalyticsLake(
            "lake",
            {"source": shop.events, "domain": DOMAIN, "entities": ["products"], "queries": views.queries, **queries},  # pyright: ignore
        )

    return deploy(program)


def test_an_entity_needs_a_stream():
    with pytest.raises(ValueError, match=r"products has no stream.*`streams`: True"):
        entities_of({})
    assert entities_of({}, streams=True).of(TABLE)


def test_an_entity_in_postgres_is_refused():
    sql = {"cluster_arn": "arn:aws:rds:us-east-1:1:cluster:c", "database": "d", "owner_secret_arn": "o"}
    store = {**sql, "projector_secret_arn": "p", "reader_secret_arn": "r"}
    with pytest.raises(ValueError, match=r"products is in PostgreSQL, which has no stream"):
        entities_of({}, store=store)


@pytest.mark.parametrize(
    ("road", "target"),
    [("eventbridge", TARGET), ("sns", "aws:sns/topicSubscription:TopicSubscription"), ("kinesis", None)],
)
def test_the_archive_is_on_the_road(road: str, target: str | None):
    graph = with_lake(road=road)
    (delivery,) = graph.of(DELIVERY)
    kept = delivery.inputs["extendedS3Configuration"]
    assert kept["compressionFormat"] == "GZIP"
    assert kept["errorOutputPrefix"].startswith("errors/")
    arn = delivery.outputs["arn"]
    if target is None:
        assert delivery.inputs["kinesisSourceConfiguration"]["kinesisStreamArn"].split(":")[2] == "kinesis"
        assert "serverSideEncryption" not in delivery.inputs, "the stream's own"
    else:
        (edge,) = [each for each in graph.of(target) if arn in (each.inputs.get("arn"), each.inputs.get("endpoint"))]
        assert edge.inputs.get("inputPath") == ("$.detail" if road == "eventbridge" else None)
    (lifecycle,) = [
        each
        for each in graph.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
        if each.name == "shop-lake-archive-lifecycle"
    ]
    colder = next(rule for rule in lifecycle.inputs["rules"] if rule["id"] == "colder")
    assert colder["transitions"] == [{"days": 90, "storageClass": "GLACIER_IR"}]


def test_a_fifo_topic_has_no_archive_and_a_lake():
    graph = with_lake(road="sns-fifo")
    assert not graph.of(DELIVERY)
    assert named(graph, "writer")


def test_a_locked_archive():
    graph = lake({"archive": {"locked_days": 365}})
    (lock,) = graph.of("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    assert lock.inputs["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 365}}
    bucket = graph.one("aws:s3/bucket:Bucket", "lake-archive")
    assert bucket.inputs["objectLockEnabled"]
    assert not lake({}).of("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")


def lake(args: dict[str, Any]):
    def program() -> None:
        shop = EventSourcedService("shop", {"domain": DOMAIN})  # pyright: ignore
        AnalyticsLake("lake", {"source": shop.events, "domain": DOMAIN, **args})  # pyright: ignore

    return deploy(program)


def test_questions_are_asked_through_the_door():
    graph = with_lake()
    routes = {each.inputs["routeKey"]: each.inputs for each in graph.of("aws:apigatewayv2/route:Route")}
    assert {"POST /tasks/{name}", "GET /tasks/{id}"} <= routes.keys()
    assert {each["authorizationType"] for each in routes.values()} == {"JWT"}
    assert len({routes["POST /tasks/{name}"]["target"], routes["$default"]["target"]}) == 2
    (rule,) = [each for each in graph.of("aws:cloudwatch/eventRule:EventRule") if each.name == "shop-lake-ended-rule"]
    pattern = json.loads(rule.inputs["eventPattern"])
    assert pattern["detail"]["workgroupName"] == [graph.exports["lakeWorkgroup"]]
    assert not [each for each in shop("dev").of("aws:apigatewayv2/route:Route") if "tasks" in each.inputs["routeKey"]]
    assert not functions_named(lake({}), "lake-asking"), "without questions"


def functions_named(graph, name: str):
    return [each for each in functions(graph) if each.name == name]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"entities": ["nowhere"], "queries": {}}, "shop has no projection nowhere"),
        ({"questions": "shop/nowhere"}, "there is no such folder"),
        ({"questions": "shop/stand_ins"}, "a folder with .sql files"),
        ({"questions": "../elsewhere"}, "a path within the domain's folder"),
        ({"window_seconds": 301}, "1 to 300"),
        ({"source": {"road": "sns", "domain": {"silo": "acme"}}}, "where a silo's rows have no place"),
        ({"most_scanned_megabytes": 9}, "10 to 1000000"),
        ({"since": "yesterday"}, "a day, as 2026-01-31"),
        ({"archive": {"locked": 1}}, "colder_after_days, locked_days"),
    ],
)
def test_faults_are_told(wrong: dict[str, Any], told: str):
    with pytest.raises(ArgumentError) as refused:
        component(AnalyticsLake, "lake", {"source": {"road": "eventbridge"}, "domain": DOMAIN, **wrong})
    assert told in str(refused.value)


def test_a_fifo_topic_delivers_to_no_archive():
    with pytest.raises(ArgumentError, match="FIFO topic delivers to queues alone"):
        component(AnalyticsLake, "lake", {"source": {"road": "sns-fifo"}, "domain": DOMAIN, "archive": {}})


def test_alarms_are_counted():
    """Ten at 0.10 $: two of each function but the compactor, which has one; four of queues; one of the archive."""
    mine = [each.name for each in with_lake().of(ALARM) if each.name.startswith("shop-lake")]
    assert len(mine) == 9, mine


def test_nothing_is_open_and_everything_is_tagged():
    graph = with_lake()
    for policy in graph.of("aws:s3/bucketPolicy:BucketPolicy"):
        assert document(policy.inputs["policy"])[0]["Sid"] == "OnlyOverTls"
    mine = [each for each in graph.resources if each.name.startswith("shop-lake") and "tags" in each.inputs]
    assert mine
    assert all(each.inputs["tags"]["component"] == "shop-lake" for each in mine)
    assert not [text for each in graph.resources for text in strings(each.inputs) if "Calling __str__" in text]


def test_the_questions_of_the_shop_are_in_its_package():
    assert list((Path(ROOT) / "shop" / "lake").glob("*.sql"))
