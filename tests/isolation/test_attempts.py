"""Thousands of attempts at other tenants' items and objects, in sessions as functions make them.

The code's own checks are not there at all: each request is the SDK's, for whatever key the attempt chose. Half of
the sessions are of the roles as they are deployed, where some actions are missing anyway; half of a role with the
same conditions and every action, so that what refuses is the condition.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import TENANTS, Attempt, Clients, Deployed, body_of, key_of, outcome

ATTEMPTS = 2400
SERVING = ("shop-api-router", "shop-commands", "shop-effects")


class Tries:
    """Requests in a session, about a table and keys that others chose."""

    def __init__(self, deployed: Deployed, clients: Clients, rng: random.Random) -> None:
        self.stores = deployed.stores
        self.dynamodb = clients("dynamodb")
        self.s3 = clients("s3")
        self.rng = rng

    def on_items(self, table: str, key: dict[str, Any], own: dict[str, Any]) -> dict[str, Attempt]:
        """By name. `own` is a key that the session may have, to be hidden behind."""
        db, item = self.dynamodb, {**key, "secret": {"S": "stolen"}}
        text = {"p": key["p"]["S"], "s": next(iter(key["s"].values())) if "s" in key else ""}
        equal = {"KeyConditionExpression": "p = :p", "ExpressionAttributeValues": {":p": key["p"]}}
        named = {"KeyConditionExpression": "#k = :p", "ExpressionAttributeNames": {"#k": "p"}}
        legacy = {"KeyConditions": {"p": {"ComparisonOperator": "EQ", "AttributeValueList": [key["p"]]}}}
        update = {"UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "stolen"}}}
        check = {"TableName": table, "Key": key, "ConditionExpression": "attribute_exists(secret)"}
        put, mine = ({"Put": {"TableName": table, "Item": each}} for each in (item, {**own, "x": {"S": "mine"}}))

        def write(*operations: dict[str, Any]) -> Attempt:
            together = list(operations)
            self.rng.shuffle(together)
            return lambda: db.transact_write_items(TransactItems=together)

        def read(*keys: dict[str, Any]) -> Attempt:
            gets = [{"Get": {"TableName": table, "Key": each}} for each in keys]
            return lambda: db.transact_get_items(TransactItems=gets)

        return {
            "get": lambda: db.get_item(TableName=table, Key=key, ConsistentRead=self.rng.random() < 0.5),
            "put": lambda: db.put_item(TableName=table, Item=item),
            "put, if absent": lambda: db.put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(p)"
            ),
            "update": lambda: db.update_item(TableName=table, Key=key, **update),
            "delete": lambda: db.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD"),
            "query": lambda: db.query(TableName=table, **equal),
            "query, named": lambda: db.query(TableName=table, **{**equal, **named}),
            "query, the old way": lambda: db.query(TableName=table, **legacy),
            "count": lambda: db.query(TableName=table, Select="COUNT", **equal),
            "batch get": lambda: db.batch_get_item(RequestItems={table: {"Keys": [key]}}),
            "batch get, behind an own": lambda: db.batch_get_item(RequestItems={table: {"Keys": [own, key]}}),
            "batch put": lambda: db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]}),
            "batch put, behind an own": lambda: db.batch_write_item(
                RequestItems={table: [{"PutRequest": {"Item": own}}, {"PutRequest": {"Item": item}}]}
            ),
            "batch delete": lambda: db.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key}}]}),
            "transaction: put": write(put),
            "transaction: put, behind an own": write(mine, put),
            "transaction: update": write({"Update": {"TableName": table, "Key": key, **update}}),
            "transaction: delete": write({"Delete": {"TableName": table, "Key": key}}),
            "transaction: check": write({"ConditionCheck": check}),
            "transaction: check, with an own put": write({"ConditionCheck": check}, mine),
            "transaction: get": read(key),
            "transaction: get, behind an own": read(own, key),
            "PartiQL": lambda: db.execute_statement(Statement=f"SELECT * FROM \"{table}\" WHERE p = '{text['p']}'"),
            "PartiQL: insert": lambda: db.execute_statement(
                Statement=f"INSERT INTO \"{table}\" VALUE {{'p': '{text['p']}', 's': '{text['s']}'}}"
            ),
        }

    def on_all(self, table: str, key: dict[str, Any]) -> dict[str, Attempt]:
        """Those that name no key: refused to everybody."""
        db, of_p = self.dynamodb, {":p": key["p"]}
        filtered = {"FilterExpression": "p = :p", "ExpressionAttributeValues": of_p}
        return {
            "scan": lambda: db.scan(TableName=table),
            "scan, filtered": lambda: db.scan(TableName=table, **filtered),
            "scan, from a key": lambda: db.scan(TableName=table, ExclusiveStartKey=key),
            "scan, a segment": lambda: db.scan(TableName=table, Segment=0, TotalSegments=4),
            "query, a prefix": lambda: db.query(
                TableName=table, KeyConditionExpression="begins_with(p, :p)", ExpressionAttributeValues=of_p
            ),
            "PartiQL: scan": lambda: db.execute_statement(Statement=f'SELECT * FROM "{table}"'),
        }

    def on_object(self, key: str, own: str) -> dict[str, Attempt]:
        s3, bucket = self.s3, self.stores.bodies
        return {
            "object: get": lambda: s3.get_object(Bucket=bucket, Key=key),
            "object: get a part": lambda: s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0"),
            "object: head": lambda: s3.head_object(Bucket=bucket, Key=key),
            "object: put": lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"stolen"),
            "object: put, if absent": lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"stolen", IfNoneMatch="*"),
            "object: delete": lambda: s3.delete_object(Bucket=bucket, Key=key),
            "object: copy to an own": lambda: s3.copy_object(
                Bucket=bucket, Key=own, CopySource={"Bucket": bucket, "Key": key}
            ),
            "object: upload": lambda: s3.create_multipart_upload(Bucket=bucket, Key=key),
        }

    def on_listing(self, tenant: str) -> dict[str, Attempt]:
        s3, bucket = self.s3, self.stores.bodies
        return {
            "list": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"{tenant}/"),
            "list, the old way": lambda: s3.list_objects(Bucket=bucket, Prefix=f"{tenant}/"),
            "list versions": lambda: s3.list_object_versions(Bucket=bucket, Prefix=f"{tenant}/"),
        }

    def on_the_bucket(self, own: str) -> dict[str, Attempt]:
        s3, bucket = self.s3, self.stores.bodies
        prefix = self.rng.choice(["", own, own[0], f"{own}-", "globex"])
        return {
            "list all": lambda: s3.list_objects_v2(Bucket=bucket),
            "list a prefix of others": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=prefix),
            "list, after an own": lambda: s3.list_objects_v2(Bucket=bucket, StartAfter=f"{own}/"),
        }


def attempts(deployed: Deployed, rng: random.Random, count: int) -> Iterator[tuple[str, Attempt]]:
    """Each with its name and who tries what on whom."""
    stores = deployed.stores
    for _ in range(count):
        attacker, victim = rng.sample(TENANTS, 2)
        function = rng.choice(SERVING)
        wide = rng.random() < 0.5
        tries = Tries(deployed, deployed.widened(attacker) if wide else deployed.tenant(function, attacker), rng)
        table = rng.choice(stores.tables)
        key = _near(key_of(stores, table, victim, rng if rng.random() < 0.3 else None), attacker, victim, rng)
        own = key_of(stores, table, attacker, rng)
        kinds = [
            tries.on_items(table, key, own),
            tries.on_all(table, key),
            tries.on_object(rng.choice([body_of(victim), f"{victim}/x", f"{victim}/{attacker}/x"]), f"{attacker}/copy"),
            tries.on_listing(victim),
            tries.on_the_bucket(attacker),
        ]
        of_kind = rng.choices(kinds, weights=[10, 1, 4, 2, 1])[0]
        name = rng.choice(list(of_kind))
        who = "the wide role" if wide else function
        yield f"{name}: {attacker} in a session of {who}, on {key['p']['S']} of {table}", of_kind[name]


def _near(key: dict[str, Any], attacker: str, victim: str, rng: random.Random) -> dict[str, Any]:
    """Keys that look a little like the attacker's own, and are not."""
    p = key["p"]["S"]
    if rng.random() < 0.25:
        p = rng.choice(
            [
                p.replace("#", f"#{attacker}#", 1),
                f" {p}",
                f"#{p}",
                f"{victim}\n{attacker}#x",
                f"{attacker} #x",
                attacker,
            ]
        )
    return {**key, "p": {"S": p}}


def test_no_attempt_goes_through(deployed: Deployed) -> None:
    before = deployed.content()
    outcomes: dict[str, Counter[str]] = {}
    through = []
    for name, attempt in attempts(deployed, random.Random(20261120), ATTEMPTS):
        came_of_it = outcome(attempt)
        outcomes.setdefault(name.split(": ")[0], Counter())[came_of_it] += 1
        if came_of_it != "refused":
            through.append((came_of_it, name))
    assert through == []
    assert sum(counter["refused"] for counter in outcomes.values()) == ATTEMPTS
    assert deployed.content() == before


@pytest.mark.parametrize("tenant", ["a", "a-b", "acme"])
def test_the_same_requests_about_its_own_are_allowed(deployed: Deployed, tenant: str) -> None:
    """Otherwise nothing was shown: a role that refuses everything keeps tenants apart too."""
    rng, stores = random.Random(7), deployed.stores
    tries = Tries(deployed, deployed.widened(tenant), rng)
    for table in stores.tables:
        for name in tries.on_items(table, key_of(stores, table, tenant), key_of(stores, table, tenant, rng)):
            if "PartiQL" in name:
                continue
            key, own = key_of(stores, table, tenant, rng), key_of(stores, table, tenant, rng)
            if "check" in name:
                deployed.cloud.client("dynamodb").put_item(TableName=table, Item={**key, "secret": {"S": "x"}})
            assert outcome(tries.on_items(table, key, own)[name]) == "allowed", (name, table)
        for name, attempt in tries.on_all(table, key_of(stores, table, tenant)).items():
            assert outcome(attempt) == "refused", name
    s3 = deployed.cloud.client("s3")
    for name in tries.on_object("", ""):
        body = f"{tenant}/{rng.getrandbits(64)}"
        if name != "object: put, if absent":
            s3.put_object(Bucket=stores.bodies, Key=body, Body=b"x")
        assert outcome(tries.on_object(body, f"{body}-copy")[name]) == "allowed", name
    assert outcome(tries.on_listing(tenant)["list"]) == "allowed"
    assert all(outcome(attempt) == "refused" for attempt in tries.on_the_bucket(tenant).values())


LOOKS = {"get", "query", "query, named", "query, the old way", "count"}
LOOKS_TOO = {"transaction: get", "transaction: get, behind an own"}
KEEPS = {"put", "put, if absent", "transaction: put", "transaction: put, behind an own"}
BATCHES = {"batch put", "batch put, behind an own", "batch delete"}
COMMITS = (LOOKS - {"get"}) | KEEPS
IDS = {"get"} | LOOKS_TOO | KEEPS | BATCHES
GRANTED = {
    "shop-api-router": (COMMITS, IDS, LOOKS | LOOKS_TOO),
    "shop-commands": (COMMITS, IDS, set[str]()),
    "shop-effects": (COMMITS, IDS, set[str]()),
}
"""What a session of each function's role may do with items of commits, of ids, of views, of its own tenant."""


@pytest.mark.parametrize("function", SERVING)
def test_a_session_may_do_what_its_function_does_for_a_tenant_and_no_more(deployed: Deployed, function: str) -> None:
    rng, stores, tenant = random.Random(8), deployed.stores, "acme"
    tries = Tries(deployed, deployed.tenant(function, tenant), rng)
    commits, ids, views = GRANTED[function]
    for table, granted in {stores.commits: commits, stores.ids: ids, **dict.fromkeys(stores.views, views)}.items():
        key, own = (key_of(stores, table, tenant, rng) for _ in range(2))
        on_items = tries.on_items(table, key, own)
        assert {name for name, attempt in on_items.items() if outcome(attempt) != "refused"} == granted, table
    body = f"{tenant}/{rng.getrandbits(64)}"
    on_object = tries.on_object(body, f"{body}-copy")
    granted = {"object: get", "object: get a part", "object: head", "object: put", "object: put, if absent"}
    granted |= {"object: copy to an own", "object: upload"}
    assert {name for name, attempt in on_object.items() if outcome(attempt) != "refused"} == granted
    assert all(outcome(attempt) == "refused" for attempt in tries.on_listing(tenant).values()), "no function lists"
