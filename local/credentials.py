"""Short-lived credentials of roles, as the function host and the event sources need them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.session import Session
from botocore.credentials import RefreshableCredentials
from botocore.loaders import create_loader

from .emulator import Emulator, client_config, private_session

# The SDK asks for new credentials 15 minutes before the old ones end.
_FRESH = timedelta(minutes=20)
_LIFE_SECONDS = 3600


@dataclass(frozen=True)
class RoleCredentials:
    """What AssumeRole answers with."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime


class Credentials:
    """Assumes roles as the account's root, once for each role and hour. Safe to share between threads."""

    def __init__(self, emulator: Emulator, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._emulator = emulator
        self._now = now
        self._held: dict[str, RoleCredentials] = {}
        # Reading a service's model is most of the cost of a client: sessions share what was read.
        self._models = create_loader()
        self._lock = threading.Lock()

    def of(self, role_arn: str) -> RoleCredentials:
        """Credentials that last for 20 minutes or more."""
        with self._lock:
            held = self._held.get(role_arn)
            if held is None or held.expires - self._now() < _FRESH:
                held = self._held[role_arn] = self._assume(role_arn)
            return held

    def clients(self, role_arn: str) -> Callable[[str], Any]:
        """A function from a service's name to a boto3 client that acts as the role, for as long as it lives."""

        def refresh() -> dict[str, str]:
            fresh = self.of(role_arn)
            return {
                "access_key": fresh.access_key,
                "secret_key": fresh.secret_key,
                "token": fresh.token,
                "expiry_time": fresh.expires.isoformat(),
            }

        core = private_session()
        core._credentials = RefreshableCredentials.create_from_metadata(  # type: ignore[attr-defined]
            metadata=refresh(), refresh_using=refresh, method="assume-role"
        )
        core.register_component("data_loader", self._models)
        session = Session(botocore_session=core, region_name=self._emulator.region)
        lock = threading.Lock()

        def client(service: str) -> Any:
            with lock:
                return session.client(service, endpoint_url=self._emulator.url, config=client_config())

        return client

    def _assume(self, role_arn: str) -> RoleCredentials:
        name = role_arn.rsplit("/", 1)[-1]
        answer = self._emulator.client("sts").assume_role(
            RoleArn=role_arn, RoleSessionName=name[:64], DurationSeconds=_LIFE_SECONDS
        )["Credentials"]
        return RoleCredentials(
            answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], answer["Expiration"]
        )
