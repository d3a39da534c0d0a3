"""A tenant with stores of its own has a key table of its own, too."""

import json

import pytest
from foldstack.aws import composition
from foldstack.aws.environment import Environment
from foldstack.kernel.errors import ConfigurationError
from foldstack.kernel.keys import Tenant

from .domain import service
from .support import memory_keys, somebody

SHARED = {"FOLDSTACK_KEY_TABLE": "shared", "FOLDSTACK_KMS_KEY": "arn:shared"}
BIG, OTHER = Tenant("big-corp"), Tenant("acme")


def environment(**of_silo: str) -> Environment:
    return Environment({**SHARED, "FOLDSTACK_SILOS": json.dumps({BIG: {"COMMIT_TABLE": "big", **of_silo}})})


def test_its_persons_keys_are_there_and_all_others_where_tenants_share(monkeypatch):
    tables = {"shared": memory_keys(), "big": memory_keys()}
    monkeypatch.setattr(composition, "_key_table", lambda env, service: tables[env.key_table])
    keyring = composition.keyring(environment(KEY_TABLE="big", KMS_KEY="arn:big"), service)
    assert keyring is not None
    for tenant in (BIG, OTHER):
        sealer = keyring.sealer(tenant, [somebody()])
        document = somebody().model_dump(mode="json", context=sealer)
        assert keyring.opener(tenant, document).document(document)["name"] == "Ada Lovelace"
    assert {name: {tenant for tenant, _ in table.kept} for name, table in tables.items()} == {
        "shared": {OTHER},
        "big": {BIG},
    }


def test_a_silo_without_a_key_table_never_uses_the_one_that_others_share(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(ConfigurationError, match="say `personal: True` to its EventSourcedService"):
        composition.keyring(environment(), service)
