"""The OpenAPI document that the routes make; that it is the committed one is tested in tests/preview."""

import json

from foldstack.openapi import document

from shop.service import service


def test_it_lists_the_service_s_errors_and_the_gateway_s():
    answers = document(service)["paths"]["/purchase"]["post"]["responses"]
    assert set(answers["402"]["content"]) == {"application/problem+json"}
    assert set(answers["413"]["content"]) == {"application/problem+json", "application/json"}
    assert set(answers["431"]["content"]) == {"application/json"}


def test_every_reference_resolves():
    made = document(service)
    names = set(made["components"]["schemas"])
    used = {part.split('"')[0] for part in json.dumps(made).split("#/components/schemas/")[1:]}
    assert used <= names
