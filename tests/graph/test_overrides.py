"""Settings of single functions, and the network of all of them. Not proven here: that AWS takes the subnets."""

from typing import Any

import pytest

from components import (
    AnalyticsLake,
    ArgumentError,
    EventSourcedService,
    HttpApi,
    ProjectionPipeline,
    SqlStore,
    TenantAuth,
)
from components.permissions import NETWORK as ATTACHING
from policies import violations
from tests.graph.brought import NETWORK, URLS, variables
from tests.graph.support import DOMAIN, FUNCTION, component, deploy, functions, role_of, statements_of
from tests.graph.test_privileges import actions_of, faults, resources_of

QUEUE = "aws:sqs/queue:Queue"
SET: Any = {"memory_mb": 2048, "reserved_concurrency": 7, "environment": {"LEVEL": "debug"}}
SECONDS = {"claims": 5, "asking": 20, "router": 20, "commands": 20, "queries": 20}


def chosen(*names: str) -> dict[str, Any]:
    """Settings of each, with a time that it may have."""
    return {name: {**SET, "timeout_seconds": SECONDS.get(name, 130)} for name in names}


def everything(*, split: bool = False, sql: bool = False, operations: Any = None, **of: Any):
    """All components; `of` are settings of functions by the component's name."""

    def more(name: str) -> Any:
        settings = {"functions": of[name]} if name in of else {}
        return {**settings, **({"operations": operations} if operations else {})}

    def run() -> None:
        crm = EventSourcedService(
            "crm", {"domain": DOMAIN, "environment": {"LEVEL": "info", "OWN": "x"}, **more("crm")}
        )
        store = SqlStore("base", {}).connection if sql else None
        rows = ProjectionPipeline("rows", {"source": crm.events, "views": ["rows"], "store": store, **more("rows")})
        auth = TenantAuth("people", {"domain": crm.events["domain"], **URLS, **more("people")})
        lake: Any = {"source": crm.events, "domain": DOMAIN, "questions": "shop/lake", "authorizer": auth.authorizer}
        facts = AnalyticsLake("facts", {**lake, **more("facts")})
        door: Any = {"commands": crm.commands, "queries": [rows.queries], "authorizer": auth.authorizer}
        HttpApi("door", {**door, "tasks": facts.tasks, "split": split, **more("door")})

    return deploy(run)


ALL = {
    "crm": ("commands", "effects", "relay"),
    "rows": ("projector",),
    "people": ("claims",),
    "facts": ("asking", "compactor", "writer"),
    "door": ("router",),
}


def test_every_function_can_be_set_by_its_name():
    graph = everything(**{name: chosen(*of) for name, of in ALL.items()})
    assert {each.name for each in functions(graph)} == {f"{name}-{each}" for name, of in ALL.items() for each in of}
    for each in functions(graph):
        seconds = SECONDS.get(each.name.split("-")[-1], 130)
        assert (each.inputs["memorySize"], each.inputs["timeout"]) == (2048, seconds), each
        assert each.inputs["reservedConcurrentExecutions"] == 7
        assert variables(each)["LEVEL"] == "debug"
        assert variables(each)["FOLDSTACK_SERVICE"] == "crm"


def test_those_of_a_split_door_and_of_a_database_too():
    settings = {
        "door": chosen("commands", "queries"),
        "rows": chosen("migrate", "projector"),
    }
    graph = everything(split=True, sql=True, **settings)
    assert {each.name for each in functions(graph) if each.inputs["memorySize"] == 2048} == {
        f"{name}-{each}" for name, of in settings.items() for each in of
    }


def test_what_is_left_out_stays_as_it_is_and_so_do_the_others():
    plain, graph = everything(), everything(crm={"commands": {"memory_mb": 3008}})
    for each in functions(plain):
        changed = graph.one(FUNCTION, each.name).inputs
        wanted = {**each.inputs, "memorySize": 3008} if each.name == "crm-commands" else each.inputs
        assert {**changed, "code": None} == {**wanted, "code": None}


def test_a_functions_own_variable_is_its_alone_and_over_the_domains():
    graph = everything(crm={"effects": {"environment": {"LEVEL": "debug", "MORE": "y"}}})
    found = {each.name: variables(each) for each in functions(graph) if each.name.startswith("crm-")}
    assert {name: (each["LEVEL"], each["OWN"], each.get("MORE")) for name, each in found.items()} == {
        "crm-commands": ("info", "x", None),
        "crm-effects": ("debug", "x", "y"),
        "crm-relay": ("info", "x", None),
    }


def test_a_queue_hides_messages_as_long_as_the_function_that_drains_it_may_run():
    longer = {"timeout_seconds": 300}
    graph = everything(
        crm={"commands": longer, "effects": longer}, rows={"projector": longer}, facts={"writer": longer}
    )
    hidden = {each.name: each.inputs.get("visibilityTimeoutSeconds") for each in graph.of(QUEUE)}
    for name in ("crm-commands", "crm-effects", "rows-projector", "facts-writer"):
        assert 6 * 300 <= hidden[f"{name}-queue"] <= 6 * 300 + 300
        assert graph.one(FUNCTION, name).inputs["timeout"] == 300


SERVICE: Any = {"domain": DOMAIN}
DOOR: Any = {"commands": {}, "anonymous": True}
VIEWS: Any = {"source": {"road": "sns"}, "views": ["rows"]}


@pytest.mark.parametrize(
    ("make", "args", "told"),
    [
        (
            EventSourcedService,
            {**SERVICE, "functions": {"comands": {}}},
            r"functions.comands: .*: commands, effects, relay",
        ),
        (
            EventSourcedService,
            {**SERVICE, "functions": {"relay": {"memory": 1}}},
            r"functions.relay.memory: .*memory_mb",
        ),
        (
            EventSourcedService,
            {**SERVICE, "functions": {"relay": 512}},
            r"functions.relay: given 512; allowed: an object",
        ),
        (EventSourcedService, {**SERVICE, "functions": ["relay"]}, r"functions: given 'a list'; allowed: an object"),
        (
            EventSourcedService,
            {**SERVICE, "functions": {"relay": {"memory_mb": 64}}},
            r"given 64; allowed: 128 to 10240",
        ),
        (
            EventSourcedService,
            {**SERVICE, "functions": {"relay": {"timeout_seconds": 901}}},
            r"functions.relay.timeout_seconds: given 901; allowed: 15 to 900",
        ),
        (
            EventSourcedService,
            {**SERVICE, "functions": {"relay": {"environment": {"AWS_REGION": "hush"}}}},
            r"functions.relay.environment.AWS_REGION: given 'AWS_REGION'; allowed: letters",
        ),
        (HttpApi, {**DOOR, "functions": {"commands": {}}}, r"functions.commands: given 'an object'; allowed: router"),
        (HttpApi, {**DOOR, "split": True, "functions": {"router": {}}}, r"functions.router: .*: commands, queries"),
        (HttpApi, {**DOOR, "functions": {"router": {"timeout_seconds": 60}}}, r"given 60; allowed: 5 to 29"),
        (
            HttpApi,
            {**DOOR, "memory_mb": 512, "functions": {"router": {"memory_mb": 256}}},
            r"functions.router.memory_mb: given 'a value'; allowed: nothing beside `memory_mb`",
        ),
        (
            ProjectionPipeline,
            {**VIEWS, "functions": {"migrate": {}}},
            r"functions.migrate: given 'an object'; allowed: projector",
        ),
        (
            TenantAuth,
            {"domain": {}, **URLS, "functions": {"claims": {"timeout_seconds": 6}}},
            r"given 6; allowed: 5 to 5",
        ),
        (
            AnalyticsLake,
            {**SERVICE, "source": {}, "functions": {"asking": {}}},
            r"functions.asking: .*: compactor, writer",
        ),
        (
            EventSourcedService,
            {**SERVICE, "operations": {"network": {"subnet_ids": ["s"]}}},
            r"security_group_ids: given N",
        ),
        (
            EventSourcedService,
            {**SERVICE, "operations": {"network": {"subnet_ids": [], "security_group_ids": ["s"]}}},
            r"operations.network.subnet_ids: given \[\]; allowed: a list of at least one id",
        ),
    ],
)
def test_what_is_not_so_is_refused_by_its_name(make, args, told):
    with pytest.raises(ArgumentError, match=told) as error:
        component(make, "crm", args)
    assert "hush" not in str(error.value)


def test_in_a_network_every_function_is_and_may_be():
    graph = everything(sql=True, operations={"network": NETWORK})
    assert len(functions(graph)) == 10
    for each in functions(graph):
        assert each.inputs["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}, each
        (joining,) = (s for s in statements_of(graph, role_of(graph, each)) if s["Sid"] == "JoinNetwork")
        assert actions_of(joining) == set(ATTACHING)
        assert resources_of(joining) == ["*"]
        assert joining["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}, "Lambda may, its code may not"
        assert faults(joining) == []
        policies = {p.urn for p in graph.of("aws:iam/rolePolicy:RolePolicy") if p.name == f"{each.name}-policy"}
        assert policies <= set(each.dependencies), "or Lambda refuses to make the function"
    assert violations(graph.resources) == []


def test_outside_of_one_nobody_may_touch_any():
    graph = everything()
    assert not any("vpcConfig" in each.inputs for each in functions(graph))
    roles = graph.of("aws:iam/role:Role")
    assert not [s for role in roles for s in statements_of(graph, role) if "ec2:" in str(s)]
