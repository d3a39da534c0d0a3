from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from foldstack.aws.bodies import Bodies
from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.kernel.store import CommitStore, MemoryCommitStore
from hypothesis import HealthCheck, settings
from moto import mock_aws

from local.emulator import Emulator

# No example is judged by how fast a busy machine ran it.
settings.register_profile("foldstack", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("foldstack")

COMMITS, IDS, BUCKET = "store-commits", "store-ids", "store-bodies"


@pytest.fixture(scope="session")
def emulated(emulator: Emulator) -> dict[str, Any]:
    """Clients of the emulator, the tables made."""
    clients = {name: emulator.client(name) for name in ("dynamodb", "s3")}
    make_tables(clients)
    return clients


@pytest.fixture(scope="module")
def mocked() -> Iterator[dict[str, Any]]:
    """Clients of in-process moto, the tables made. Not for races: it lets two writers win."""
    with mock_aws():
        session = boto3.session.Session("key", "secret", region_name="us-east-1")
        clients = {name: session.client(name) for name in ("dynamodb", "s3")}
        make_tables(clients)
        yield clients


@pytest.fixture(params=["memory", "moto", pytest.param("emulator", marks=pytest.mark.emulator)])
def store(request: pytest.FixtureRequest) -> CommitStore:
    """The one conformance suite runs on each."""
    if request.param == "memory":
        return MemoryCommitStore()
    return dynamo_store(request.getfixturevalue("mocked" if request.param == "moto" else "emulated"))


@pytest.fixture(params=["memory", pytest.param("emulator", marks=pytest.mark.emulator)])
def racing_store(request: pytest.FixtureRequest) -> CommitStore:
    """The stores on which writers may race."""
    return MemoryCommitStore() if request.param == "memory" else dynamo_store(request.getfixturevalue("emulated"))


def dynamo_store(clients: dict[str, Any]) -> DynamoCommitStore:
    return DynamoCommitStore(clients["dynamodb"], COMMITS, IDS, Bodies(lambda: clients["s3"], BUCKET))


def make_tables(clients: dict[str, Any]) -> None:
    keys = {COMMITS: (("p", "S", "HASH"), ("s", "N", "RANGE")), IDS: (("p", "S", "HASH"),)}
    for table, parts in keys.items():
        clients["dynamodb"].create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind, _ in parts],
            KeySchema=[{"AttributeName": name, "KeyType": role} for name, _, role in parts],
        )
    clients["s3"].create_bucket(Bucket=BUCKET)
