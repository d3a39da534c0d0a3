"""Contracts: what is committed is what the models say, and a preview tells what a change means to others."""

import copy
import json

import pytest
from foldstack.contracts import documents
from typer.testing import CliRunner

from local.commands import app
from local.preview import contract_files
from local.preview.contract_changes import contract_changes
from local.program import deploy
from local.stack_files import read_stack_files
from shop.service import service
from tests.graph.support import ROOT
from tests.preview.conftest import git

MADE = documents(service)
MESSAGES, ROUTES, ASYNC = "shop.messages.json", "shop.openapi.json", "shop.asyncapi.json"


def test_what_is_committed_is_what_the_models_say():
    committed = {each.name: json.loads(each.read_text()) for each in (ROOT / "contracts").glob("*.json")}
    assert committed == MADE, "run: foldstack contracts --write"


def test_a_stack_with_a_lake_offers_its_questions():
    files = read_stack_files(ROOT, "local", encrypted=True)
    made = json.loads(contract_files.made(files, deploy(files).resources)[ROUTES])
    assert made["paths"].keys() - MADE[ROUTES]["paths"].keys() == {
        "/tasks/low-stock",
        "/tasks/revenue-per-day",
        "/tasks/{taskId}",
    }


def test_every_reference_resolves():
    for name in (ASYNC, ROUTES):
        schemas = MADE[name]["components"]["schemas"].keys()
        used = {part.split('"')[0] for part in json.dumps(MADE[name]).split("#/components/schemas/")[1:]}
        assert used <= schemas
        assert "$defs" not in json.dumps(MADE[name])


def test_every_message_is_in_them():
    assert MADE[MESSAGES]["events"].keys() >= {"ProductCreated", "PurchasePaid"}
    assert MADE[MESSAGES]["commands"].keys() == service.commands.keys()
    travelling = MADE[ASYNC]["components"]["schemas"]["Commit"]["properties"]["data"]["items"]["oneOf"]
    assert {each["properties"]["type"]["const"] for each in travelling} == MADE[MESSAGES]["events"].keys()


def with_field(schema, required=False):
    schema["properties"]["colour"] = {"type": "string"}
    schema["required"] = [*schema.get("required", []), *(["colour"] if required else [])]
    return schema


def changed(name, *path, to=None, gone=False):
    """What is said of one edit; `to` may be a function of what was there."""
    edited = copy.deepcopy(MADE)
    place = edited[name]
    for step in path[:-1]:
        place = place[step]
    if gone:
        del place[path[-1]]
    else:
        place[path[-1]] = to(place.get(path[-1])) if callable(to) else to
    return [(each.breaking, each.what) for each in contract_changes(MADE, edited)]


EVENT = ("events", "ProductCreated")
FIELDS = (*EVENT, "schema", "properties")
BODY = ("components", "schemas", "NewProduct")
ANSWER = ("components", "schemas", "ProductAnswer", "properties")


def test_nothing_is_said_of_what_is_the_same():
    assert contract_changes(MADE, copy.deepcopy(MADE)) == []


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (changed(MESSAGES, *FIELDS, "name", gone=True), "event ProductCreated.name"),
        (changed(MESSAGES, *FIELDS, "stock", to={"type": "string"}), "event ProductCreated.stock"),
        (changed(MESSAGES, *EVENT, "version", to=0), "event ProductCreated"),
        (changed(MESSAGES, *EVENT, gone=True), "event ProductCreated"),
        (
            changed(MESSAGES, *EVENT, "schema", to=lambda was: with_field(was, required=True)),
            "event ProductCreated.colour",
        ),
        (changed(MESSAGES, "commands", "CreateProduct", gone=True), "command CreateProduct"),
        (changed(ROUTES, "paths", "/purchase", gone=True), "POST /purchase"),
        (changed(ROUTES, "paths", "/products", "get", gone=True), "GET /products"),
        (changed(ROUTES, *BODY, to=lambda was: with_field(was, required=True)), "POST /products, body.colour"),
        (changed(ROUTES, *ANSWER, "available", gone=True), "POST /products, 201.available"),
        (changed(ROUTES, *BODY, "properties", "name", "maxLength", to=10), "POST /products, body.name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_others_is_said_to(edit, what):
    assert (True, what) in edit


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (changed(MESSAGES, *EVENT, "version", to=2), "event ProductCreated"),
        (changed(MESSAGES, *EVENT, "schema", to=lambda was: with_field(was)), "event ProductCreated.colour"),
        (changed(MESSAGES, "events", "ProductPainted", to={"version": 1, "schema": {}}), "event ProductPainted"),
        (changed(ROUTES, "paths", "/paints", to={"get": {"responses": {}}}), "GET /paints"),
        (changed(ROUTES, *BODY, to=lambda was: with_field(was)), "POST /products, body.colour"),
        (changed(ROUTES, *BODY, "properties", "name", "maxLength", to=1000), "POST /products, body.name"),
        (changed(ROUTES, *ANSWER, "colour", to={"type": "string"}), "POST /products, 201.colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_others_need_not_know_is_told_and_breaks_nothing(edit, what):
    assert (False, what) in edit
    assert not any(breaking for breaking, _ in edit)


def test_an_event_that_is_gone_may_be_read_through_an_upcaster():
    edited = copy.deepcopy(MADE)
    del edited[MESSAGES]["events"]["ProductCreated"]
    edited[MESSAGES]["gone"] = {"ProductCreated": [1]}
    assert [(each.breaking, each.said) for each in contract_changes(MADE, edited)] == [(False, "gone, and upcast")]


def test_a_preview_tells_it_and_ends_with_4(program):
    def call(command: str, *arguments: str):
        return CliRunner().invoke(app, [command, "--program", str(program), *arguments])

    assert call("contracts").exit_code == 1
    assert call("contracts", "--write").exit_code == 0
    git(program, "add", ".")
    git(program, "commit", "-qm", "Contracts")
    document = program / "contracts" / "days.messages.json"
    document.write_text(document.read_text().replace('"at"', '"when"'))
    assert "days.messages.json" in call("contracts").stderr
    done = call("preview")
    assert done.exit_code == 4
    assert done.output.startswith("Contracts broken")
    assert "event DayClosed.at: gone" in done.output
    assert json.loads(call("preview", "--format", "json").output)["contracts"][0]["breaking"] is True
    assert "> breaks `event DayClosed.at`" in call("preview", "--format", "markdown").output
