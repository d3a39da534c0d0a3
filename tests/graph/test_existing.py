"""What a team has already: the component makes none of it, and whoever used its own uses that.

Not proven here: that a table has the right keys, which no program can see; docs/existing.md says what they are.
"""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components import ArgumentError, EventSourcedService, HttpApi, ProjectionPipeline, TenantAuth
from tests.graph.brought import URLS, given, of_component, team_key, team_table, variables
from tests.graph.support import DOMAIN, FUNCTION, by_arn, component, deploy, role_of, statements_of, tenant_role_of
from tests.graph.test_privileges import actions_of, faults, grants

TABLE, MAPPING = "aws:dynamodb/table:Table", "aws:lambda/eventSourceMapping:EventSourceMapping"
POOL = "aws:cognito/userPool:UserPool"
BUSES = {
    "eventbridge": ("aws:cloudwatch/eventBus:EventBus", "events:PutEvents"),
    "kinesis": ("aws:kinesis/stream:Stream", "kinesis:PutRecords"),
    "sns": ("aws:sns/topic:Topic", "sns:Publish"),
    "sns-fifo": ("aws:sns/topic:Topic", "sns:Publish"),
}


def team_bus(road: str) -> Any:
    if road == "eventbridge":
        bus = aws.cloudwatch.EventBus("theirs")
    elif road == "kinesis":
        bus = aws.kinesis.Stream("theirs", shard_count=2)
    else:
        bus = aws.sns.Topic("theirs", fifo_topic=road == "sns-fifo")
    return {"name": bus.name, "arn": bus.arn}


def on_bus(road: str, **more: Any):
    def run() -> None:
        bus = team_bus(road) | {name: make() for name, make in more.items()}
        crm = EventSourcedService("crm", {"domain": DOMAIN, "road": road, "bus": bus})  # pyright: ignore
        ProjectionPipeline("rows", {"source": crm.events, "views": ["rows"]})

    return deploy(run)


@pytest.mark.parametrize("road", BUSES)
def test_a_bus_is_published_on_and_consumed_from_and_none_is_made(road):
    kind, action = BUSES[road]
    graph = on_bus(road)
    bus = graph.one(kind)
    assert bus.name == "theirs"
    assert not graph.of("aws:sns/topicPolicy:TopicPolicy"), "its policy is its owner's"
    events = graph.one("foldstack:index:EventSourcedService").outputs["events"]
    assert (events["bus_name"], events["bus_arn"]) == (bus.outputs["name"], bus.outputs["arn"])
    relay = graph.one(FUNCTION, "crm-relay")
    assert grants(graph, role_of(graph, relay))[action] == {"theirs"}
    assert variables(relay)["FOLDSTACK_ROAD"] == bus.outputs["arn"]
    if road == "kinesis":
        sources = {each.inputs["eventSourceArn"] for each in graph.of(MAPPING)}
        assert bus.outputs["arn"] in sources
        return
    entries = graph.of("aws:cloudwatch/eventRule:EventRule") + graph.of("aws:sns/topicSubscription:TopicSubscription")
    assert {each.name for each in entries} >= {
        f"{name}-{'rule' if road == 'eventbridge' else 'subscription'}" for name in ("crm-effects", "rows-projector")
    }
    for each in entries:
        assert bus.outputs["name" if road == "eventbridge" else "arn"] in each.inputs.values()


def test_a_stream_under_a_key_is_used_with_it_and_nothing_else_is():
    graph = on_bus("kinesis", key_arn=lambda: team_key("ours").arn)
    by_role = {
        role.name: (statement["Action"], statement["Condition"]["StringLike"]["kms:ViaService"])
        for role in graph.of("aws:iam/role:Role")
        for statement in statements_of(graph, role)
        if any(action.startswith("kms:") for action in actions_of(statement))
    }
    assert by_role == {
        "crm-relay-role": (["kms:Decrypt", "kms:GenerateDataKey"], ["kinesis.*.amazonaws.com"]),
        "rows-projector-role": (["kms:Decrypt"], ["kinesis.*.amazonaws.com"]),
    }
    assert {each.inputs["serverSideEncryption"].get("kmsKeyArn") for each in graph.of(TABLE)} == {None}


def own_tables(**more: Any):
    def run() -> None:
        commits, rows, people = (
            team_table("c", "N", "NEW_IMAGE"),
            team_table("r", stream="NEW_AND_OLD_IMAGES"),
            team_table("p"),
        )
        crm = EventSourcedService("crm", {"domain": DOMAIN, "table": given(commits, stream=True)})
        views = ProjectionPipeline(
            "views",
            {"source": crm.events, "views": ["rows", "more"], "tables": {"rows": given(rows, stream=True)}, **more},
        )
        auth = TenantAuth("people", {"domain": crm.events["domain"], **URLS, "table": given(people)})  # pyright: ignore
        HttpApi("door", {"commands": crm.commands, "queries": [views.queries], "authorizer": auth.authorizer})

    return deploy(run)


def test_tables_are_used_and_none_are_made_in_their_place():
    graph = own_tables()
    assert {each.name for each in graph.of(TABLE)} == {"c", "r", "p", "crm-ids", "views-view-more", "door-limits"}
    commits, rows, people = (graph.one(TABLE, name) for name in "crp")
    relay = graph.one(FUNCTION, "crm-relay")
    assert commits.outputs["streamArn"] in {each.inputs["eventSourceArn"] for each in graph.of(MAPPING)}
    assert grants(graph, role_of(graph, relay))["dynamodb:GetRecords"] == {"c stream"}
    for name in ("crm-commands", "crm-effects", "door-router"):
        function = graph.one(FUNCTION, name)
        assert variables(function)["FOLDSTACK_COMMIT_TABLE"] == commits.outputs["name"]
        assert grants(graph, tenant_role_of(graph, function))["dynamodb:PutItem"] == {"c", "crm-ids"}
    named = json.loads(variables(graph.one(FUNCTION, "views-projector"))["FOLDSTACK_VIEW_TABLES"])
    assert named["rows"] == rows.outputs["name"]
    written = grants(graph, role_of(graph, graph.one(FUNCTION, "views-projector")))["dynamodb:UpdateItem"]
    assert written == {"r", "views-view-more"}
    claims, router = graph.one(FUNCTION, "people-claims"), graph.one(FUNCTION, "door-router")
    assert {variables(each)["FOLDSTACK_TENANTS_TABLE"] for each in (claims, router)} == {people.outputs["name"]}
    assert grants(graph, role_of(graph, claims))["dynamodb:GetItem"] == {"p"}
    for role in graph.of("aws:iam/role:Role"):
        assert not [fault for statement in statements_of(graph, role) for fault in faults(statement)]


def test_streams_of_own_tables_are_handed_on_where_they_are_followed():
    queries = own_tables(streams=True).one("foldstack:index:ProjectionPipeline").outputs["queries"]
    assert queries["view_stream_arns"].keys() == {"rows", "more"}
    assert queries["view_stream_arns"]["rows"].split("/stream/")[0] == queries["view_table_arns"]["rows"]
    assert own_tables().one("foldstack:index:ProjectionPipeline").outputs["queries"]["view_stream_arns"] == {}


def with_pool(**more: Any):
    def run() -> None:
        crm = EventSourcedService("crm", {"domain": DOMAIN})
        pool = aws.cognito.UserPool("theirs")
        own = {"id": pool.id, "arn": pool.arn, "endpoint": pool.endpoint, **more}
        auth = TenantAuth(
            "people",
            {"domain": crm.events["domain"], **URLS, "machines": ["robot"], "user_pool": own},  # pyright: ignore
        )
        HttpApi("door", {"commands": crm.commands, "authorizer": auth.authorizer})

    return deploy(run)


def test_a_pool_gets_clients_and_a_trigger_and_no_other_is_made():
    graph = with_pool()
    pool = graph.one(POOL)
    assert pool.name == "theirs"
    for kind in ("userPoolClient:UserPoolClient", "resourceServer:ResourceServer", "userPoolDomain:UserPoolDomain"):
        made = graph.of(f"aws:cognito/{kind}")
        assert made
        assert {each.inputs["userPoolId"] for each in made} == {pool.id}
    auth, trigger = graph.one("foldstack:index:TenantAuth"), graph.one(FUNCTION, "people-claims")
    assert auth.outputs["claims_function"] == trigger.outputs["arn"], "its owner sets it"
    permission = graph.one("aws:lambda/permission:Permission", "people-claims-permission").inputs
    assert (permission["sourceArn"], permission["function"]) == (pool.outputs["arn"], trigger.outputs["name"])
    issuer = graph.one("aws:apigatewayv2/authorizer:Authorizer").inputs["jwtConfiguration"]["issuer"]
    assert issuer == f"https://{pool.outputs['endpoint']}" == auth.outputs["authorizer"]["issuer"]
    assert auth.outputs["operated"]["user_pool_id"] == pool.id
    assert ".auth.eu-west-1.amazoncognito.com" in auth.outputs["operated"]["sign_in_url"]


def test_a_pool_that_has_sign_in_pages_keeps_them():
    graph = with_pool(sign_in_url="https://login.example.com")
    assert not graph.of("aws:cognito/userPoolDomain:UserPoolDomain")
    assert graph.one("foldstack:index:TenantAuth").outputs["operated"]["sign_in_url"] == "https://login.example.com"


def test_a_pool_of_our_own_asks_the_trigger_itself():
    graph = component(TenantAuth, "people", {"domain": handle(), **URLS})
    (pool,) = of_component(graph, "people", POOL)
    asked = pool.inputs["lambdaConfig"]["preTokenGenerationConfig"]["lambdaArn"]
    assert asked == graph.one("foldstack:index:TenantAuth").outputs["claims_function"]
    assert by_arn(graph, asked).name == "people-claims"


def handle() -> Any:
    fields = ("service", "entry", "layer_arn", "runtime", "architecture", "store_epoch", "silo", "key_arn")
    return {
        **dict.fromkeys(fields, "x"),
        "code": pulumi.FileArchive("x.zip"),
        "environment": {},
        "silo": "",
        "key_arn": "",
    }


ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/t"
THEIRS = {"name": "t", "arn": ARN}
USERS = {"id": "u", "arn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/u", "endpoint": "e"}
BUS = {"name": "b", "arn": "arn:aws:events:eu-west-1:123456789012:event-bus/b"}
TOPIC = {"name": "t", "arn": "arn:aws:sns:eu-west-1:123456789012:t"}
STREAM = {"name": "s", "arn": "arn:aws:kinesis:eu-west-1:123456789012:stream/s"}
SERVICE: Any = {"domain": DOMAIN}
VIEWS: Any = {"source": {"road": "sns"}, "views": ["rows"]}
AUTH: Any = {"domain": {}, **URLS}


@pytest.mark.parametrize(
    ("make", "args", "told"),
    [
        (
            EventSourcedService,
            {**SERVICE, "table": THEIRS},
            r"table.stream_arn: given None; allowed: the ARN of its str",
        ),
        (
            EventSourcedService,
            {**SERVICE, "table": {"nam": "t"}},
            r"table.nam: given 't'; allowed: name, arn, stream_arn",
        ),
        (EventSourcedService, {**SERVICE, "table": {"nam": "t"}}, r"table.arn: given None; .*: it is required"),
        (EventSourcedService, {**SERVICE, "table": "t"}, r"table: given 't'; allowed: an object with name, arn"),
        (EventSourcedService, {**SERVICE, "table": {**THEIRS, "arn": "t"}}, r"table.arn: given 't'; allowed: an ARN"),
        (EventSourcedService, {**SERVICE, "table": {**THEIRS, "arn": ""}}, r"table.arn: given ''; allowed: an ARN"),
        (EventSourcedService, {**SERVICE, "bus": TOPIC}, r"bus.arn: given .*; allowed: an ARN, arn:aws:events:"),
        (
            EventSourcedService,
            {**SERVICE, "bus": {**BUS, "key_arn": "arn:aws:kms:x"}},
            r"bus.key_arn: .* the key's own pol",
        ),
        (EventSourcedService, {**SERVICE, "road": "sns-fifo", "bus": TOPIC}, r"bus.arn: .*a FIFO topic, which ends"),
        (
            EventSourcedService,
            {**SERVICE, "road": "kinesis", "bus": STREAM, "shards": 2},
            r"shards: .*nothing beside bus",
        ),
        (ProjectionPipeline, {**VIEWS, "tables": {"row": THEIRS}}, r"tables.row: given .*; allowed: rows"),
        (
            ProjectionPipeline,
            {**VIEWS, "tables": {"rows": THEIRS}, "streams": True},
            r"tables.rows.stream_arn: .*streams",
        ),
        (ProjectionPipeline, {**VIEWS, "tables": {"rows": THEIRS}, "store": {}}, r"tables: .*none beside a store"),
        (
            TenantAuth,
            {**AUTH, "user_pool": USERS, "mfa": "off"},
            r"mfa: given 'a value'; allowed: nothing beside user_pool",
        ),
        (TenantAuth, {**AUTH, "user_pool": {"id": "u"}}, r"user_pool.arn: given None"),
        (
            TenantAuth,
            {**AUTH, "user_pool": {**USERS, "sign_in_url": "https://x"}, "domain_prefix": "x"},
            r"domain_prefix: .*nothing beside user_pool.sign_in_url",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(make, args, told):
    with pytest.raises(ArgumentError, match=told):
        component(make, "crm", args)


@pytest.mark.parametrize("road", ["kinesis", "sns-fifo", "eventbridge"])
def test_a_bus_of_another_road_stops_the_deployment_where_only_that_knows_it(road):
    def run() -> None:
        EventSourcedService("crm", {"domain": DOMAIN, "road": road, "bus": team_bus("sns")})

    with pytest.raises(
        ValueError, match=r"bus\.arn: given 'arn:aws:sns:.*'; allowed: (an ARN|the ARN of a FIFO topic)"
    ):
        deploy(run)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"endpoint": "https://cognito-idp.eu-west-1.amazonaws.com/p"}, "user_pool.endpoint: .*leave https:// out"),
        ({"sign_in_url": ""}, "user_pool.sign_in_url: .*leave it out"),
    ],
)
def test_a_pools_addresses_are_looked_at(wrong, told):
    arn = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/p"
    pool = {"id": "p", "arn": arn, "endpoint": "cognito-idp.eu-west-1.amazonaws.com/p", **wrong}
    args = {"domain": {}, "callback_urls": ["https://app.example.com/"], "user_pool": pool}
    with pytest.raises(ArgumentError, match=told):
        component(TenantAuth, "people", args)
