"""A tenant with tables and a key of its own. Not proven here: that its requests go there, see `tests/isolation`."""

import json

import pytest
from foldstack.aws.environment import Environment

from components import ArgumentError, EventSourcedService, HttpApi, ProjectionPipeline
from tests.graph.support import DOMAIN, FUNCTION, deploy, functions, role_of, statements_of, tenant_role_of
from tests.graph.test_privileges import actions_of, described, faults, grants, resources_of

KEY = "aws:kms/key:Key"
TABLE = "aws:dynamodb/table:Table"
OF_BIG = ("big-commits", "big-ids", "big-views-view-rows")


def program(split=False, **door):
    def run():
        shared = EventSourcedService("shared", {"domain": DOMAIN})
        views = ProjectionPipeline("views", {"source": shared.events, "views": ["rows"]})
        big = EventSourcedService("big", {"domain": DOMAIN, "silo": "big-corp"})
        big_views = ProjectionPipeline("big-views", {"source": big.events, "views": ["rows"], "silo": "big-corp"})
        given = {
            "commands": shared.commands,
            "silos": [big.commands],
            "queries": [views.queries, big_views.queries],
            "anonymous": True,
            "split": split,
        }
        HttpApi("door", {**given, **{name: make(shared, big) for name, make in door.items()}})

    return deploy(run)


@pytest.fixture(params=[False, True], ids=["one router", "split"])
def graph(request):
    return program(request.param)


def test_its_data_is_under_its_key_and_nobody_elses_is(graph):
    key = graph.one(KEY)
    assert key.name == "big-key"
    assert key.inputs["enableKeyRotation"] is True
    keys = {each.name: each.inputs["serverSideEncryption"].get("kmsKeyArn") for each in graph.of(TABLE)}
    assert {name for name, arn in keys.items() if arn == key.outputs["arn"]} == set(OF_BIG)
    assert {arn for name, arn in keys.items() if name not in OF_BIG} == {None}
    buckets = {
        each.name: each.inputs["rules"][0]["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId")
        for each in graph.of("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    }
    assert {name for name, arn in buckets.items() if arn} == {"big-bodies-encryption", "big-failures-encryption"}


def doors(graph):
    return [each for each in functions(graph) if each.name.startswith("door-")]


def test_its_tables_are_reached_in_its_own_session_alone(graph):
    for function in [*doors(graph), *(graph.one(FUNCTION, name) for name in ("big-commands", "big-effects"))]:
        reached = 0
        for statement in statements_of(graph, tenant_role_of(graph, function)):
            of_big = [each for each in resources_of(statement) if described(graph, each).startswith("big-")]
            if of_big:
                assert of_big == resources_of(statement), "one statement, one store"
                assert statement["Condition"]["StringEquals"] == {"aws:PrincipalTag/tenant": "big-corp"}
                assert "Null" in statement["Condition"] or statement["Sid"].startswith("UseKey")
                reached += 1
            else:
                assert "StringEquals" not in statement["Condition"]
        assert reached >= 3, function


def test_its_own_functions_reach_nothing_that_is_shared(graph):
    for function in functions(graph):
        if function.name.startswith("big-"):
            for role in filter(None, (role_of(graph, function), tenant_role_of(graph, function))):
                assert not [each for each in reached(graph, role) if each.startswith(("shared-", "views-"))], role


def test_the_shared_functions_reach_nothing_of_it(graph):
    for function in functions(graph):
        if function.name.startswith(("shared-", "views-")):
            for role in filter(None, (role_of(graph, function), tenant_role_of(graph, function))):
                assert not [each for each in reached(graph, role) if each.startswith("big-")], role


def reached(graph, role):
    return set().union(*grants(graph, role).values())


def test_whoever_touches_its_data_may_use_its_key_through_the_services_alone(graph):
    users = set()
    for role in graph.of("aws:iam/role:Role"):
        for statement in statements_of(graph, role):
            if any(action.startswith("kms:") for action in actions_of(statement)):
                assert {described(graph, each) for each in resources_of(statement)} == {"big-key"}
                assert statement["Condition"]["StringLike"] == {
                    "kms:ViaService": ["dynamodb.*.amazonaws.com", "s3.*.amazonaws.com"]
                }
                users.add(role.name)
    assert users == {
        "big-commands-tenant-role",
        "big-effects-tenant-role",
        "big-relay-role",
        "big-views-projector-role",
        *(f"{each.name}-tenant-role" for each in doors(graph)),
        *(f"{each.name}-role" for each in doors(graph) if each.name != "door-commands"),
    }


def test_the_privilege_rule_holds_and_names_are_told_once(graph):
    for role in graph.of("aws:iam/role:Role"):
        statements = statements_of(graph, role)
        assert [fault for statement in statements for fault in faults(statement)] == []
        names = [statement["Sid"] for statement in statements]
        assert len(set(names)) == len(names)
        assert all(name.isalnum() for name in names)


def test_a_door_is_told_where_each_tenant_is(graph):
    tables = {each.name: each.outputs["name"] for each in graph.of(TABLE)}
    for function in doors(graph):
        environment = Environment.read(function.inputs["environment"]["variables"])
        assert environment.silos.keys() == {"big-corp"}
        assert environment.of("acme") is environment
        assert environment.commit_table == tables["shared-commits"]
        big = environment.of("big-corp")
        assert big.commit_table == tables["big-commits"]
        assert big.bodies_bucket != environment.bodies_bucket
        assert big.tenant_role == environment.tenant_role
        assert big.service == "shared", "the door's own"
        assert big.silos == {}
        if function.name != "door-queries":
            assert big.id_table == tables["big-ids"]
            group = graph.one("aws:scheduler/scheduleGroup:ScheduleGroup", "big-timers")
            assert big.timers.group == group.outputs["name"] != environment.timers.group
            assert f"{group.name} schedules/*" in reached(graph, role_of(graph, function))
        if function.name != "door-commands":
            assert environment.view_tables == {"rows": tables["views-view-rows"]}
            assert big.view_tables == {"rows": tables["big-views-view-rows"]}
        else:
            assert "FOLDSTACK_VIEW_TABLES" not in big.variables


def test_several_silos_fit_a_role_and_an_environment():
    """IAM takes 10,240 characters of a role's policies, Lambda 4 KB of variables."""

    def run():
        services = [EventSourcedService("shared", {"domain": DOMAIN})]
        services += [EventSourcedService(f"s{n}", {"domain": DOMAIN, "silo": f"tenant-{n}"}) for n in range(4)]
        views = [
            ProjectionPipeline(
                f"v{n}", {"source": each.events, "views": ["rows"], **({"silo": f"tenant-{n - 1}"} if n else {})}
            )
            for n, each in enumerate(services)
        ]
        shared, *silos = (each.commands for each in services)
        queries = [each.queries for each in views]
        HttpApi("door", {"commands": shared, "silos": silos, "queries": queries, "anonymous": True})

    graph = deploy(run)
    for name in ("door-router-tenant-policy", "door-router-policy"):
        policy = graph.one("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"]
        assert len(json.dumps(json.loads(policy), separators=(",", ":"))) < 10_240
    variables = graph.one(FUNCTION, "door-router").inputs["environment"]["variables"]
    assert sum(len(name) + len(value) for name, value in variables.items()) < 4096


NO_VIEWS = {"queries": lambda shared, big: []}


@pytest.mark.parametrize(
    ("door", "told"),
    [
        (
            {"silos": lambda shared, big: [big.commands, big.commands]},
            "is of the silo of big-corp, for the second time",
        ),
        (
            {"silos": lambda shared, big: [shared.commands], **NO_VIEWS},
            "is of no silo: give each tenant's service once",
        ),
        (
            {"commands": lambda shared, big: big.commands, **NO_VIEWS},
            "of the silo of big-corp, and would be everybody's",
        ),
        ({"silos": lambda shared, big: []}, "the views rows are of the store"),
    ],
)
def test_what_are_no_silos_is_refused(door, told):
    with pytest.raises(ValueError, match=told):
        program(**door)


def test_a_silo_of_another_epoch_is_refused():
    def run():
        shared = EventSourcedService("shared", {"domain": DOMAIN})
        big = EventSourcedService("big", {"domain": DOMAIN, "silo": "big-corp", "store_epoch": 2})
        HttpApi("door", {"commands": shared.commands, "silos": [big.commands], "anonymous": True})

    with pytest.raises(ValueError, match="big-corp has the epoch 2, and the one that others share 1"):
        deploy(run)


@pytest.mark.parametrize(("of_service", "of_pipeline"), [("big-corp", ""), ("", "big-corp"), ("big-corp", "other")])
def test_a_pipeline_of_another_silo_than_its_sources_is_refused(of_service, of_pipeline):
    def run():
        service = EventSourcedService("one", {"domain": DOMAIN, **({"silo": of_service} if of_service else {})})
        silo = {"silo": of_pipeline} if of_pipeline else {}
        ProjectionPipeline("views", {"source": service.events, "views": ["rows"], **silo})

    with pytest.raises(ValueError, match=r"source: it is (no silo|the silo of big-corp), and this was made"):
        deploy(run)


def test_a_silo_is_named_like_a_tenant():
    with pytest.raises(ArgumentError, match=r"silo: given 'Big#Corp'; allowed: a tenant's id"):
        deploy(lambda: EventSourcedService("big", {"domain": DOMAIN, "silo": "Big#Corp"}))
