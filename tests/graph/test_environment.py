"""Variables: what components set is what the runtime reads. Not proven here: that each function has all it needs."""

import json
from collections import UserDict

import pytest
from foldstack.aws.environment import Environment
from foldstack.kernel.errors import ConfigurationError

from components.roads import NAMES
from tests.graph.support import functions, shop

VARIANTS = {"one router": {}, "split": {"splitRouter": True}, **{road: {"road": road} for road in NAMES[1:]}}
FED_BY_THE_RELAY = {"FOLDSTACK_EFFECTS_QUEUE", "FOLDSTACK_EFFECT_TYPES"}
# It has no schedules, no silo and no cascade, knows nobody, and its door asks for a token: see test_schedules,
# test_silos, test_cascade, test_personal_keys, test_http_api.
NOT_THE_SHOPS = {
    "FOLDSTACK_SCHEDULES",
    "FOLDSTACK_SILOS",
    "FOLDSTACK_CASCADE_TABLE",
    "FOLDSTACK_CASCADE_PAGE",
    "FOLDSTACK_REMOVALS_QUEUE",
    "FOLDSTACK_ANONYMOUS",
    "FOLDSTACK_KEY_TABLE",
    "FOLDSTACK_KMS_KEY",
}


@pytest.fixture(params=VARIANTS)
def every_function(request):
    stores = [
        shop("local", **VARIANTS[request.param], readModel=store, lake=True) for store in ("dynamodb", "postgres")
    ]
    return [function for graph in stores for function in functions(graph)]


class Asked(UserDict):
    """An empty environment that remembers what it was asked for."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __contains__(self, name):
        self.names.add(name)
        return False

    def get(self, name, default=None):
        self.names.add(name)
        return default


def read_by_the_runtime():
    asked = Asked()
    environment = Environment(asked)
    for name in (name for name, value in vars(Environment).items() if hasattr(value, "__get__")):
        try:
            getattr(environment, name)
        except ConfigurationError:
            continue
    return asked.names


def test_what_is_set_is_what_is_read(request, every_function):
    given = {name for each in every_function for name in variables(each) if name.startswith("FOLDSTACK_")}
    unset = set() if request.node.callspec.params["every_function"] == "kinesis" else FED_BY_THE_RELAY
    assert given == read_by_the_runtime() - unset - NOT_THE_SHOPS


def test_the_runtime_accepts_the_values(every_function):
    for each in every_function:
        environment = Environment.read(variables(each))
        assert environment.domain == "shop:service"
        assert environment.service == "shop"
        assert environment.store_epoch == 1
        assert environment.variables["POWERTOOLS_SERVICE_NAME"] == "shop"
        assert environment.variables["POWERTOOLS_LOG_LEVEL"] == "INFO"
        assert environment.variables.get("RESERVATION_MINUTES") == (None if each.name == "shop-auth-claims" else "15")


def test_what_drains_a_queue_is_told_which_and_how_often_it_may_fail():
    graph = shop("dev", effectAttempts=7)
    told = {each.name: Environment.read(variables(each)).queue for each in functions(graph)}
    attempts = {"shop-commands": 18, "shop-effects": 7, "shop-views-projector": 18}
    assert {name: queue.attempts for name, queue in told.items() if queue} == attempts
    for name in attempts:
        queue = graph.one("aws:sqs/queue:Queue", f"{name}-queue")
        assert json.loads(queue.inputs["redrivePolicy"])["maxReceiveCount"] == attempts[name]
        assert (told[name].url, told[name].hidden_seconds) == (queue.outputs["url"], 360)


def test_variables_fit_into_a_function(every_function):
    for each in every_function:
        assert sum(len(name) + len(value) for name, value in variables(each).items()) < 4096


def test_a_function_is_told_only_of_what_it_may_touch():
    both = [*functions(shop("local")), *functions(shop("local", splitRouter=True))]
    told = {each.name: {name for name in variables(each) if name.startswith("FOLDSTACK_")} for each in both}
    everyone = {"FOLDSTACK_DOMAIN", "FOLDSTACK_SERVICE", "FOLDSTACK_STORE_EPOCH"}
    store = everyone | {"FOLDSTACK_COMMIT_TABLE", "FOLDSTACK_BODIES_BUCKET"}
    usage = {"FOLDSTACK_TENANT_METRICS"}
    limit = {"FOLDSTACK_LIMITS_TABLE", "FOLDSTACK_REQUESTS_PER_MINUTE"}
    door = {"FOLDSTACK_ROUTES", "FOLDSTACK_TENANTS_TABLE"} | limit | usage
    tenants = {"FOLDSTACK_TENANT_ROLE"}
    commands = store | tenants | {"FOLDSTACK_ID_TABLE"}
    reactions = {"FOLDSTACK_SECRETS", "FOLDSTACK_TIMERS"}
    requests = commands | door | reactions | {"FOLDSTACK_INLINE_SECONDS"}
    queue = {"FOLDSTACK_QUEUE"}
    views = {"FOLDSTACK_VIEW_TABLES"}
    assert told == {
        "shop-commands": commands | queue | usage,
        "shop-relay": everyone | {"FOLDSTACK_ROAD", "FOLDSTACK_PARKED_QUEUE"},
        "shop-effects": commands | reactions | queue | usage | {"FOLDSTACK_DEAD_LETTERS"},
        "shop-views-projector": store | views | queue | {"FOLDSTACK_PARKED_QUEUE", "FOLDSTACK_CONSUMER"},
        "shop-auth-claims": everyone | {"FOLDSTACK_TENANTS_TABLE", "FOLDSTACK_API_SCOPE"},
        "shop-api-router": requests | views,
        "shop-api-commands": requests,
        "shop-api-queries": store | tenants | door | views,
    }


def test_with_views_in_postgresql_those_who_use_them_are_told_where():
    both = [shop("local", readModel="postgres"), shop("local", readModel="postgres", splitRouter=True)]
    sql = {}
    for function in (each for graph in both for each in functions(graph)):
        environment = Environment.read(variables(function))
        assert "FOLDSTACK_VIEW_TABLES" not in environment.variables
        if environment.has_sql:
            sql[function.name] = environment.sql
    assert sql.keys() == {"shop-views-projector", "shop-views-migrate", "shop-api-router", "shop-api-queries"}
    (cluster,) = both[0].of("aws:rds/cluster:Cluster")
    secrets = {each.name: each.outputs["arn"] for each in both[0].of("aws:secretsmanager/secret:Secret")}
    for connection in sql.values():
        assert connection[:1] == (cluster.outputs["arn"],)
        assert connection[2:] == ("foldstack", ("checkout", "products", "purchases"))
    assert sql["shop-views-projector"].secret == secrets["shop-sql-secret-projector"]
    assert sql["shop-api-router"].secret == sql["shop-api-queries"].secret == secrets["shop-sql-secret-reader"]
    assert sql["shop-views-migrate"].secret == cluster.outputs["masterUserSecrets"][0]["secretArn"]
    (migrate,) = [each for each in functions(both[0]) if each.name == "shop-views-migrate"]
    assert Environment.read(variables(migrate)).sql_roles == {
        "projector": secrets["shop-sql-secret-projector"],
        "reader": secrets["shop-sql-secret-reader"],
    }


def variables(function):
    return function.inputs["environment"]["variables"]
