"""Commits over 300 KB: body and snapshot in the bucket, under the tenant and their own hash."""

import hashlib
import random

import pytest
from botocore.exceptions import ConnectionError as NoConnection
from foldstack.aws import consumption
from foldstack.aws.bodies import Bodies
from foldstack.aws.commit_item import LARGEST_ITEM, item_size
from foldstack.kernel.errors import StoreThrottled, StoreTimeout, UndecodableEvent
from foldstack.kernel.keys import Tenant

from .conftest import BUCKET, COMMITS, dynamo_store
from .domain import OpenShelf, PostNote, TakeUnit
from .support import TENANT, Sandbox, folded, history, new_id, stream_id


@pytest.fixture(params=["mocked", pytest.param("emulated", marks=pytest.mark.emulator)])
def clients(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def id():
    return new_id()


def incompressible(size, seed=1):
    return random.Random(seed).randbytes(size // 2).hex()


def raw_items(clients, id):
    answer = clients["dynamodb"].query(
        TableName=COMMITS,
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": stream_id(id).key}},
    )
    return answer["Items"]


def bucket_keys(clients):
    return [each["Key"] for each in clients["s3"].list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_a_large_commit_on_any_store(store, id):
    text = incompressible(900_000)
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=5))
    sandbox.done(PostNote(shelf=id, text=text), "note")
    sandbox.done(TakeUnit(shelf=id, by="me"))
    made = history(store, stream_id(id))
    assert made[1].stored[0].data == {"text": text}
    assert Sandbox(store).state(id) == folded(made)
    assert Sandbox(store).done(PostNote(shelf=id, text=text), "note").replayed


def test_the_item_points_to_the_object(clients, id):
    store = dynamo_store(clients)
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=5))
    sandbox.done(PostNote(shelf=id, text=incompressible(700_000)))
    small, large = raw_items(clients, id)
    assert "b" in small
    assert "o" not in small
    assert "b" not in large
    assert "z" not in large
    owner, _, digest = large["o"]["S"].partition("/")
    assert owner == TENANT
    content = clients["s3"].get_object(Bucket=BUCKET, Key=large["o"]["S"])["Body"].read()
    assert hashlib.sha256(content).hexdigest() == digest
    assert large["t"] == {"L": [{"S": "NotePosted"}]}, "types stay in the item: the relay filters by them"


def test_a_snapshot_that_is_too_large_goes_with_the_body(clients, id):
    """The 20th commit carries a snapshot: here it is the snapshot alone that does not fit."""
    from dataclasses import replace

    store = dynamo_store(clients)
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=5))
    commit = replace(history(store, stream_id(id))[0], first=2, next=3, command_id="x", snapshot=bytes(LARGEST_ITEM))
    assert store.append(commit) is None
    assert "z" not in raw_items(clients, id)[1]
    assert store.newest(stream_id(id), 1).commits == [commit]


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_is_the_whole_item(clients, id, over):
    from dataclasses import replace

    store = dynamo_store(clients)
    Sandbox(store).done(OpenShelf(shelf=id, units=5))
    first = history(store, stream_id(id))[0]
    bare = item_size(raw_items(clients, id)[0]) - len(first.body)
    consumption.reset()
    commit = replace(first, first=2, next=3, body=random.randbytes(LARGEST_ITEM - bare - 1 + over), command_id="y" * 32)
    assert len(first.command_id) == 32
    store.append(commit)
    assert ("o" in raw_items(clients, id)[1]) == bool(over)
    whole = LARGEST_ITEM - 1 + over
    assert 0 <= consumption.taken()["stored_bytes"] - whole <= 100 * over, "wherever the body is"
    assert store.newest(stream_id(id), 1).commits == [commit]


def test_a_losing_racer_does_not_touch_the_winners_body(clients, id):
    store = dynamo_store(clients)
    for sandbox, seed in ((Sandbox(store), 2), (Sandbox(store), 3)):
        sandbox.do(PostNote(shelf=id, text=incompressible(700_000, seed)), deadline=sandbox.clock() + 10)
    made = history(store, stream_id(id))
    assert [c.stored[0].data["text"] for c in made] == [incompressible(700_000, 2), incompressible(700_000, 3)]


def test_the_same_body_twice_is_one_object(clients, id):
    bodies = Bodies(lambda: clients["s3"], BUCKET)
    before = len(bucket_keys(clients))
    tenant = Tenant("t" + id)
    key = bodies.put(tenant, b"content")
    assert bodies.put(tenant, b"content") == key
    assert len(bucket_keys(clients)) == before + 1
    assert bodies.get(tenant, key) == b"content"


def test_a_body_is_put_only_if_absent(clients, id):
    """What lies there stays, even if somebody put something else under that name: reading then says so."""
    bodies = Bodies(lambda: clients["s3"], BUCKET)
    content = b"content of " + id.encode()
    key = f"{TENANT}/{hashlib.sha256(content).hexdigest()}"
    clients["s3"].put_object(Bucket=BUCKET, Key=key, Body=b"forged")
    assert bodies.put(TENANT, content) == key
    with pytest.raises(UndecodableEvent, match="hash differs"):
        bodies.get(TENANT, key)


def test_a_body_that_is_gone_is_named(clients):
    with pytest.raises(UndecodableEvent, match=r"acme/00 is not in store-bodies"):
        Bodies(lambda: clients["s3"], BUCKET).get(TENANT, "acme/00")


def test_no_commit_reads_the_body_of_another_tenant(clients):
    bodies = Bodies(lambda: clients["s3"], BUCKET)
    key = bodies.put(Tenant("rich"), b"secret")
    with pytest.raises(UndecodableEvent, match="another tenant"):
        bodies.get(Tenant("curious"), key)


class NoBucket:
    def put_object(self, **_):
        raise NoConnection(error="down")

    def get_object(self, **_):
        raise NoConnection(error="down")


def test_a_body_that_can_not_be_stored_means_that_nothing_was_put(mocked, id):
    from foldstack.aws.commit_store import DynamoCommitStore

    store = DynamoCommitStore(mocked["dynamodb"], COMMITS, "store-ids", Bodies(NoBucket, BUCKET))
    Sandbox(store).done(OpenShelf(shelf=id, units=5))
    large = history(store, stream_id(id))[0]
    object.__setattr__(large, "body", bytes(LARGEST_ITEM))
    with pytest.raises(StoreThrottled):
        store.append(large)
    with pytest.raises(StoreThrottled):
        store.append_strict(large)
    with pytest.raises(StoreTimeout):
        Bodies(NoBucket, BUCKET).get(TENANT, "acme/x")


def test_no_bucket_client_is_made_for_small_commits(mocked, id):
    from foldstack.aws.commit_store import DynamoCommitStore

    def never():
        raise AssertionError("nobody needs the bucket")

    sandbox = Sandbox(DynamoCommitStore(mocked["dynamodb"], COMMITS, "store-ids", Bodies(never, BUCKET)))
    sandbox.done(OpenShelf(shelf=id, units=5))
    assert sandbox.state(id).left == 5
