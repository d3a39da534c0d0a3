"""The door. Not proven here: what it answers; the laptop's gateway and the router have tests of their own."""

import json

import pytest

from components import ArgumentError, EventSourcedService, HttpApi, ProjectionPipeline
from tests.graph.support import DOMAIN, FUNCTION, deploy, document

ROUTE = "aws:apigatewayv2/route:Route"
TOKENS = {"issuer": "https://login.example.com", "audience": ["shop"]}


def door(**args):
    def program():
        service = EventSourcedService("orders", {"domain": DOMAIN})
        views = ProjectionPipeline("views", {"source": service.events, "views": ["rows"]})
        HttpApi("door", {"commands": service.commands, "queries": [views.queries], **args})

    return deploy(program)


def test_it_is_refused_without_an_authorizer():
    with pytest.raises(ArgumentError, match=r"authorizer: given None.*anonymous: true"):
        door()


def test_it_is_refused_with_an_authorizer_and_anonymous():
    with pytest.raises(ArgumentError, match="anonymous: given True"):
        door(authorizer=TOKENS, anonymous=True)


def test_an_authorizer_guards_every_route():
    for split in (False, True):
        graph = door(authorizer=TOKENS, split=split)
        authorizer = graph.one("aws:apigatewayv2/authorizer:Authorizer")
        assert authorizer.inputs["authorizerType"] == "JWT"
        assert authorizer.inputs["identitySources"] == ["$request.header.Authorization"]
        assert authorizer.inputs["jwtConfiguration"] == {"issuer": TOKENS["issuer"], "audiences": TOKENS["audience"]}
        for route in graph.of(ROUTE):
            assert route.inputs["authorizationType"] == "JWT"
            assert route.inputs["authorizerId"] == authorizer.id


def test_the_functions_are_told_when_it_is_anonymous_and_only_then():
    for split in (False, True):
        for args, told in (({"anonymous": True}, "true"), ({"authorizer": TOKENS}, None)):
            graph = door(**args, split=split)
            for each in graph.of(FUNCTION):
                expected = told if each.name.startswith("door-") else None
                assert each.inputs["environment"]["variables"].get("FOLDSTACK_ANONYMOUS") == expected
    assert {each.inputs["authorizationType"] for each in door(anonymous=True).of(ROUTE)} == {"NONE"}


def test_one_router_answers_everything():
    graph = door(anonymous=True)
    assert routes(graph) == {"$default": "door-router"}
    variables = graph.one(FUNCTION, "door-router").inputs["environment"]["variables"]
    assert variables["FOLDSTACK_ROUTES"] == "all"


def test_split_gives_commands_and_queries_a_router_each():
    graph = door(anonymous=True, split=True)
    commands = dict.fromkeys(
        (f"{method} /{{proxy+}}" for method in ("DELETE", "PATCH", "POST", "PUT")), "door-commands"
    )
    assert routes(graph) == {"$default": "door-queries", **commands}
    told = {
        name: graph.one(FUNCTION, name).inputs["environment"]["variables"] for name in ("door-commands", "door-queries")
    }
    assert told["door-commands"]["FOLDSTACK_ROUTES"] == "commands"
    assert told["door-queries"]["FOLDSTACK_ROUTES"] == "queries"
    assert "FOLDSTACK_VIEW_TABLES" not in told["door-commands"]
    assert not told["door-queries"].keys() & {"FOLDSTACK_ID_TABLE", "FOLDSTACK_SECRETS"}


def routes(graph):
    """Route key -> the function that answers it, which has let the gateway in."""
    api = graph.one("aws:apigatewayv2/api:Api")
    answered = {}
    for route in graph.of(ROUTE):
        (integration,) = [
            each
            for each in graph.of("aws:apigatewayv2/integration:Integration")
            if route.inputs["target"] == f"integrations/{each.id}"
        ]
        (function,) = [
            each for each in graph.of(FUNCTION) if each.outputs["invokeArn"] == integration.inputs["integrationUri"]
        ]
        assert integration.inputs["payloadFormatVersion"] == "2.0"
        assert integration.inputs["integrationType"] == "AWS_PROXY"
        (permission,) = [
            each
            for each in graph.of("aws:lambda/permission:Permission")
            if each.inputs["function"] == function.outputs["name"]
        ]
        assert permission.inputs["action"] == "lambda:InvokeFunction"
        assert permission.inputs["principal"] == "apigateway.amazonaws.com"
        assert permission.inputs["sourceArn"] == f"{api.outputs['executionArn']}/*/*"
        answered[route.inputs["routeKey"]] = function.name
    return answered


def test_requests_are_logged_and_throttled():
    graph = door(anonymous=True, requests_per_second=70)
    stage = graph.one("aws:apigatewayv2/stage:Stage").inputs
    logs = graph.one("aws:cloudwatch/logGroup:LogGroup", "door-access-logs")
    assert logs.inputs["retentionInDays"] == 30
    assert stage["name"] == "$default"
    assert stage["autoDeploy"] is True
    assert stage["accessLogSettings"]["destinationArn"] == logs.outputs["arn"]
    assert {"$context.requestId", "$context.status"} < set(json.loads(stage["accessLogSettings"]["format"]).values())
    assert stage["defaultRouteSettings"] == {"throttlingRateLimit": 70, "throttlingBurstLimit": 140}
    default = door(anonymous=True).one("aws:apigatewayv2/stage:Stage").inputs["defaultRouteSettings"]
    assert default == {"throttlingRateLimit": 1000, "throttlingBurstLimit": 2000}


def test_a_request_is_given_up_before_the_gateway_gives_it_up():
    assert door(anonymous=True).one(FUNCTION, "door-router").inputs["timeout"] < 30


def test_memory_and_concurrency_can_be_chosen():
    plain = door(anonymous=True).one(FUNCTION, "door-router").inputs
    assert plain["memorySize"] == 1024
    assert "reservedConcurrentExecutions" not in plain
    chosen = door(anonymous=True, memory_mb=512, reserved_concurrency=20).one(FUNCTION, "door-router").inputs
    assert (chosen["memorySize"], chosen["reservedConcurrentExecutions"]) == (512, 20)


def test_a_door_without_views_reads_none():
    graph = door(anonymous=True, queries=[])
    router = graph.one(FUNCTION, "door-router")
    assert router.inputs["environment"]["variables"]["FOLDSTACK_VIEW_TABLES"] == "{}"
    policy = graph.one("aws:iam/rolePolicy:RolePolicy", "door-router-policy").inputs["policy"]
    assert "ReadViews" not in {statement["Sid"] for statement in document(policy)}


def two_services(queries_of):
    def program():
        one, two = (EventSourcedService(name, {"domain": DOMAIN}) for name in ("one", "two"))
        rows = [
            ProjectionPipeline(f"rows-{index}", {"source": {"one": one, "two": two}[name].events, "views": [view]})
            for index, (name, view) in enumerate(queries_of)
        ]
        HttpApi("door", {"commands": one.commands, "queries": [each.queries for each in rows], "anonymous": True})

    return deploy(program)


def test_a_door_reads_the_views_of_several_pipelines():
    graph = two_services([("one", "rows"), ("one", "totals")])
    variables = graph.one(FUNCTION, "door-router").inputs["environment"]["variables"]
    assert json.loads(variables["FOLDSTACK_VIEW_TABLES"]).keys() == {"rows", "totals"}


def test_two_views_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two pipelines have a view rows: rename"):
        two_services([("one", "rows"), ("one", "rows")])


def test_the_views_of_another_service_are_refused():
    with pytest.raises(ValueError, match="the views rows are of the store"):
        two_services([("two", "rows")])
