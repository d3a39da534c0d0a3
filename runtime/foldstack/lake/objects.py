"""The lake's bucket: what writer and compactor ask of it, and S3 doing it."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from ..aws.store_errors import ask
from ..kernel.errors import Unavailable

_MOST_DELETED = 1000
"""Keys in one request."""


class StoredObject(NamedTuple):
    """`size` in bytes."""

    key: str
    size: int


class Objects(Protocol):
    """Raises Unavailable (StoreTimeout: it may be done; StoreThrottled: it is not)."""

    def put(self, key: str, content: bytes) -> None: ...

    def get(self, key: str) -> bytes:
        """Raises KeyError where there is none."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """By key, those behind `after`."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Again has no effect."""
        ...


class S3Objects:
    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        ask(self._client.put_object, Bucket=self._bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        try:
            return ask(lambda: self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except self._client.exceptions.NoSuchKey:
            raise KeyError(key) from None

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        more: dict[str, str] = {"StartAfter": after} if after else {}
        while True:
            page = ask(self._client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **more)
            for each in page.get("Contents", ()):
                yield StoredObject(each["Key"], each["Size"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        for start in range(0, len(keys), _MOST_DELETED):
            some = [{"Key": key} for key in keys[start : start + _MOST_DELETED]]
            answer = ask(self._client.delete_objects, Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})
            if refused := answer.get("Errors"):
                raise Unavailable(f"{len(refused)} objects are not deleted: {refused[0]}")
