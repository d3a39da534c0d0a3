"""Keys of personal data: only where they are asked for, apart from all else, and erased by one role alone."""

import pytest
from foldstack.aws.environment import Environment

from components import EventSourcedService, HttpApi, ProjectionPipeline
from tests.graph.support import DOMAIN, by_arn, component, deploy, document, functions, role_of, shop, statements_of
from tests.graph.test_cost import idle

TABLE, KMS, ROLE = "aws:dynamodb/table:Table", "aws:kms/key:Key", "aws:iam/role:Role"


@pytest.fixture(scope="module", params=["destroy", "keep"])
def removal(request):
    return request.param


@pytest.fixture(scope="module")
def graph(removal):
    """A service with personal fields, a view, and a door with a function for each half."""

    def program():
        operations = {"removal": removal}
        service = EventSourcedService("crm", {"domain": DOMAIN, "personal": True, "operations": operations})
        views = ProjectionPipeline(
            "crm-views", {"source": service.events, "views": ["people"], "operations": operations}
        )
        HttpApi(
            "crm-api",
            {"commands": service.commands, "queries": [views.queries], "anonymous": True, "split": True},
        )

    return deploy(program)


def granted(graph, name):
    """Action -> resources, of what a function may do with keys, in a session for one tenant."""
    function = graph.one("aws:lambda/function:Function", name)
    assert "-keys" not in str(statements_of(graph, role_of(graph, function)))
    found = {}
    for statement in for_tenants(graph, name):
        for action in statement["Action"]:
            for arn in statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]:
                if arn in (key_table(graph).outputs["arn"], graph.one(KMS).outputs["arn"]):
                    found.setdefault(action, set()).add(by_arn(graph, arn).name)
    return found


def for_tenants(graph, name):
    roles = [role for role in graph.of(ROLE) if role.name == f"{name}-tenant-role"]
    return [statement for role in roles for statement in statements_of(graph, role)]


def key_table(graph):
    return graph.one(TABLE, "crm-keys")


def test_nobody_pays_who_did_not_ask():
    for made in (shop("dev"), component(EventSourcedService, "crm", {"domain": DOMAIN})):
        assert made.of(KMS) == []
        assert not [table for table in made.of(TABLE) if table.name.endswith("-keys")]
        assert not [role for role in made.of(ROLE) if "erase" in role.name]
        assert not [s for role in made.of(ROLE) for s in statements_of(made, role) if "kms" in str(s).lower()]
        variables = [name for each in functions(made) for name in each.inputs["environment"]["variables"]]
        assert not [name for name in variables if "KEY_TABLE" in name or "KMS" in name]


def test_the_key_table_stands_apart_and_can_be_restored_for_seven_days(graph, removal):
    table = key_table(graph)
    assert table.inputs["pointInTimeRecovery"] == {"enabled": True, "recoveryPeriodInDays": 7}
    assert table.inputs["serverSideEncryption"] == {"enabled": True}
    assert table.inputs["deletionProtectionEnabled"] is (removal == "keep")
    assert table.options.protect is (removal == "keep")
    assert not table.inputs.keys() & {"ttl", "streamEnabled"}
    for other in graph.of(TABLE):
        if other.name != table.name:
            assert other.inputs["pointInTimeRecovery"] == {"enabled": True}


def test_the_kms_key_turns_and_is_not_lost_by_accident(graph, removal):
    key = graph.one(KMS)
    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["deletionWindowInDays"] == (30 if removal == "keep" else 7)
    assert key.options.protect is (removal == "keep")


WRITES = {
    "dynamodb:BatchGetItem": {"crm-keys"},
    "dynamodb:PutItem": {"crm-keys"},
    "kms:Decrypt": {"crm-keys-key"},
    "kms:GenerateDataKey": {"crm-keys-key"},
}
READS = {"dynamodb:BatchGetItem": {"crm-keys"}, "kms:Decrypt": {"crm-keys-key"}}


@pytest.mark.parametrize(
    ("function", "rights"),
    [
        ("crm-commands", WRITES),
        ("crm-effects", WRITES),
        ("crm-api-commands", WRITES),
        ("crm-api-queries", READS),
        ("crm-relay", {}),
        ("crm-views-projector", {}),
    ],
)
def test_each_function_has_the_keys_it_needs(graph, function, rights):
    assert granted(graph, function) == rights
    variables = graph.one("aws:lambda/function:Function", function).inputs["environment"]["variables"]
    assert ("FOLDSTACK_KEY_TABLE" in variables) is bool(rights)
    assert ("FOLDSTACK_KMS_KEY" in variables) is bool(rights)


def test_a_session_has_the_keys_of_its_tenant_alone(graph):
    of_keys = [each for each in for_tenants(graph, "crm-commands") if "-keys" in str(each["Resource"])]
    table, wrapped = of_keys
    assert table["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/tenant}#*"]}
    assert wrapped["Condition"] == {
        "StringLike": {"kms:EncryptionContext:tenant": "${aws:PrincipalTag/tenant}"},
        "Null": {"aws:PrincipalTag/tenant": "false"},
    }


def test_a_silo_has_a_key_table_of_its_own_and_its_own_key_wraps_what_is_there():
    def program():
        shared = EventSourcedService("crm", {"domain": DOMAIN, "personal": True})
        big = EventSourcedService("big", {"domain": DOMAIN, "personal": True, "silo": "big-corp"})
        HttpApi("crm-api", {"commands": shared.commands, "silos": [big.commands], "anonymous": True})

    graph = deploy(program)
    assert {key.name for key in graph.of(KMS)} == {"crm-keys-key", "big-key"}
    own = graph.one(KMS, "big-key").outputs["arn"]
    table = graph.one(TABLE, "big-keys")
    assert table.inputs["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": own}
    router = graph.one("aws:lambda/function:Function", "crm-api-router").inputs["environment"]["variables"]
    silo = Environment(router).silos["big-corp"]
    assert (silo.key_table, silo.kms_key) == (table.outputs["name"], own)
    wrapped = next(each for each in for_tenants(graph, "crm-api-router") if each["Sid"] == "KeepWrappedInSilo0")
    assert wrapped["Condition"]["StringEquals"] == {"aws:PrincipalTag/tenant": "big-corp"}
    assert "kms:EncryptionContext:tenant" in wrapped["Condition"]["StringLike"]
    erasing = statements_of(graph, graph.one(ROLE, "big-erase-role"))
    assert [each["Sid"] for each in erasing] == ["EraseKeys", "UseKey0"], "or the table could not be read"


def test_no_function_can_erase_and_one_role_can_do_nothing_else(graph):
    may = {"dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem", "dynamodb:TransactWriteItems"}
    arn = key_table(graph).outputs["arn"]
    erasers = {
        role.name
        for role in graph.of(ROLE)
        for statement in statements_of(graph, role)
        if may & set(statement["Action"]) and arn in str(statement["Resource"])
    }
    assert erasers == {"crm-erase-role"}
    role = graph.one(ROLE, "crm-erase-role")
    (only,) = statements_of(graph, role)
    assert (only["Action"], only["Resource"]) == (["dynamodb:GetItem", "dynamodb:UpdateItem"], arn)
    (trust,) = document(role.inputs["assumeRolePolicy"])
    assert trust["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert role.outputs["arn"] not in [each.inputs["role"] for each in functions(graph)]


def test_whoever_operates_it_is_told_of_the_role(graph):
    operated = graph.one("foldstack:index:EventSourcedService").outputs
    variables = operated["operated"]["variables"]
    assert variables["FOLDSTACK_ERASE_ROLE"] == graph.one(ROLE, "crm-erase-role").outputs["arn"]
    assert variables["FOLDSTACK_KEY_TABLE"] == key_table(graph).outputs["name"]


def test_at_rest_it_costs_little_more_than_a_dollar(graph):
    def without():
        service = EventSourcedService("crm", {"domain": DOMAIN})
        views = ProjectionPipeline("crm-views", {"source": service.events, "views": ["people"]})
        queries = {"commands": service.commands, "queries": [views.queries], "anonymous": True, "split": True}
        HttpApi("crm-api", queries)  # pyright: ignore

    more = idle(graph) - idle(deploy(without))
    assert 1 < more < 1.1
    assert idle(graph) < 5
