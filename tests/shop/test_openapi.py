"""The OpenAPI document that the routes make; that it is the committed one is tested in tests/preview."""

import json
from pathlib import Path

from foldstack.lake.questions import questions
from foldstack.openapi import document

from shop.service import service

ROOT = Path(__file__).resolve().parents[2]


def test_it_lists_the_service_s_errors_and_the_gateway_s():
    answers = document(service)["paths"]["/purchase"]["post"]["responses"]
    assert set(answers["402"]["content"]) == {"application/problem+json"}
    assert set(answers["413"]["content"]) == {"application/problem+json", "application/json"}
    assert set(answers["431"]["content"]) == {"application/json"}


def test_questions_of_a_lake_are_routes():
    made = document(service, questions(ROOT / "shop" / "lake").values())
    asking = made["paths"]["/tasks/low-stock"]["post"]
    assert asking["requestBody"]["content"]["application/json"]["schema"]["properties"].keys() == {"most", "created"}
    assert "For the roles admin." in asking["description"]
    assert asking["responses"].keys() >= {"202", "400", "401", "403", "404", "422", "429"}
    looking = made["paths"]["/tasks/{taskId}"]["get"]
    assert "For whoever asked." in looking["description"]
    names = set(made["components"]["schemas"])
    assert {part.split('"')[0] for part in json.dumps(made).split("#/components/schemas/")[1:]} <= names
    assert not [path for path in document(service)["paths"] if path.startswith("/tasks")]


def test_every_reference_resolves():
    made = document(service)
    names = set(made["components"]["schemas"])
    used = {part.split('"')[0] for part in json.dumps(made).split("#/components/schemas/")[1:]}
    assert used <= names
