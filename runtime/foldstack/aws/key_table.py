"""The key table: one item for each subject of a tenant, the key wrapped by KMS, or a tombstone in its place.

| attribute | of a key                            | of a tombstone                        |
|-----------|-------------------------------------|---------------------------------------|
| p         | `{tenant}#{reference}`              | the same                              |
| k         | the wrapped key                     | none                                  |
| d         | when it was made                    | when it was made                      |
| x, a, w   | none                                | when it was erased, by whom, and why  |

KMS binds each key to its tenant and reference by the encryption context. CloudTrail shows that; it says of nobody who
it is.
"""

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from ..kernel.errors import StoreThrottled
from ..kernel.keys import Tenant
from .sessions import Sessions, client_for
from .store_errors import ask, error_code

_MOST_READ = 100
_TRIES = 4
_PAUSE = 0.05
_UNWRAPPED_AT_ONCE = 8


class Tombstone(NamedTuple):
    """A key that was erased: `at` in RFC 3339."""

    at: str
    who: str
    why: str


class KeyTable:
    """See `keyring.Keys`. `kms` makes the KMS client: only what is not known yet needs it. With `sessions` each request
    is made in its tenant's."""

    def __init__(
        self, dynamodb: Any, table: str, kms: Callable[[], Any], kms_key: str, sessions: Sessions | None = None
    ) -> None:
        self._sessions = sessions
        self._dynamodb = dynamodb
        self._table = table
        self._kms = kms
        self._kms_key = kms_key

    def find(self, tenant: Tenant, refs: Collection[str]) -> Mapping[str, bytes | None]:
        """Read consistently: who is erased stays so for whoever looks afterwards."""
        wrapped = {ref: item["k"]["B"] if "k" in item else None for ref, item in self._items(tenant, refs).items()}
        known = [ref for ref, key in wrapped.items() if key is not None]
        if len(known) > 1:
            self._kms_of(tenant)  # made once, before threads ask for it
            with ThreadPoolExecutor(min(len(known), _UNWRAPPED_AT_ONCE)) as pool:
                keys = list(pool.map(lambda ref: self._unwrapped(tenant, ref, wrapped[ref]), known))
        else:
            keys = [self._unwrapped(tenant, ref, wrapped[ref]) for ref in known]
        return {**dict.fromkeys(wrapped), **dict(zip(known, keys, strict=True))}

    def make(self, tenant: Tenant, ref: str) -> bytes | None:
        """Kept before it is used: a commit never needs a key that nobody has."""
        made = ask(
            self._kms_of(tenant).generate_data_key,
            KeyId=self._kms_key,
            KeySpec="AES_256",
            EncryptionContext=_context(tenant, ref),
        )
        item = {**_key(tenant, ref), "k": {"B": made["CiphertextBlob"]}, "d": {"S": _now()}}
        try:
            ask(
                client_for(self._dynamodb, tenant, self._sessions).put_item,
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(p)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            other = error.response["Item"]
            return self._unwrapped(tenant, ref, other["k"]["B"]) if "k" in other else None
        return made["Plaintext"]

    def _items(self, tenant: Tenant, refs: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        dynamodb = client_for(self._dynamodb, tenant, self._sessions)
        keys = [_key(tenant, ref) for ref in sorted(refs)]
        for start in range(0, len(keys), _MOST_READ):
            left = keys[start : start + _MOST_READ]
            for tried in range(_TRIES):
                request = {self._table: {"Keys": left, "ConsistentRead": True}}
                answer = ask(dynamodb.batch_get_item, RequestItems=request)
                for item in answer["Responses"].get(self._table, ()):
                    found[item["p"]["S"].partition("#")[2]] = item
                left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
                if not left:
                    break
                time.sleep(_PAUSE * 2**tried)
            else:
                raise StoreThrottled(f"{len(left)} keys could not be read now")
        return found

    def _kms_of(self, tenant: Tenant) -> Any:
        return client_for(self._kms(), tenant, self._sessions)

    def _unwrapped(self, tenant: Tenant, ref: str, wrapped: Any) -> bytes:
        answer = ask(
            self._kms_of(tenant).decrypt,
            CiphertextBlob=bytes(wrapped),
            KeyId=self._kms_key,
            EncryptionContext=_context(tenant, ref),
        )
        return answer["Plaintext"]


class Eraser:
    """Replaces keys by tombstones: the one right that no function has."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def look(self, tenant: Tenant, ref: str) -> Tombstone | bool:
        """The tombstone; else whether there is a key."""
        item = ask(self._dynamodb.get_item, TableName=self._table, Key=_key(tenant, ref), ConsistentRead=True)
        found = item.get("Item")
        return _tombstone(found) if found and "k" not in found else found is not None

    def erase(self, tenant: Tenant, ref: str, who: str, why: str) -> Tombstone:
        """Whoever was erased before keeps the tombstone of then."""
        try:
            answer = ask(
                self._dynamodb.update_item,
                TableName=self._table,
                Key=_key(tenant, ref),
                UpdateExpression="REMOVE k SET x = :x, a = :a, w = :w",
                ConditionExpression="attribute_exists(k)",
                ExpressionAttributeValues={":x": {"S": _now()}, ":a": {"S": who}, ":w": {"S": why}},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException" or "Item" not in error.response:
                raise
            return _tombstone(error.response["Item"])
        return _tombstone(answer["Attributes"])


def _tombstone(item: Mapping[str, Any]) -> Tombstone:
    return Tombstone(item["x"]["S"], item["a"]["S"], item["w"]["S"])


def _key(tenant: Tenant, ref: str) -> dict[str, Any]:
    return {"p": {"S": f"{tenant}#{ref}"}}


def _context(tenant: Tenant, ref: str) -> dict[str, str]:
    return {"tenant": tenant, "subject": ref}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
