"""The runtime's own clients against a server that hangs up, and against the emulator."""

import re
import socket
import threading

import pytest
from botocore.exceptions import ConnectionClosedError
from foldstack.aws import clients, consumption
from foldstack.aws.bodies import Bodies
from foldstack.aws.commit_item import item_size
from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.kernel.errors import StoreTimeout
from foldstack.kernel.store import MemoryCommitStore

from .conftest import BUCKET, COMMITS, IDS
from .domain import ClaimName, OpenShelf, TakeUnit
from .support import Sandbox, history, new_id, stream_id


@pytest.fixture
def surroundings(monkeypatch):
    """What Lambda's environment says; `AWS_ENDPOINT_URL` is for the test to set."""
    clients.client.cache_clear()
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    clients.session.cache_clear()  # it remembers the credentials of the test before
    yield monkeypatch
    clients.commit_table().close()
    clients.client("dynamodb").close()
    clients.client.cache_clear()


@pytest.fixture
def store(surroundings, emulator, emulated):
    """The runtime's clients, told of the emulator by their environment alone."""
    keys = emulated["dynamodb"]._request_signer._credentials
    surroundings.setenv("AWS_ENDPOINT_URL", emulator.url)
    surroundings.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    surroundings.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    consumption.reset()
    yield DynamoCommitStore(clients.commit_table(), COMMITS, IDS, Bodies(lambda: clients.client("s3"), BUCKET))
    consumption.reset()


@pytest.fixture
def deaf(surroundings):
    """A server that hangs up on every request; yields those it was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        requests: list[bytes] = []

        def hang_up():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                requests.append(connection.recv(65536))
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        surroundings.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield requests
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_commit_table_is_asked_once_and_others_three_times(surroundings):
    for client, attempts in ((clients.commit_table(), 1), (clients.client("dynamodb"), 3), (clients.client("s3"), 3)):
        config = client.meta.config
        assert config.retries["total_max_attempts"] == attempts
        assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert clients.commit_table() is clients.commit_table()


def test_a_client_says_who_it_is_in_few_words(deaf):
    with pytest.raises(ConnectionClosedError):
        clients.client("dynamodb", attempts=1).list_tables()
    (agent,) = (line for line in deaf[0].split(b"\r\n") if line.startswith(b"User-Agent: "))
    powertools = rb"( PT/\S+ PTEnv/\S+)?"  # which adds itself to every session made after it was imported
    assert re.fullmatch(rb"User-Agent: Botocore/[0-9.]+ foldstack" + powertools, agent)


def test_a_put_without_an_answer_left_the_process_once(deaf):
    store = DynamoCommitStore(
        clients.commit_table(), COMMITS, IDS, Bodies(lambda: None, BUCKET), sleep=lambda seconds: None
    )
    grown = MemoryCommitStore()
    Sandbox(grown).done(OpenShelf(shelf="one", units=1))
    with pytest.raises(StoreTimeout):
        store.append(history(grown, stream_id("one"))[0])
    assert len(deaf) == 1
    with pytest.raises(StoreTimeout):
        store.newest(stream_id("one"), 1)
    assert len(deaf) == 4, "a read is tried three times"


@pytest.mark.emulator
def test_units_are_counted_as_the_service_reports_them(store, emulated):
    id = new_id()
    Sandbox(store).done(OpenShelf(shelf=id, units=1))
    assert consumption.taken() == {
        "requests": 1,
        "read_units": 0.0,
        "write_units": 1.0,
        "stored_bytes": sum(map(item_size, items(emulated, id))),
        "tables": {COMMITS: {"reads": 0, "writes": 1, "read_units": 0.0, "write_units": 1.0}},
    }
    consumption.reset()
    cold = Sandbox(store)
    cold.done(ClaimName(shelf=id, name="n"), "claim" + id)
    taken = consumption.taken()
    assert (taken["requests"], taken["read_units"], taken["write_units"]) == (3, 0.5, 4.0)
    assert taken["stored_bytes"] == item_size(items(emulated, id)[-1])
    assert taken["tables"][IDS] == {"reads": 0, "writes": 1, "read_units": 0.0, "write_units": 2.0}
    consumption.reset()
    assert consumption.taken()["requests"] == 0
    cold.do(TakeUnit(shelf=id, by="a"))
    cold.do(TakeUnit(shelf=id, by="b"))
    assert consumption.taken()["tables"][COMMITS]["reads"] == 1, "the rejection was confirmed"
    assert consumption.taken()["stored_bytes"] == item_size(items(emulated, id)[-1]), "a rejection stores nothing"


def items(emulated, id):
    """The commits of a stream, oldest first."""
    return emulated["dynamodb"].query(
        TableName=COMMITS,
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": stream_id(id).key}},
    )["Items"]


@pytest.mark.emulator
def test_a_batch_of_statements_is_one_write(store):
    id = new_id()
    text = f"INSERT INTO \"{COMMITS}\" VALUE {{'p': ?, 's': ?}}"
    statements = [{"Statement": text, "Parameters": [{"S": id}, {"N": str(n)}]} for n in (1, 2)]
    clients.views().batch_execute_statement(Statements=statements)
    assert consumption.taken()["tables"] == {COMMITS: {"reads": 0, "writes": 1, "read_units": 0.0, "write_units": 2.0}}


@pytest.mark.emulator
def test_a_request_that_failed_is_counted(store):
    id = new_id()
    Sandbox(store).done(OpenShelf(shelf=id, units=1))
    Sandbox(store).do(OpenShelf(shelf=id, units=1))
    assert consumption.taken()["tables"][COMMITS]["writes"] == 2


def test_a_request_without_an_answer_is_counted(deaf):
    consumption.reset()
    store = DynamoCommitStore(
        clients.commit_table(), COMMITS, IDS, Bodies(lambda: None, BUCKET), sleep=lambda seconds: None
    )
    with pytest.raises(StoreTimeout):
        store.newest(stream_id("one"), 1)
    assert consumption.taken()["tables"] == {COMMITS: {"reads": 3, "writes": 0, "read_units": 0.0, "write_units": 0.0}}
    consumption.reset()
