"""Bodies of commits that are too large for an item: in S3, each named by its own hash."""

import hashlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ..kernel.errors import UndecodableEvent
from ..kernel.keys import Tenant
from .sessions import Sessions, client_for
from .store_errors import ask, error_code


class Bodies:
    """`client` makes the S3 client, on the first large body only: most sandboxes never see one. With `sessions` each
    request is made in its tenant's."""

    def __init__(self, client: Callable[[], Any], bucket: str, sessions: Sessions | None = None) -> None:
        self._make_client = client
        self._bucket = bucket
        self._sessions = sessions

    def put(self, tenant: Tenant, content: bytes) -> str:
        """Stores the content unless it is there, and answers its key. No writer can change what another stored.
        Raises StoreTimeout."""
        key = f"{tenant}/{hashlib.sha256(content).hexdigest()}"
        try:
            ask(self._client(tenant).put_object, Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            # 409: the same content is being put at this moment, and that put may still fail.
            if error_code(error) == "ConditionalRequestConflict":
                return self.put(tenant, content)
            if error_code(error) != "PreconditionFailed":
                raise
        return key

    def get(self, tenant: Tenant, key: str) -> bytes:
        """What `put` stored. Raises StoreTimeout; UndecodableEvent where it is another tenant's, gone or changed."""
        owner, _, digest = key.partition("/")
        if owner != tenant:
            raise UndecodableEvent(f"a commit of {tenant} names the body {key} of another tenant")
        client = self._client(tenant)
        try:
            content = ask(lambda: client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            raise UndecodableEvent(f"the body {key} is not in {self._bucket}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise UndecodableEvent(f"the body {key} in {self._bucket} is not what was stored: its hash differs")
        return content

    def _client(self, tenant: Tenant) -> Any:
        return client_for(self._make_client(), tenant, self._sessions)
