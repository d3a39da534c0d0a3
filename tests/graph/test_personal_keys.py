"""Keys of personal data: only where they are asked for, apart from all else, and erased by one role alone."""

import pytest

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
    """Action -> resources, of what a function may do with keys."""
    function = graph.one("aws:lambda/function:Function", name)
    found = {}
    for statement in statements_of(graph, role_of(graph, function)):
        for action in statement["Action"]:
            for arn in statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]:
                if arn in (key_table(graph).outputs["arn"], graph.one(KMS).outputs["arn"]):
                    found.setdefault(action, set()).add(by_arn(graph, arn).name)
    return found


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
    assert key.inputs["deletionWindowInDays"] == 30
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
