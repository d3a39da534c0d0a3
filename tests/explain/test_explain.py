"""`foldstack explain` and `foldstack graph`: the tree, rights with their reasons, costs, and a picture."""

import xml.etree.ElementTree as ET

import pytest
from typer.testing import CliRunner

from local.commands import app
from local.explain.picture import SHOWN, svg
from local.explain.rights import FUNCTION, rights
from tests.explain.reference import OUT, made
from tests.graph.support import ROOT, shop
from tests.graph.test_privileges import FOR_TENANTS, GRANTS

SVG = "{http://www.w3.org/2000/svg}"


def call(*arguments):
    return CliRunner().invoke(app, [*arguments, "--program", str(ROOT)])


def test_every_action_that_a_function_has_is_explained():
    graph = shop("dev")
    by_urn = {each.urn: each for each in graph.resources}
    for function in graph.of(FUNCTION):
        found = rights(function, by_urn)
        own = {action for right in found if not right.for_tenant for action in right.actions}
        tenants = {action for right in found if right.for_tenant for action in right.actions}
        assert own >= GRANTS[function.name].keys()
        assert tenants == FOR_TENANTS.get(function.name, {}).keys()
        assert all(right.why for right in found), "each statement says which grant it is"
        assert all(right.for_tenant <= right.conditions for right in found)


def test_the_tree_has_every_component_and_its_cost():
    done = call("explain")
    assert done.exit_code == 0
    for component in ("EventSourcedService shop", "ProjectionPipeline shop-views", "TenantAuth shop-auth"):
        assert component in done.output
    assert "a million commands" in done.output
    assert "at rest" in done.output


def test_a_function_is_explained_by_what_it_may_do():
    done = call("explain", "shop-relay")
    assert "publish: events:PutEvents on shop-bus, of EventSourcedService shop" in done.output
    assert "PutItem" not in done.output
    router = call("explain", "shop-api-router").output
    assert "append commits: dynamodb:PutItem, dynamodb:Query on shop-commits" in router
    assert "[for one tenant at a time]" in router


def test_data_says_that_it_is_protected_and_who_uses_it():
    done = call("explain", "shop-commits")
    assert "protected: it holds data" in done.output
    assert "shop-relay" in done.output


def test_what_is_not_there_is_answered_with_what_is():
    done = call("explain", "shop-relai")
    assert (done.exit_code, "there are shop, shop-api, shop-auth, shop-views" in done.stderr) == (1, True)
    assert "shop-effects-queue" in call("explain", "effects-q").stderr


@pytest.mark.parametrize("config", [{}, {"road": "kinesis"}, {"road": "sns"}, {"readModel": "postgres"}])
def test_the_picture_has_all_that_runs_and_is_kept(config):
    graph = shop("dev", **config)
    drawn = ET.fromstring(svg(graph.resources))
    named = {each.text.split()[1] for each in drawn.iter(f"{SVG}title")}
    wanted = {each.name for each in graph.resources if each.type in SHOWN}
    assert named == {name for name in wanted if not name.endswith(("-failures", "-parked", "-dead-letters"))}
    arrows = [each for each in drawn.iter(f"{SVG}path") if each.get("marker-end")]
    assert len(arrows) > 12
    assert svg(graph.resources) == svg(graph.resources)


def test_the_picture_of_the_readme_is_the_programs():
    assert (ROOT / "docs" / "architecture.svg").read_text() == svg(shop("dev").resources), (
        "run: foldstack graph docs/architecture.svg"
    )


def test_the_reference_is_what_the_components_say():
    assert OUT.read_text() == made(), "run: make reference"
    names = ("AnalyticsLake", "DeletionCascade", "EventSourcedService", "HttpApi", "ProjectionPipeline", "SqlStore")
    for name in (*names, "TenantAuth"):
        assert f"## {name}\n" in made()
    assert "| optional;  |" not in made(), "everything is described"
