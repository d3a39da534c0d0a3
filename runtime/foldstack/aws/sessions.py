"""Sessions of tenants: the role that may touch a tenant's rows and bodies is assumed for one tenant at a time.

A session is a set of credentials with the tag `tenant`; the role's policy compares it with the keys of every request.
It costs one request to STS for each tenant, sandbox and hour, and nothing beside it: all tenants share one client,
its connections and all that botocore made for it, and only the signature of a request differs.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials

from ..kernel.errors import Unavailable
from ..kernel.keys import Tenant
from .store_errors import ask

LIFE_SECONDS = 3600
"""The most that AWS gives a role which is assumed by a role; what `MaxSessionDuration` says does not matter."""
EARLY_SECONDS = 300
"""A session is renewed when it has this long to live: no request that it signs outlives it."""
MOST = 512
"""Sessions that a sandbox keeps, the least recently used of them goes first; one is about 2 KB."""

_AGAIN_SECONDS = 20

_acting: ContextVar[ReadOnlyCredentials | None] = ContextVar("acting", default=None)


class NoSession(Unavailable):
    """STS gave no session in time: nothing was asked of any store."""


class Sessions:
    """`sts` is a client of STS that signs with the function's own credentials, `role` the ARN of its role for
    tenants. Safe for threads: one of them makes a session, the others wait for it."""

    def __init__(self, sts: Any, role: str, *, most: int = MOST, now: Callable[[], float] = time.time) -> None:
        self._sts = sts
        self._role = role
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._held: OrderedDict[Tenant, _Session] = OrderedDict()

    def client(self, client: Any, tenant: Tenant) -> "TenantClient":
        """`client`, whose requests are the tenant's. Raises NoSession."""
        return TenantClient(client, self.credentials(tenant))

    def credentials(self, tenant: Tenant) -> ReadOnlyCredentials:
        """Of a session with minutes to live. Raises NoSession; any other refusal of STS is a fault of the role's
        and propagates."""
        with self._lock:
            session = self._held.setdefault(tenant, _Session())
            self._held.move_to_end(tenant)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        if session.credentials is None or self._now() >= session.renew_at:
            with session.lock:
                if session.credentials is None or self._now() >= session.renew_at:
                    self._renew(session, tenant)
        assert session.credentials is not None
        return session.credentials

    def _renew(self, session: "_Session", tenant: Tenant) -> None:
        try:
            answer = ask(
                self._sts.assume_role,
                RoleArn=self._role,
                RoleSessionName=f"@{tenant}",  # 2 to 64 characters for every tenant, to be found in CloudTrail
                DurationSeconds=LIFE_SECONDS,
                Tags=[{"Key": "tenant", "Value": str(tenant)}],
            )
        except Unavailable as error:
            if session.credentials is None or self._now() >= session.ends:
                raise NoSession(f"no session for the tenant could be had: {error}") from error
            session.renew_at = min(self._now() + _AGAIN_SECONDS, session.ends)  # it is good until then
            return
        keys = answer["Credentials"]
        session.credentials = ReadOnlyCredentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        session.ends = keys["Expiration"].timestamp()
        session.renew_at = session.ends - EARLY_SECONDS


def client_for(client: Any, tenant: Tenant, sessions: Sessions | None) -> Any:
    """The client of a tenant's session; `client` itself for whoever serves all tenants, and so has no sessions."""
    return client if sessions is None else sessions.client(client, tenant)


class _Session:
    """Seconds since the epoch: a frozen sandbox wakes up with its sessions, and the wall clock has gone on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.credentials: ReadOnlyCredentials | None = None
        self.renew_at = self.ends = 0.0


class TenantClient:
    """A client of `clients`, each of whose requests is signed for one tenant. Keep it no longer than a request."""

    def __init__(self, client: Any, credentials: ReadOnlyCredentials) -> None:
        self._client = client
        self._credentials = credentials

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method = getattr(self._client, operation)

        def request(**parameters: Any) -> Any:
            own = _acting.set(self._credentials)
            try:
                return method(**parameters)
            finally:
                _acting.reset(own)

        return request


def own_or_tenants(session: botocore.session.Session) -> botocore.session.Session:
    """The same session, whose clients sign with its own credentials, or a tenant's for a `TenantClient`."""
    session.register_component("credential_provider", _Resolver(session.get_component("credential_provider")))
    return session


class _Resolver:
    """As botocore's CredentialResolver."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def load_credentials(self) -> Credentials | None:
        found = self._own.load_credentials()
        return _Chosen(found) if found is not None else None


class _Chosen(Credentials):
    """What a request is signed with, chosen when it is."""

    def __init__(self, own: Credentials) -> None:
        self._own = own
        self.method = own.method

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _acting.get() or self._own.get_frozen_credentials()

    def __getattr__(self, name: str) -> Any:
        """The fields of the base class, which this one does not set."""
        if name in ReadOnlyCredentials._fields:
            return getattr(self.get_frozen_credentials(), name)
        raise AttributeError(name)
