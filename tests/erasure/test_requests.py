"""What a command asks of AWS: one write to the commit table, and one read more where there are personal keys."""

import itertools

import pytest
from foldstack.aws.bodies import Bodies
from foldstack.aws.cipher import AesGcm
from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.kernel.executor import Executor
from foldstack.kernel.keyring import LIFE, Keyring

from local.emulator import Emulator
from tests.consumers.fakes import Watched

from .domain import ChangeEmail, Earn, Greet, mail
from .support import Sandbox, somebody
from .test_key_table import Table

pytestmark = pytest.mark.emulator
_numbers = itertools.count(1)


class OnDynamo(Sandbox):
    """`calls` names every request to DynamoDB, S3 and KMS, in order."""

    def __init__(self, emulator: Emulator, table: Table, commits: str) -> None:
        self.parts = emulator, table, commits
        self.calls = table.calls
        dynamodb = Watched(emulator.client("dynamodb"), calls=self.calls)
        store = DynamoCommitStore(
            dynamodb, commits, "no-ids", Bodies(lambda: emulator.client("s3"), "none"), sleep=lambda seconds: None
        )
        super().__init__(keys=table.keys)
        self.executor = Executor(store, keyring=self.keyring)

    def another(self) -> "OnDynamo":
        return OnDynamo(*self.parts)

    def asked(self, command, **options) -> list[str]:
        self.calls.clear()
        self.done(command, **options)
        return list(self.calls)


@pytest.fixture
def sandbox(emulator: Emulator) -> OnDynamo:
    name = f"customers-{next(_numbers)}"
    emulator.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    )
    return OnDynamo(emulator, Table(emulator), name)


READ_KEY = ["batch_get_item", "decrypt"]
MAKE_KEY = ["batch_get_item", "generate_data_key", "put_item"]


def test_the_requests_of_each_command(sandbox):
    assert sandbox.asked(somebody()) == [*MAKE_KEY, "put_item"], "the key is kept before the commit that needs it"
    assert sandbox.asked(ChangeEmail(customer_id="c1", email="a@example.org")) == ["put_item"]
    assert sandbox.asked(Earn(customer_id="c1", points=1), key="k1") == [*MAKE_KEY, "put_item"], "the tenant's, once"
    assert sandbox.asked(Greet(customer_id="c1"), key="k2", aggregate=mail) == ["query", "put_item"]
    sandbox.clock.pass_by(LIFE)
    assert sandbox.asked(Greet(customer_id="c1"), key="k3", aggregate=mail) == ["put_item"], "nobody erases a tenant"
    cold = sandbox.another()
    assert cold.asked(ChangeEmail(customer_id="c1", email="b@example.org")) == ["query", *READ_KEY, "put_item"]
    cold.clock.pass_by(LIFE)
    assert cold.asked(ChangeEmail(customer_id="c1", email="c@example.org")) == ["query", *READ_KEY, "put_item"]


def test_commands_without_personal_fields_ask_for_no_key(sandbox):
    greet = Greet(customer_id="c1")
    assert sandbox.asked(greet, aggregate=mail) == ["query", "put_item"]
    assert sandbox.asked(greet, aggregate=mail) == ["put_item"]
    assert sandbox.another().asked(greet, aggregate=mail) == ["query", "put_item"]


def test_the_erased_are_looked_up_like_the_others_and_kms_is_not_asked(sandbox):
    sandbox.done(somebody())
    table = sandbox.parts[1]
    table.eraser.erase(
        "acme", table.plain.scan(TableName=table.name)["Items"][0]["p"]["S"].partition("#")[2], "jo", "x"
    )
    assert sandbox.another().asked(Earn(customer_id="c1", points=1)) == ["query", "batch_get_item", "put_item"]


def test_the_cipher_is_made_by_the_first_personal_value_alone(sandbox):
    made = []

    def make():
        made.append(1)
        return AesGcm()

    executor = Executor(sandbox.executor.store, keyring=Keyring(sandbox.keys, make))
    sandbox.executor = executor
    sandbox.done(Greet(customer_id="c1"), "k1", aggregate=mail)
    assert made == []
    sandbox.done(somebody())
    assert made == [1]
