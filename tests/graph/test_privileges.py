"""Who may do what. Not proven here: that it suffices; the laptop runs the functions under these very roles."""

import pytest

from components import EventSourcedService
from components.permissions import ON_EVERYTHING, TENANT
from components.roads import NAMES
from tests.graph.support import (
    DOMAIN,
    by_arn,
    component,
    document,
    functions,
    role_of,
    shop,
    statements_of,
    tenant_role_of,
)

GRAPHS = {
    "local": lambda: shop("local"),
    "dev": lambda: shop("dev"),
    "split": lambda: shop("dev", splitRouter=True),
    **{road: lambda road=road: shop("dev", road=road) for road in NAMES[1:]},
    "postgres": lambda: shop("dev", readModel="postgres"),
    "postgres, split": lambda: shop("dev", readModel="postgres", splitRouter=True),
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


APPEND = {"dynamodb:PutItem": {"shop-commits"}, "dynamodb:Query": {"shop-commits"}}
REMEMBER = {"dynamodb:BatchWriteItem": {"shop-ids"}, "dynamodb:GetItem": {"shop-ids"}, "dynamodb:PutItem": {"shop-ids"}}
BODIES = {"s3:GetObject": {"shop-bodies/TENANT/*"}, "s3:PutObject": {"shop-bodies/TENANT/*"}}
SECRETS = {"secretsmanager:GetSecretValue": {"shop-secret-paymentProviderKey"}}
TIMERS = {"scheduler:CreateSchedule": {"shop-timers schedules/*"}, "iam:PassRole": {"shop-timers-role"}}
VIEWS = {"shop-views-view-checkout", "shop-views-view-products", "shop-views-view-purchases"}
READ_VIEWS = {"dynamodb:GetItem": VIEWS, "dynamodb:Query": VIEWS}
MEMBERS = {"dynamodb:BatchGetItem": {"shop-auth-tenants"}, "dynamodb:UpdateItem": {"shop-api-limits"}}
GENERATIONS = {"dynamodb:GetItem": VIEWS}
READ_STORE = {"dynamodb:Query": {"shop-commits"}, "s3:GetObject": {"shop-bodies/*"}}
QUERY_STORE = {"dynamodb:Query": {"shop-commits"}, "s3:GetObject": {"shop-bodies/TENANT/*"}}


def together(*grants):
    merged = {}
    for grant in grants:
        for action, resources in grant.items():
            merged[action] = merged.get(action, set()) | resources
    return merged


def consume(queue):
    actions = ["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"]
    return {f"sqs:{action}": {queue} for action in actions}


def act_for_tenants(function):
    role = {f"{function}-tenant-role"}
    return {"sts:AssumeRole": role, "sts:TagSession": role}


def everyone(function):
    logs = {f"{function}-logs:*"}
    return {
        "logs:CreateLogStream": logs,
        "logs:PutLogEvents": logs,
        "xray:PutTelemetryRecords": {"*"},
        "xray:PutTraceSegments": {"*"},
    }


GRANTS = {
    "shop-commands": consume("shop-commands-queue"),
    "shop-effects": together(
        SECRETS,
        TIMERS,
        consume("shop-effects-queue"),
        {"sqs:SendMessage": {"shop-effects-dead-letters"}},
    ),
    "shop-relay": {
        "dynamodb:DescribeStream": {"shop-commits stream"},
        "dynamodb:GetRecords": {"shop-commits stream"},
        "dynamodb:GetShardIterator": {"shop-commits stream"},
        "dynamodb:ListStreams": {"*"},
        "s3:ListBucket": {"shop-failures"},
        "s3:PutObject": {"shop-failures/aws/lambda/*"},
        "sqs:SendMessage": {"shop-parked"},
    },
    "shop-views-projector": together(
        READ_STORE,
        {"dynamodb:Scan": {"shop-commits"}},
        {f"dynamodb:{action}": VIEWS for action in ("DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")},
        {f"dynamodb:{action}": VIEWS for action in ("BatchGetItem", "PartiQLInsert", "PartiQLUpdate")},
        {"sqs:SendMessage": {"shop-views-parked"}},
    ),
    "shop-auth-claims": {"dynamodb:GetItem": {"shop-auth-tenants"}},
    "shop-api-router": together(SECRETS, TIMERS, GENERATIONS, MEMBERS),
    "shop-api-commands": together(SECRETS, TIMERS, MEMBERS),
    "shop-api-queries": together(GENERATIONS, MEMBERS),
}
FOR_TENANTS = {
    "shop-commands": together(APPEND, REMEMBER, BODIES),
    "shop-effects": together(APPEND, REMEMBER, BODIES),
    "shop-api-router": together(APPEND, REMEMBER, BODIES, READ_VIEWS),
    "shop-api-commands": together(APPEND, REMEMBER, BODIES),
    "shop-api-queries": together(QUERY_STORE, READ_VIEWS),
}


TO_SNS = {"shop-relay": {"sns:Publish": {"shop-topic"}}, "shop-views-projector": consume("shop-views-projector-queue")}
BY_ROAD = {
    "eventbridge": {**TO_SNS, "shop-relay": {"events:PutEvents": {"shop-bus"}}},
    "sns": TO_SNS,
    "sns-fifo": TO_SNS,
    "kinesis": {
        "shop-relay": {"kinesis:PutRecords": {"shop-stream"}, "sqs:SendMessage": {"shop-effects-queue"}},
        "shop-views-projector": {
            **{
                f"kinesis:{action}": {"shop-stream"}
                for action in (
                    "DescribeStream",
                    "DescribeStreamSummary",
                    "GetRecords",
                    "GetShardIterator",
                    "ListShards",
                )
            },
            "kinesis:ListStreams": {"*"},
            "s3:ListBucket": {"shop-failures"},
            "s3:PutObject": {"shop-failures/aws/lambda/*"},
        },
    },
}


CLUSTER = {"shop-sql-cluster"}
TRANSACTIONS = {
    f"rds-data:{each}": CLUSTER
    for each in ("BeginTransaction", "CommitTransaction", "ExecuteStatement", "RollbackTransaction")
}


def login(secret):
    return {"secretsmanager:GetSecretValue": {secret}}


READ_DATABASE = together({"rds-data:ExecuteStatement": CLUSTER}, login("shop-sql-secret-reader"))
LOGINS = {"shop-sql-secret-projector", "shop-sql-secret-reader"}
WITH_POSTGRES = {
    "shop-views-projector": together(
        READ_STORE,
        {"dynamodb:Scan": {"shop-commits"}},
        TRANSACTIONS,
        login("shop-sql-secret-projector"),
        {"sqs:SendMessage": {"shop-views-parked"}},
    ),
    "shop-views-migrate": together(
        TRANSACTIONS,
        login("shop-sql-cluster master secret"),
        {"secretsmanager:GetSecretValue": LOGINS, "secretsmanager:PutSecretValue": LOGINS},
    ),
    "shop-api-router": together(SECRETS, TIMERS, READ_DATABASE, MEMBERS),
    "shop-api-queries": together(READ_DATABASE, MEMBERS),
}
FOR_TENANTS_WITH_POSTGRES = {
    "shop-api-router": together(APPEND, REMEMBER, BODIES),
    "shop-api-queries": QUERY_STORE,
}


def test_each_function_may_do_exactly_what_it_does(request, graph):
    by_road = BY_ROAD.get(request.node.callspec.params["graph"], BY_ROAD["eventbridge"])
    in_sql = graph.of("aws:rds/cluster:Cluster")
    mine = GRANTS | WITH_POSTGRES if in_sql else GRANTS
    for_tenants = FOR_TENANTS | FOR_TENANTS_WITH_POSTGRES if in_sql else FOR_TENANTS
    for function in functions(graph):
        sessions = act_for_tenants(function.name) if function.name in for_tenants else {}
        expected = together(mine[function.name], sessions, by_road.get(function.name, {}), everyone(function.name))
        assert grants(graph, role_of(graph, function)) == expected, function
        role = tenant_role_of(graph, function)
        assert (grants(graph, role) if role else None) == for_tenants.get(function.name), function


def test_all_grants_are_tested():
    tested = {function.name for make in GRAPHS.values() for function in functions(make())}
    assert tested == GRANTS.keys() | WITH_POSTGRES.keys()


def test_nobody_may_change_a_commit(graph):
    for role in graph.of("aws:iam/role:Role"):
        for action, resources in grants(graph, role).items():
            if "shop-commits" in resources:
                assert action in {"dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan"}, role


def test_the_sweep_may_invoke_the_projector_and_nothing_else():
    (role,) = [each for each in shop("dev").of("aws:iam/role:Role") if each.name == "shop-views-sweep-role"]
    assert grants(shop("dev"), role) == {
        "lambda:InvokeFunction": {"shop-views-projector"},
        "sqs:SendMessage": {"shop-views-sweep-dead-letters"},
    }


def test_timers_may_send_commands_and_nothing_else(graph):
    (role,) = [each for each in graph.of("aws:iam/role:Role") if each.name == "shop-timers-role"]
    assert grants(graph, role) == {"sqs:SendMessage": {"shop-commands-queue", "shop-commands-dead-letters"}}


def test_a_role_is_passed_to_scheduler_alone(graph):
    passed = [
        statement
        for role in graph.of("aws:iam/role:Role")
        for statement in statements_of(graph, role)
        if "iam:PassRole" in actions_of(statement)
    ]
    assert len(passed) >= 2
    for statement in passed:
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_the_privilege_rule(graph):
    checked = 0
    for role in graph.of("aws:iam/role:Role"):
        for statement in statements_of(graph, role):
            assert faults(statement) == []
            checked += 1
    for kind, key in {
        "aws:sqs/queuePolicy:QueuePolicy": "policy",
        "aws:s3/bucketPolicy:BucketPolicy": "policy",
        "aws:sns/topicPolicy:TopicPolicy": "policy",
    }.items():
        for each in graph.of(kind):
            for statement in document(each.inputs[key]):
                assert faults(statement) == []
                checked += 1
    assert checked > 40


@pytest.mark.parametrize(
    ("actions", "resource"),
    [
        (["s3:*"], "arn:aws:s3:::bucket"),
        (["dynamodb:Put*"], "arn:aws:dynamodb:::table/t"),
        (["dynamodb:PutItem"], "*"),
        (["xray:PutTraceSegments", "dynamodb:PutItem"], "*"),
        (["s3:GetObject"], "arn:aws:s3:::buck*"),
        (["s3:GetObject"], "arn:aws:s3:::*/*"),
        (["s3:GetObject"], []),
    ],
)
def test_the_privilege_rule_finds(actions, resource):
    assert faults({"Effect": "Allow", "Action": actions, "Resource": resource})


def faults(statement):
    """What a statement says that it must not."""
    if statement["Effect"] == "Deny":
        return []
    found = [f"{action}: * in an action" for action in actions_of(statement) if "*" in action]
    resources = resources_of(statement)
    if not resources:
        found.append("about nothing: IAM refuses it")
    for resource in resources:
        if resource == "*":
            found += [f"{action}: on *, without a reason" for action in actions_of(statement) - ON_EVERYTHING.keys()]
        elif "*" in resource.removesuffix(":*").removesuffix("/*"):
            found.append(f"{resource}: a * that does not stand after a complete name")
    return found


def test_statements_are_named_once_in_a_policy(graph):
    """IAM refuses a policy in which two statements have one name."""
    for role in graph.of("aws:iam/role:Role"):
        names = [statement["Sid"] for statement in statements_of(graph, role)]
        assert len(set(names)) == len(names) > 0


def in_network():
    args = {"domain": DOMAIN, "operations": {"network": {"subnet_ids": ["subnet"], "security_group_ids": ["group"]}}}
    return component(EventSourcedService, "crm", args)


def test_each_exception_has_a_reason_and_is_used():
    assert all(len(reason.split()) > 3 for reason in ON_EVERYTHING.values())
    used = {
        action
        for graph in (shop("dev"), shop("dev", road="kinesis"), in_network())
        for role in graph.of("aws:iam/role:Role")
        for statement in statements_of(graph, role)
        if "*" in resources_of(statement)
        for action in actions_of(statement)
    }
    assert used == ON_EVERYTHING.keys()


def test_each_role_trusts_one_service(graph):
    """But those for tenants: `test_tenant_roles`."""
    trusted = {}
    for role in graph.of("aws:iam/role:Role"):
        if role.name.endswith("-tenant-role"):
            continue
        (statement,) = document(role.inputs["assumeRolePolicy"])
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == "sts:AssumeRole"
        assert statement["Principal"].keys() == {"Service"}
        trusted[role.name] = (statement["Principal"]["Service"], statement.get("Condition"))
    mine = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert trusted.pop("shop-views-sweep-role") == ("scheduler.amazonaws.com", mine)
    group = graph.one("aws:scheduler/scheduleGroup:ScheduleGroup").outputs["arn"]
    timers = {**mine, "ArnEquals": {"aws:SourceArn": group}}
    assert trusted.pop("shop-timers-role") == ("scheduler.amazonaws.com", timers)
    assert set(map(str, trusted.values())) == {str(("lambda.amazonaws.com", None))}


def grants(graph, role):
    """Action -> names of the resources in the program it may be done to."""
    return together(
        *(
            {action: {described(graph, resource) for resource in resources_of(statement)}}
            for statement in statements_of(graph, role)
            for action in actions_of(statement)
        )
    )


def described(graph, arn):
    """An ARN as the name of its resource in the program, with what comes after the ARN."""
    if arn == "*":
        return arn
    for cluster in graph.of("aws:rds/cluster:Cluster"):
        if arn == cluster.outputs["masterUserSecrets"][0]["secretArn"]:
            return f"{cluster.name} master secret"
    if ":schedule/" in arn:
        whole = arn.replace(":schedule/", ":schedule-group/").removesuffix("/*")
        return f"{by_arn(graph, whole).name} schedules/*"
    for ending in ("/aws/lambda/*", f"/{TENANT}/*", "/*", ":*", ""):
        whole = arn.removesuffix(ending)
        if arn.endswith(ending) and any(
            whole in (r.outputs.get("arn"), r.outputs.get("streamArn")) for r in graph.resources
        ):
            resource = by_arn(graph, whole)
            stream = " stream" if whole == resource.outputs.get("streamArn") else ""
            return f"{resource.name}{stream}{ending.replace(TENANT, 'TENANT')}"
    raise AssertionError(f"{arn} is no resource of the program")


def actions_of(statement):
    return set(statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])


def resources_of(statement):
    return statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
