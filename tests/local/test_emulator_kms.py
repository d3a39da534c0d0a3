"""KMS on the emulator: a role's condition on what a request says that its data is about."""

from collections.abc import Iterator

import pytest

from local.emulator import Emulator

from .conftest import allow, make_role
from .test_emulator import allowed, as_role


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(tmp_path_factory.mktemp("without"), patches=()) as emulator:
        yield emulator


def test_patch_encryption_context(emulator: Emulator, without: Emulator) -> None:
    def may(running: Emulator, tenant: str) -> bool:
        key = running.client("kms").create_key()["KeyMetadata"]["Arn"]
        condition = {"StringLike": {"kms:EncryptionContext:tenant": "acme"}}
        client = as_role(running, make_role(running, allow(["kms:GenerateDataKey"], [key], Condition=condition)), "kms")
        context = {"EncryptionContext": {"tenant": tenant}} if tenant else {}
        return allowed(client.generate_data_key, KeyId=key, KeySpec="AES_256", **context)

    assert may(emulator, "acme")
    assert not may(emulator, "globex")
    assert not may(emulator, "")
    assert not may(without, "acme"), "the patch is no longer needed"
