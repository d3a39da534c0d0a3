"""The index of cascades, in memory and on the emulator's DynamoDB."""

from itertools import count
from typing import Any

import pytest
from foldstack.aws.cascade_index import DynamoCascadeIndex
from foldstack.kernel.cascade_index import CascadeIndex, MemoryCascadeIndex

_numbers = count(1)


@pytest.fixture(params=["memory", pytest.param("emulator", marks=pytest.mark.emulator)])
def index(request: pytest.FixtureRequest) -> CascadeIndex:
    if request.param == "memory":
        return MemoryCascadeIndex()
    return dynamo(request.getfixturevalue("emulator").client("dynamodb"))


def dynamo(client: Any) -> DynamoCascadeIndex:
    """One with a table of its own."""
    table = f"cascades-{next(_numbers)}"
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in "ps"],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    )
    return DynamoCascadeIndex(lambda: client, table)
