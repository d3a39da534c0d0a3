"""The key table, on the emulator's DynamoDB and KMS."""

import itertools
import os
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError
from foldstack.aws.key_table import Eraser, KeyTable, Tombstone
from foldstack.aws.store_errors import error_code
from foldstack.kernel.keyring import reference
from foldstack.kernel.keys import Tenant

from local.emulator import Emulator
from tests.consumers.fakes import Watched

from .support import TENANT

pytestmark = pytest.mark.emulator

REF = reference(TENANT, "c1")
_numbers = itertools.count(1)


class Table:
    """A table and a KMS key of their own; `calls` names every request."""

    def __init__(self, emulator: Emulator) -> None:
        self.name = f"keys-{next(_numbers)}"
        self.plain = emulator.client("dynamodb")
        self.plain.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        )
        self.kms = emulator.client("kms")
        self.kms_key = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.calls: list[str] = []
        self.keys = self.another()
        self.eraser = Eraser(self.plain, self.name)

    def another(self, before: Any = lambda name: None) -> KeyTable:
        kms = Watched(self.kms, calls=self.calls)
        return KeyTable(Watched(self.plain, before=before, calls=self.calls), self.name, lambda: kms, self.kms_key)

    def item(self, ref: str = REF) -> dict[str, Any]:
        return self.plain.get_item(TableName=self.name, Key={"p": {"S": f"{TENANT}#{ref}"}})["Item"]


@pytest.fixture
def table(emulator: Emulator) -> Table:
    return Table(emulator)


def test_a_key_is_made_once_and_found_again(table):
    made = table.keys.make(TENANT, REF)
    assert made is not None
    assert len(made) == 32
    assert table.calls == ["generate_data_key", "put_item"]
    table.calls.clear()
    assert table.keys.find(TENANT, [REF, "nobody's"]) == {REF: made}
    assert table.calls == ["batch_get_item", "decrypt"]


def test_what_is_kept_is_wrapped_and_says_of_nobody_who_it_is(table):
    made = table.keys.make(TENANT, REF)
    item = table.item()
    assert item.keys() == {"p", "k", "d"}
    assert made not in bytes(item["k"]["B"])
    assert "c1" not in repr({name: value for name, value in item.items() if name != "k"})


def test_a_wrapped_key_opens_for_its_own_tenant_and_subject_alone(table):
    table.keys.make(TENANT, REF)
    wrapped = table.item()["k"]
    for tenant, ref in ((Tenant("other"), REF), (TENANT, reference(TENANT, "c2"))):
        stolen = {"p": {"S": f"{tenant}#{ref}"}, "k": wrapped, "d": {"S": "now"}}
        table.plain.put_item(TableName=table.name, Item=stolen)
        with pytest.raises(ClientError) as error:
            table.keys.find(tenant, [ref])
        assert error_code(error.value) == "InvalidCiphertextException"


def test_many_keys_take_one_read(table):
    refs = [reference(TENANT, f"c{n}") for n in range(30)]
    made = {ref: table.keys.make(TENANT, ref) for ref in refs}
    table.calls.clear()
    assert table.keys.find(TENANT, refs) == made
    assert table.calls.count("batch_get_item") == 1


def test_of_two_who_make_a_key_both_get_the_same(table):
    """The second finds the first one's in its way, whichever was asked first."""
    other: list[bytes | None] = []

    def first(name: str) -> None:
        if name == "put_item" and not other:
            other.append(None)
            other[0] = table.keys.make(TENANT, REF)

    assert table.another(before=first).make(TENANT, REF) == other[0] is not None


def test_threads_that_race_get_one_key(table):
    gate, made = threading.Barrier(8), []

    def run() -> None:
        gate.wait()
        made.append(table.another().make(TENANT, REF))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1


def test_a_tombstone_stands_where_the_key_was(table):
    made = table.keys.make(TENANT, REF)
    assert table.eraser.look(TENANT, REF) is True
    assert table.eraser.look(TENANT, "nobody's") is False
    tombstone = table.eraser.erase(TENANT, REF, "jo", "ticket 7")
    assert (tombstone.who, tombstone.why) == ("jo", "ticket 7")
    assert table.item().keys() == {"p", "d", "x", "a", "w"}
    assert made not in repr(table.item()).encode()
    assert table.keys.find(TENANT, [REF]) == {REF: None}
    assert table.keys.make(TENANT, REF) is None, "and no other key comes there"
    assert table.eraser.look(TENANT, REF) == tombstone


def test_erased_again_it_is_as_it_was_the_first_time(table):
    table.keys.make(TENANT, REF)
    first = table.eraser.erase(TENANT, REF, "jo", "ticket 7")
    assert table.eraser.erase(TENANT, REF, "al", "another") == first
    assert isinstance(table.eraser.look(TENANT, REF), Tombstone)


def test_nobody_is_erased_who_was_never_there(table):
    with pytest.raises(ClientError) as error:
        table.eraser.erase(TENANT, reference(TENANT, os.urandom(4).hex()), "jo", "why")
    assert error_code(error.value) == "ConditionalCheckFailedException"
    assert table.plain.scan(TableName=table.name)["Items"] == []
