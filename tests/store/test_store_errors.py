"""Which answers of AWS are definite, and what the store makes of each."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from foldstack.aws.bodies import Bodies
from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.aws.store_errors import ask
from foldstack.kernel.errors import StoreThrottled, StoreTimeout
from foldstack.kernel.store import IdRow

from .conftest import BUCKET, COMMITS, IDS, dynamo_store
from .domain import ClaimName
from .support import Sandbox, history, new_id, stream_id

NO_BODIES = Bodies(lambda: pytest.fail("nothing here is large"), BUCKET)


def failing(error):
    def operation(**_):
        raise error

    return operation


def client_error(code, status=400, **more):
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "PutItem")


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="u"),
        ConnectTimeoutError(endpoint_url="u"),
        EndpointConnectionError(endpoint_url="u"),
        ConnectionClosedError(endpoint_url="u"),
        client_error("InternalServerError", 500),
        client_error("ServiceUnavailable", 503),
        client_error("TransactionInProgressException"),
    ],
)
def test_what_leaves_an_outcome_open(error):
    with pytest.raises(StoreTimeout):
        ask(failing(error))


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TransactionConflictException",
    ],
)
def test_what_was_certainly_not_done(code):
    with pytest.raises(StoreThrottled):
        ask(failing(client_error(code)))


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"])
def test_what_is_nobodys_to_repeat(code):
    with pytest.raises(ClientError):
        ask(failing(client_error(code)))


class Scripted:
    """A DynamoDB client whose every method answers, or raises, what the script says next."""

    def __init__(self, *script):
        self.script = list(script)
        self.requests = []

    def __getattr__(self, name):
        def method(**parameters):
            self.requests.append((name, parameters))
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            return step

        return method


@pytest.fixture
def grown(mocked):
    """The commit of a strict command, to play with."""
    id = new_id()
    store = dynamo_store(mocked)
    Sandbox(store).done(ClaimName(shelf=id, name="n"), "claim " + id)
    return history(store, stream_id(id))[0]


def scripted(*script):
    client = Scripted(*script)
    return DynamoCommitStore(client, COMMITS, IDS, NO_BODIES, sleep=lambda seconds: None), client


def cancelled(*reasons):
    return client_error("TransactionCanceledException", CancellationReasons=list(reasons))


NONE = {"Code": "None"}


@pytest.mark.parametrize(
    "reasons",
    [
        ({"Code": "TransactionConflict"}, NONE),
        (NONE, {"Code": "ThrottlingError"}),
        ({"Code": "ProvisionedThroughputExceeded"}, {"Code": "TransactionConflict"}),
    ],
)
def test_a_transaction_that_was_refused(grown, reasons):
    store, _ = scripted(cancelled(*reasons))
    with pytest.raises(StoreThrottled):
        store.append_strict(grown)


def test_a_transaction_that_is_wrong_in_itself(grown):
    store, _ = scripted(cancelled({"Code": "ValidationError"}, NONE))
    with pytest.raises(ClientError):
        store.append_strict(grown)


def test_a_transaction_whose_row_is_its_own_is_put_again_for_its_commit(grown):
    """The row alone came back, the commit's part met another conflict: only the commit itself is an answer."""
    row = {"p": {"S": "-"}, "k": {"S": grown.stream.key}, "h": {"S": "h"}, "s": {"N": "1"}}
    reasons = {"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed", "Item": row}
    store, _ = scripted(cancelled(*reasons))
    with pytest.raises(StoreThrottled):
        store.append_strict(grown)


def test_a_row_beats_a_strangers_commit(grown):
    row = {"p": {"S": "-"}, "k": {"S": "acme#shelf#other"}, "h": {"S": "h"}, "s": {"N": "4"}}
    stranger, _ = scripted({"Attributes": {}})
    item = {**stranger._item(grown), "i": {"S": "somebody else"}}
    failed = "ConditionalCheckFailed"
    store, _ = scripted(cancelled({"Code": failed, "Item": item}, {"Code": failed, "Item": row}))
    assert store.append_strict(grown) == IdRow(grown.command_id, "h", stream_id("other"), 4)


def test_a_read_is_tried_three_times():
    lost = ReadTimeoutError(endpoint_url="u")
    store, client = scripted(lost, client_error("ThrottlingException"), {"Items": []})
    assert store.newest(stream_id("x"), 5).commits == []
    assert len(client.requests) == 3
    store, client = scripted(lost, lost, lost, {"Items": []})
    with pytest.raises(StoreTimeout):
        store.since(stream_id("x"), 5)


def test_a_put_is_tried_once(grown):
    store, client = scripted(ReadTimeoutError(endpoint_url="u"), {})
    with pytest.raises(StoreTimeout):
        store.append(grown)
    with pytest.raises(StoreTimeout):
        DynamoCommitStore(Scripted(ReadTimeoutError(endpoint_url="u"), {}), COMMITS, IDS, NO_BODIES).append_strict(
            grown
        )
    assert len(client.requests) == 1


def test_what_a_batch_left_over_is_put_again():
    rows = [IdRow(f"k{n}", "h", stream_id("x"), n) for n in range(1, 31)]
    left = {"PutRequest": {"Item": {"p": {"S": "left"}}}}
    store, client = scripted({"UnprocessedItems": {IDS: [left]}}, {"UnprocessedItems": {}}, {})
    store.keep_ids(rows)
    batches = [parameters["RequestItems"][IDS] for _, parameters in client.requests]
    assert [len(batch) for batch in batches] == [25, 1, 5]
    assert batches[1] == [left]
    store, _ = scripted(*[{"UnprocessedItems": {IDS: [left]}}] * 20)
    with pytest.raises(StoreThrottled):
        store.keep_ids(rows)


def test_reads_are_consistent_only_where_asked(mocked):
    store, client = scripted(*[{"Items": []}] * 4, {})
    store.newest(stream_id("x"), 5)
    store.newest(stream_id("x"), 5, consistent=True)
    store.since(stream_id("x"), 5)
    store.since(stream_id("x"), 5, consistent=False)
    store.find_id(stream_id("x"), "k")
    asked = [parameters.get("ConsistentRead", False) for _, parameters in client.requests]
    assert asked == [False, True, True, False, True]


def test_an_id_row_is_kept_for_30_days():
    client = Scripted({})
    store = DynamoCommitStore(client, COMMITS, IDS, NO_BODIES, now=lambda: 1_000_000.5)
    store.keep_ids([IdRow("k", "h", stream_id("x"), 7)])
    item = client.requests[0][1]["RequestItems"][IDS][0]["PutRequest"]["Item"]
    assert item == {
        "p": {"S": "acme#k#shelf#x"},
        "k": {"S": "acme#shelf#x"},
        "h": {"S": "h"},
        "s": {"N": "7"},
        "ttl": {"N": str(1_000_000 + 30 * 86400)},
    }
