"""The shop's lake on the laptop: what happened is found in it, exactly, and by nobody else's tenant."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from local.cloud import LaptopCloud
from local.commands import app
from local.operations.connection import Connection
from local.tokens import Tokens
from tests.e2e.conftest import ROOT, Answer, Client, tokens_of
from tests.e2e.forging import Forger
from tests.graph.support import shop

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaptopCloud]:
    with LaptopCloud(ROOT, stack="local", home=tmp_path_factory.mktemp("lake")) as cloud:
        cloud.up()
        yield cloud


@pytest.fixture(scope="module")
def users(lake: LaptopCloud) -> Tokens:
    return tokens_of(lake)


@pytest.fixture
def client(lake: LaptopCloud, users: Tokens) -> Client:
    return Client(lake.outputs["apiUrl"], f"a{uuid.uuid4().hex[:8]}", users)


@pytest.fixture
def other(lake: LaptopCloud, users: Tokens) -> Client:
    return Client(lake.outputs["apiUrl"], f"b{uuid.uuid4().hex[:8]}", users)


@pytest.fixture(scope="module")
def ask(lake: LaptopCloud, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    return asking(lake, tmp_path_factory.mktemp("program"))


def asking(cloud: LaptopCloud, program: Path) -> Callable[..., Any]:
    """What runs `foldstack lake ...`, and answers what it printed, or the JSON of it."""
    (program / ".foldstack").symlink_to(cloud.home)

    def ask(*arguments: str, status: int = 0) -> Any:
        done = CliRunner().invoke(app, ["lake", *arguments, "--program", str(program)], catch_exceptions=False)
        assert done.exit_code == status, done.output
        return json.loads(done.stdout) if "--json" in arguments else done.output

    return ask


def bought(client: Client, *amounts: str) -> list[str]:
    """A purchase of one piece for each amount; the products' ids."""
    products = [client.product(amount=amount) for amount in amounts]
    for product in products:
        assert client.buy(client.reservation(product)).status in (200, 201)
    return products


def answered(client: Client, name: str = "revenue-per-day", body: Any = None, **headers: str) -> dict[str, Any]:
    """A task's answer, when it has one."""
    asked = client.post(f"/tasks/{name}", body or {}, **headers)
    assert asked.status == 202, asked.raw
    return ended(client, asked)


def ended(client: Client, asked: Answer) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := client.get(asked.headers["location"])).json["status"] == "running":
        assert time.monotonic() < until, found.raw
        time.sleep(0.05)
    assert found.status == 200, found.raw
    return found.json


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_what_was_sold_is_summed_exactly(lake: LaptopCloud, client: Client, other: Client) -> None:
    """0.1 and 0.2 are 0.3 in no float; a tenant is told of its own sales alone."""
    bought(client, "19.99", "0.10", "0.20")
    bought(other, "1000000.01")
    lake.wait_idle()
    mine, theirs = answered(client, body={"since": today()}), answered(other)
    assert [column["type"] for column in mine["columns"]] == ["date", "decimal", "bigint"]
    ((day, revenue, purchases),) = mine["rows"]
    assert (day, Decimal(revenue), purchases) == (today(), Decimal("20.29"), 3)
    assert [(Decimal(row[1]), row[2]) for row in theirs["rows"]] == [(Decimal("1000000.01"), 1)]
    assert answered(client, body={"currency": "USD"})["rows"] == []
    assert answered(client, body={"since": "2020-01-01", "until": "2020-12-31"})["rows"] == []


def test_an_update_and_a_delete_are_seen(lake: LaptopCloud, client: Client, ask: Callable[..., Any]) -> None:
    sold, gone = bought(client, "5.00")[0], client.product()
    lake.wait_idle()
    asked = "SELECT id, stock FROM products WHERE tenant = ?"
    before = ask("query", asked, "-p", client.tenant, "--json")
    assert {row["id"]: row["stock"] for row in before} == {sold: "9", gone: "10"}
    assert client.send("DELETE", f"/products/{gone}").status == 204
    bought(client, "5.00")
    lake.wait_idle()
    after = {row["id"]: row["stock"] for row in ask("query", asked, "-p", client.tenant, "--json")}
    assert gone not in after
    assert after[sold] == "9"
    events = ask(
        "query",
        "SELECT type FROM events WHERE tenant = ? AND stream = ? ORDER BY version",
        *("-p", client.tenant, "-p", f"product#{gone}", "--json"),
    )
    assert [row["type"] for row in events] == ["ProductCreated", "ProductDiscontinued"]


def test_rows_of_views_in_postgres_are_folded_from_events(tmp_path: Path) -> None:
    with LaptopCloud(ROOT, stack="local", home=tmp_path / "home") as cloud:
        cloud.up(config={"readModel": "postgres", "road": "kinesis"})
        client, ask = Client(cloud.outputs["apiUrl"], "acme", tokens_of(cloud)), asking(cloud, tmp_path)
        sold, gone = bought(client, "5.00")[0], client.product()
        cloud.wait_idle()
        asked = ("query", "SELECT id, stock FROM products WHERE tenant = 'acme' ORDER BY stock", "--json")
        assert {row["id"]: row["stock"] for row in ask(*asked)} == {sold: "9", gone: "10"}
        assert client.send("DELETE", f"/products/{gone}").status == 204
        assert client.buy(client.reservation(sold)).status in (200, 201)
        cloud.wait_idle()
        assert ask(*asked) == [{"id": sold, "stock": "8"}]
        purchases = "SELECT amount.amount AS amount FROM purchases WHERE tenant = 'acme' AND status = 'paid'"
        assert [Decimal(row["amount"]) for row in ask("query", purchases, "--json")] == [Decimal(5)] * 2
        s3, bucket = cloud.client("s3"), cloud.outputs["lakeBucket"]
        for each in s3.list_objects_v2(Bucket=bucket, Prefix="tables/acme/products/")["Contents"]:
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        assert ask(*asked) == []
        assert ask("restore", "--view", "products", "--json")["views"] == {"products": 2}
        assert ask(*asked) == [{"id": sold, "stock": "8"}]


def test_a_task_is_its_callers(lake: LaptopCloud, client: Client, other: Client) -> None:
    asked = client.post("/tasks/revenue-per-day", {})
    assert ended(client, asked)["status"] == "succeeded"
    for stranger in (other, client.in_role("viewer")):
        assert stranger.get(asked.headers["location"]).status == 404
    assert Client(client.url, None).get(asked.headers["location"]).status == 401
    assert client.in_role("viewer").post("/tasks/revenue-per-day", {}).status == 202


def test_a_question_asks_for_its_permission(lake: LaptopCloud, client: Client) -> None:
    few, _ = client.product(stock=2, amount="3.30"), client.product(stock=50)
    lake.wait_idle()
    for role in ("buyer", "viewer"):
        refused = client.in_role(role).post("/tasks/low-stock", {})
        assert (refused.status, refused.json["code"]) == (403, "no-permission"), refused.raw
    assert answered(client, "low-stock")["rows"] == [[few, "Pen", 2, "3.300000000", "EUR"]]
    assert answered(client, "low-stock", {"most": 1})["rows"] == []


TASKS = {
    "POST /tasks/{name}": lambda id: ("POST", "/tasks/revenue-per-day" if id else "/tasks/no-such"),
    "GET /tasks/{id}": lambda id: ("GET", f"/tasks/{id or uuid.uuid4()}"),
}


def test_every_route_beside_the_routers_is_tried() -> None:
    """A route of the gateway that is neither the router's nor here fails: it would be asked by no stranger."""
    routes = shop("local", lake=True).of("aws:apigatewayv2/route:Route")
    assert {each.inputs["routeKey"] for each in routes} == {"$default", *TASKS}
    assert {each.inputs["authorizationType"] for each in routes} == {"JWT"}


@pytest.mark.parametrize("route", TASKS)
def test_strangers_are_refused_whether_a_task_is_there_or_not(
    lake: LaptopCloud, client: Client, users: Tokens, route: str
) -> None:
    there = client.post("/tasks/revenue-per-day", {}).headers["location"].rpartition("/")[2]
    forger = Forger(lake, users.of(client.tenant, "admin", "admin"))
    for kind, forge in forger.all().items():
        said = []
        for id in (there, None):
            method, path = TASKS[route](id)
            token = forge()
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = Client(client.url, None).send(method, path, {} if method == "POST" else None, headers)
            said.append((answer.status, answer.raw))
        assert said[0][0] in (401, 403), (kind, said)
        assert said[0] == said[1], kind


@pytest.mark.parametrize("route", TASKS)
def test_whoever_is_suspended_asks_nothing(lake: LaptopCloud, client: Client, users: Tokens, route: str) -> None:
    client.authorization()
    members = Connection(ROOT, None, lake.home).members
    members.set_tenant(client.tenant, "suspended")
    method, path = TASKS[route](None)
    answer = client.send(method, path, {} if method == "POST" else None)
    assert (answer.status, answer.json["code"]) == (403, "tenant-suspended")


def test_questions_are_limited_for_each_tenant(lake: LaptopCloud, client: Client, other: Client) -> None:
    members = Connection(ROOT, None, lake.home).members
    members.add_tenant(client.tenant)
    members.set_limit(client.tenant, 3)
    client.authorization()
    answers = [client.get(f"/tasks/{uuid.uuid4()}").status for _ in range(60)]
    assert Counter(answers)[404] <= 2 * (3 + 1), "at most the limit and what a sandbox lets through, in two minutes"
    refused = client.get(f"/tasks/{uuid.uuid4()}")
    while refused.status != 429:  # a minute of the clock has begun
        refused = client.get(f"/tasks/{uuid.uuid4()}")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert other.get(f"/tasks/{uuid.uuid4()}").status == 404


def test_a_key_makes_one_task(client: Client) -> None:
    key = {"idempotency-key": uuid.uuid4().hex}
    first, again = (client.post("/tasks/revenue-per-day", {"since": today()}, **key) for _ in range(2))
    assert first.json["taskId"] == again.json["taskId"]
    assert client.post("/tasks/revenue-per-day", {}, **key).json["code"] == "key-reused"


@pytest.mark.parametrize(
    ("name", "body", "status", "field"),
    [
        ("revenue-per-day", {"since": "yesterday"}, 400, "since"),
        ("revenue-per-day", {"since": "2026-11-20' OR '1'='1"}, 400, "since"),
        ("revenue-per-day", {"tenant": "globex"}, 400, "tenant"),
        ("revenue-per-day", {"currency": 5}, 400, "currency"),
        ("revenue-per-day", [], 400, "body"),
        ("no-such", {}, 404, None),
    ],
)
def test_what_is_no_question(client: Client, name: str, body: Any, status: int, field: str | None) -> None:
    answer = client.post(f"/tasks/{name}", body)
    assert answer.status == status, answer.raw
    assert [each["field"] for each in answer.json.get("errors", [])] == ([field] if field else [])


def test_a_parameter_is_a_value_whatever_is_in_it(lake: LaptopCloud, client: Client) -> None:
    bought(client, "1.00")
    lake.wait_idle()
    assert answered(client, body={"currency": "EUR' OR '1'='1"})["rows"] == []


def test_a_query_that_names_no_tenant_is_refused(ask: Callable[..., Any]) -> None:
    printed = ask("query", "SELECT count(*) FROM events", status=1)
    assert "column tenant" in printed
    assert "products_files" not in ask("tables")
    assert ask("tables", "products", "--json")["products"]["price"] == "struct<amount:decimal(38,9),currency:string>"


def test_a_tenants_session_reads_its_own_prefix_alone(lake: LaptopCloud, client: Client, other: Client) -> None:
    """As the function makes it: whatever SQL it were given, S3 refuses it the files of another tenant."""
    bought(client, "1.00")
    bought(other, "2.00")
    lake.wait_idle()
    session = Session(lake, "shop-lake-asking", client.tenant)
    for tenant, state in ((client.tenant, "SUCCEEDED"), (other.tenant, "FAILED")):
        assert session.asks(f"SELECT count(*) FROM events WHERE tenant = '{tenant}'", client.tenant) == state
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("s3").list_objects_v2(Bucket=session.bucket, Prefix=f"tables/{other.tenant}/")
    key = lake.client("s3").list_objects_v2(Bucket=session.bucket, Prefix=f"tables/{other.tenant}/")["Contents"][0][
        "Key"
    ]
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("s3").get_object(Bucket=session.bucket, Key=key)
    assert session.asks(f"SELECT count(*) FROM events WHERE tenant = '{client.tenant}'", other.tenant) == "FAILED", (
        "its results would be another's"
    )


def test_a_task_ends_by_itself_and_without_the_event(lake: LaptopCloud, client: Client) -> None:
    """Athena's event ends it while nobody looks; without the event, whoever looks does."""
    table = Session(lake, "shop-lake-asking", client.tenant).environment["FOLDSTACK_LAKE_TASKS"]

    def status(task: str) -> str:
        key = {"p": {"S": f"{client.tenant}#{task}"}}
        return lake.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["status"]["S"]

    task, until = client.post("/tasks/revenue-per-day", {}).json["taskId"], time.monotonic() + PATIENCE_SECONDS
    while status(task) != "succeeded":
        assert time.monotonic() < until
        time.sleep(0.05)
    events = lake.client("events")
    (rule,) = [each["Name"] for each in events.list_rules()["Rules"] if "ended" in each["Name"]]
    events.disable_rule(Name=rule)
    try:
        assert answered(client)["status"] == "succeeded"
    finally:
        events.enable_rule(Name=rule)


def test_compaction_changes_no_answer(lake: LaptopCloud, client: Client, ask: Callable[..., Any]) -> None:
    for amount in ("1.11", "2.22"):
        bought(client, amount)
        lake.wait_idle()
    before = answered(client)["rows"]
    done = ask("compact", "--tenant", client.tenant, "--json")
    assert done["done"]
    assert done["merged"] > 0
    assert answered(client)["rows"] == before
    assert Decimal(before[0][1]) == Decimal("3.33")


def test_every_event_is_in_the_archive(lake: LaptopCloud, client: Client) -> None:
    bought(client, "1.00")
    lake.wait_idle()
    s3, bucket = lake.client("s3"), lake.outputs["operated"]["lake"]["archive"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/")
    bodies = [s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read() for p in pages for o in p.get("Contents", [])]
    envelopes = [json.loads(body) for body in bodies]
    mine = [type_ for each in envelopes if each["tenant"] == client.tenant for type_ in each["types"]]
    assert {"ProductCreated", "PurchaseBegan", "PurchasePaid"} <= set(mine)
    assert all(each["specversion"] == "1.0" for each in envelopes)


def test_a_lost_table_is_restored(lake: LaptopCloud, client: Client, ask: Callable[..., Any]) -> None:
    bought(client, "7.77")
    lake.wait_idle()
    before = answered(client)["rows"]
    asked = ("query", "SELECT id, stock FROM products WHERE tenant = ?", "-p", client.tenant, "--json")
    products = ask(*asked)
    s3, bucket = lake.client("s3"), lake.outputs["lakeBucket"]
    for each in s3.list_objects_v2(Bucket=bucket, Prefix=f"tables/{client.tenant}/")["Contents"]:
        s3.delete_object(Bucket=bucket, Key=each["Key"])
    assert answered(client)["rows"] == []
    done = ask("restore", "--tenant", client.tenant, "--view", "products", "--json")
    assert done["commits"] >= 5
    assert done["parked"] == 0
    assert answered(client)["rows"] == before
    assert ask(*asked) == products


class Session:
    """Of a tenant, as a function makes it."""

    def __init__(self, cloud: LaptopCloud, function: str, tenant: str) -> None:
        parts = cloud._parts
        name = parts.wiring.logical_names[function]
        (spec,) = [each for each in cloud.functions if each.name == name]
        self.environment = spec.environment
        self.bucket = spec.environment["FOLDSTACK_LAKE_BUCKET"]
        sts = parts.wiring._sources._credentials.clients(spec.role_arn)("sts")
        self._held = sts.assume_role(
            RoleArn=spec.environment["FOLDSTACK_TENANT_ROLE"],
            RoleSessionName="test",
            Tags=[{"Key": "tenant", "Value": tenant}],
        )["Credentials"]
        self._emulator = parts.emulator

    def client(self, service: str) -> Any:
        return self._emulator.client(service, self._held)

    def asks(self, sql: str, results_of: str) -> str:
        """The state that a query ends in."""
        athena = self.client("athena")
        query = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.environment["FOLDSTACK_LAKE_DATABASE"]},
            WorkGroup=self.environment["FOLDSTACK_LAKE_WORKGROUP"],
            ResultConfiguration={"OutputLocation": f"s3://{self.bucket}/results/{results_of}/test/"},
        )["QueryExecutionId"]
        while True:
            state = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"]
            if state not in ("QUEUED", "RUNNING"):
                return state
            time.sleep(0.05)
