"""The whole program in its stacks. Not proven here: that AWS, or the laptop, accepts it."""

import json
import re
from dataclasses import asdict

import pytest
import yaml

from shop import service
from tests.graph.support import COMPONENTS, FUNCTION, ROOT, deploy, functions, shop, strings

STACKS = ["local", "dev"]


def stack_file(stack):
    """The project's own values in a stack's file, without their namespace."""
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.split(":")[1]: value for key, value in config.items() if key.startswith("shop:")}


both = pytest.mark.parametrize("stack", STACKS)


@both
def test_the_outputs_are_those_of_the_contract(stack):
    exports = shop(stack).exports
    assert exports.keys() == {"apiUrl", "eventTable", "eventBus", "viewTables", "paymentProviderUrl", "operated"}
    assert exports["viewTables"].keys() == service.projections.keys()
    tables = {each.outputs["name"] for each in shop(stack).of("aws:dynamodb/table:Table")}
    assert {exports["eventTable"], *exports["viewTables"].values()} < tables


@both
def test_the_program_has_the_functions_of_the_diagram(stack):
    assert {each.name: each.inputs["handler"] for each in functions(shop(stack))} == {
        "shop-commands": "foldstack.handlers.commands.handler",
        "shop-relay": "foldstack.handlers.relay.handler",
        "shop-effects": "foldstack.handlers.effects.handler",
        "shop-views-projector": "foldstack.handlers.projector.handler",
        "shop-auth-claims": "foldstack.handlers.claims.handler",
        "shop-api-router": "foldstack.handlers.http.handler",
    }


def test_the_program_names_the_views_and_reactions_of_the_domain():
    """A reaction whose event is not listed would never be taken over by the queue."""
    graph = shop("dev")
    rule = graph.one("aws:cloudwatch/eventRule:EventRule", "shop-effects-rule")
    assert set(yaml.safe_load(rule.inputs["eventPattern"])["detail"]["types"]) == service.reactions.stored_types()
    names = {each.name for each in graph.of("aws:dynamodb/table:Table") if "-view-" in each.name}
    assert names == {f"shop-views-view-{name}" for name in service.projections}


def test_the_service_of_the_program_is_the_domains():
    assert functions(shop("dev"))[0].inputs["environment"]["variables"]["FOLDSTACK_SERVICE"] == service.name


@both
def test_every_resource_but_the_components_is_a_child_of_its_component(stack):
    graph = shop(stack)
    tops = [each for each in graph.resources if each.type.startswith(COMPONENTS)]
    assert {each.name for each in tops} == {"shop", "shop-views", "shop-auth", "shop-api"}
    for each in graph.resources:
        if each in tops:
            continue
        (parent,) = [top for top in tops if top.urn == each.parent]
        assert each.name.startswith(f"{parent.name}-")


@both
def test_physical_names_are_left_to_autonaming(stack):
    """`name` of a stage is its path; a layer's name is demanded by the provider."""
    named = {
        each.type
        for each in shop(stack).resources
        if each.custom and each.inputs.keys() & {"name", "bucketName", "roleName", "layerName"}
    }
    assert named == {"aws:apigatewayv2/stage:Stage", "aws:lambda/layerVersion:LayerVersion"}


@both
def test_no_output_was_used_as_a_string(stack):
    for each in shop(stack).resources:
        assert not [text for text in strings(each.inputs) if "Calling __str__" in text], each


@both
def test_every_policy_and_pattern_is_written_with_sorted_keys(stack):
    """Python and Pulumi do not promise an order: unsorted, a preview shows changes that are none."""
    for each in shop(stack).resources:
        for text in strings(each.inputs):
            if text.startswith("{"):
                assert text == json.dumps(json.loads(text), sort_keys=True), each


@both
def test_a_preview_knows_every_resource(stack):
    now, before = shop(stack), shop(stack, preview=True)
    assert {each.urn for each in before.resources} == {each.urn for each in now.resources}
    assert len(before.resources) == len(now.resources)


def test_a_preview_tells_what_is_known_before_anything_exists():
    for each in shop("dev", preview=True).of(FUNCTION):
        known = {"handler", "runtime", "architectures", "timeout", "memorySize", "tags", "code"}
        assert not [key for key in known if "unknown" in repr(each.inputs[key]).lower()], each
        assert each.inputs["tags"]["service"] == "shop"
    for each in shop("dev", preview=True).of("aws:cloudwatch/eventRule:EventRule"):
        assert '"source": ["shop"]' in each.inputs["eventPattern"]


def test_stacks_differ_only_in_what_their_files_say():
    """With the values of dev's file, the stack named local registers what dev registers."""
    local, dev = (stack_file(stack) for stack in ("local", "dev"))
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    values = {key: declared[key].get("default") for key in local} | dev
    assert _shape(deploy(ROOT, stack="local", config=values), "local") == _shape(shop("dev"), "dev")
    assert _shape(shop("local"), "local") != _shape(shop("dev"), "dev")


def _shape(graph, stack):
    """Each resource's inputs and options by URN; the stack's name is taken out, and what is derived from it."""

    def scrubbed(value):
        text = json.dumps(value, sort_keys=True, default=lambda asset: getattr(asset, "path", repr(asset)))
        text = text.replace(f"shop-{stack}-", "shop-stack-").replace(f"urn:pulumi:{stack}::", "urn:pulumi:stack::")
        return re.sub(r"-[0-9a-f]{6}([0-9a-f]{4})?\b", "-hash", text)

    return {scrubbed(each.urn): (scrubbed(each.inputs), scrubbed(asdict(each.options))) for each in graph.resources}


def test_configuration_reaches_the_graph():
    graph = shop("dev", reservationMinutes=7, inlineSeconds=3, effectDelaySeconds=44, logRetentionDays=90)
    variables = graph.one(FUNCTION, "shop-api-router").inputs["environment"]["variables"]
    assert variables["RESERVATION_MINUTES"] == "7"
    assert variables["FOLDSTACK_INLINE_SECONDS"] == "3"
    assert variables["PAYMENT_PROVIDER_URL"] == "https://payments.example.com"
    assert graph.one("aws:sqs/queue:Queue", "shop-effects-queue").inputs["delaySeconds"] == 44
    assert {each.inputs["retentionInDays"] for each in graph.of("aws:cloudwatch/logGroup:LogGroup")} == {90}


def test_no_declared_secret_has_a_plain_value():
    """The engine refuses them, a default too: "must be encrypted as it's secret"."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    for key in (key for key, value in declared.items() if value.get("secret")):
        assert "default" not in declared[key], key
        assert not [stack for stack in STACKS if key in stack_file(stack)], key


def test_every_key_of_a_stack_is_declared_with_its_type():
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    types = {"string": str, "integer": int, "boolean": bool, "object": dict}
    for value in declared.values():
        assert value["description"]
        assert value["type"] in types
    for stack in STACKS:
        for key, value in stack_file(stack).items():
            assert type(value) is types[declared[key]["type"]], key


@both
def test_nobody_comes_in_without_a_token(stack):
    graph = shop(stack)
    assert {each.inputs["authorizationType"] for each in graph.of("aws:apigatewayv2/route:Route")} == {"JWT"}
    assert not [each for each in functions(graph) if "FOLDSTACK_ANONYMOUS" in each.inputs["environment"]["variables"]]


def test_only_the_laptop_destroys_data():
    assert [stack for stack in STACKS if stack_file(stack).get("removal") == "destroy"] == ["local"]
    assert yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["removal"]["default"] == "keep"
