"""A domain without personal fields loads nothing of them, and its commands look at nothing."""

import subprocess
import sys

import pytest
from foldstack.kernel.aggregate import Aggregate

from shop.product import product
from tests.package.support import ROOT

MODULES = "foldstack.handlers.http foldstack.handlers.commands foldstack.handlers.effects foldstack.handlers.projector"
PROGRAM = """
import importlib, os, sys
os.environ.update({domain}, FOLDSTACK_SERVICE="x", FOLDSTACK_COMMIT_TABLE="c", FOLDSTACK_ID_TABLE="i",
    FOLDSTACK_BODIES_BUCKET="b", FOLDSTACK_PARKED_QUEUE="https://queue", AWS_DEFAULT_REGION="us-east-1",
    FOLDSTACK_VIEW_TABLES='{views}', POWERTOOLS_SERVICE_NAME="x")
for module in sys.argv[1:]:
    importlib.import_module(module)
print(*sys.modules)
"""


def loaded(domain: str, view: str, **more: str) -> set[str]:
    """What is loaded when all functions of a domain have started."""
    program = PROGRAM.format(domain={"FOLDSTACK_DOMAIN": domain, **more}, views=f'{{"{view}": "t"}}')
    done = subprocess.run(
        [sys.executable, "-c", program, *MODULES.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def ours(modules: set[str]) -> set[str]:
    return {each for each in modules if each.startswith("foldstack.") and ("personal" in each or "key" in each)}


def test_the_shop_loads_no_cipher_and_none_of_what_is_for_persons():
    modules = loaded("shop:service", "products")
    assert ours(modules) == {"foldstack.kernel.keys"}
    assert not {each.partition(".")[0] for each in modules} & {"cryptography", "cffi", "_cffi_backend"}


def test_a_domain_with_personal_fields_loads_its_cipher_with_the_first_of_them():
    keys = {"FOLDSTACK_KEY_TABLE": "k", "FOLDSTACK_KMS_KEY": "arn:aws:kms:us-east-1:1:key/k"}
    modules = loaded("tests.erasure.domain:service", "customers", **keys)
    assert ours(modules) >= {"foldstack.kernel.personal", "foldstack.kernel.keyring", "foldstack.aws.key_table"}
    assert "cryptography" not in modules


def test_without_its_keys_such_a_domain_does_not_start():
    with pytest.raises(subprocess.CalledProcessError) as error:
        loaded("tests.erasure.domain:service", "customers")
    assert (
        "FOLDSTACK_KEY_TABLE is not set, and customers has personal fields: say `personal: True`" in error.value.stderr
    )


def test_an_aggregate_is_looked_through_once(monkeypatch):
    looks = []
    monkeypatch.setattr("foldstack.kernel.personal_check.of_aggregate", lambda each: looks.append(each) or ())
    fresh = Aggregate("fresh", product.state_type)
    assert [fresh.personal for _ in range(3)] == [False] * 3
    assert looks == [fresh]


def test_the_layer_has_a_cipher_only_where_it_is_asked_for():
    pins = {
        name: (ROOT / "components" / f"{name}.txt").read_text()
        for name in ("lambda_requirements", "lambda_requirements_personal")
    }
    assert "\ncryptography==" not in pins["lambda_requirements"]
    assert "\ncryptography==" in pins["lambda_requirements_personal"]
