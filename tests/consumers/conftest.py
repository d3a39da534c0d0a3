import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from foldstack.aws.bodies import Bodies
from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.aws.view_operations import DynamoViewOperations

from local.emulator import Emulator

from .domain import POISONED
from .fakes import MemoryViewStore
from .library import PROJECTIONS

NewViews = Callable[..., Any]

_numbers = count(1)


@pytest.fixture(autouse=True)
def no_poison() -> Iterator[None]:
    POISONED.clear()
    yield
    POISONED.clear()


@pytest.fixture
def tables(emulator: Emulator) -> "Tables":
    """New tables on the emulator."""
    return Tables(emulator, next(_numbers))


@pytest.fixture(params=["memory", pytest.param("emulator", marks=pytest.mark.emulator), "postgres"])
def views(request: pytest.FixtureRequest) -> Any:
    """The one suite of the port runs on each."""
    if request.param == "postgres":
        return request.getfixturevalue("database").store(PROJECTIONS)
    return MemoryViewStore() if request.param == "memory" else request.getfixturevalue("tables").views()


@pytest.fixture(params=["memory", "postgres"])
def new_views(request: pytest.FixtureRequest) -> NewViews:
    """Makes empty view stores: the projector's suites run on items in memory, and on a real PostgreSQL."""
    if request.param == "memory":
        return MemoryViewStore
    database = request.getfixturevalue("database")
    return lambda seed=0: database.store(PROJECTIONS, rng=random.Random(seed))


class Tables:
    """A service's tables, as the components make them."""

    def __init__(self, emulator: Emulator, number: int) -> None:
        self.emulator = emulator
        self.dynamodb = emulator.client("dynamodb")
        self.commits, self.ids, self.bucket = f"commits-{number}", f"ids-{number}", f"bodies-{number}"
        self.of_views = {projection.name: f"view-{projection.name}-{number}" for projection in PROJECTIONS}
        self._table(self.commits, p="S", s="N")
        self._table(self.ids, p="S")
        for name in self.of_views.values():
            self._table(name, p="S", s="S")
        emulator.client("s3").create_bucket(Bucket=self.bucket)

    def views(self) -> DynamoViewOperations:
        return DynamoViewOperations(self.dynamodb, self.of_views)

    def empty(self) -> None:
        """Of all rows of views."""
        for name in self.of_views.values():
            for item in self.dynamodb.scan(TableName=name)["Items"]:
                self.dynamodb.delete_item(TableName=name, Key={"p": item["p"], "s": item["s"]})

    def store(self) -> DynamoCommitStore:
        return DynamoCommitStore(self.dynamodb, self.commits, self.ids, self.bodies())

    def bodies(self) -> Bodies:
        return Bodies(lambda: self.emulator.client("s3"), self.bucket)

    def _table(self, name: str, **keys: str) -> None:
        stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
            KeySchema=[
                {"AttributeName": key, "KeyType": role} for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            **(stream if name == self.commits else {}),
        )
