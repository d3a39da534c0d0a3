"""Explicit AWS providers of a program: their region and default tags; whatever else they ask for is refused."""

import json
import threading
from dataclasses import dataclass
from typing import Any

from .graph import Registered, reveal
from .monitor import ProgramError

# What the SDK sets by itself, and what only concerns reaching AWS.
_HARMLESS = frozenset(
    {
        "maxRetries",
        "retryMode",
        "s3UsePathStyle",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "profile",
    }
)


@dataclass(frozen=True)
class Arguments:
    """What a resource takes from its provider."""

    tags: dict[str, str]


class ProviderArguments:
    """The arguments of each provider by URN, and those of the default one."""

    def __init__(self, region: str, account: str, default_tags: dict[str, str]) -> None:
        self._region, self._account = region, account
        self._default = Arguments(default_tags)
        self._explicit: dict[str, Arguments] = {}
        self._lock = threading.Lock()

    def add(self, resource: Registered) -> None:
        if resource.type != "pulumi:providers:aws":
            raise ProgramError(f"{resource}: the laptop stands for AWS only; remove this provider")
        # The SDK sends everything that is no string as JSON text.
        inputs = reveal(resource.inputs)
        for key, value in inputs.items():
            if key in ("allowedAccountIds", "forbiddenAccountIds"):
                self._check_account(resource, key, _json(value))
            elif key == "region":
                self._check_region(resource, value)
            elif key != "defaultTags" and key not in _HARMLESS:
                raise ProgramError(f"{resource}: argument {key} has no meaning on the laptop; leave it out there")
        tags = _json(inputs.get("defaultTags", "{}")).get("tags", {})
        with self._lock:
            self._explicit[resource.urn] = Arguments(tags)

    def of(self, resource: Registered) -> Arguments:
        """The arguments of the resource's own provider."""
        if "region" in resource.inputs:
            self._check_region(resource, reveal(resource.inputs["region"]))
        urn = resource.options.provider.rpartition("::")[0]
        with self._lock:
            return self._explicit.get(urn, self._default)

    def _check_region(self, resource: Registered, region: str) -> None:
        if region != self._region:
            raise ProgramError(
                f"{resource}: region is {region!r}, and the laptop has {self._region!r} only: "
                "take the region from the stack's aws:region"
            )

    def _check_account(self, resource: Registered, key: str, accounts: Any) -> None:
        if (self._account in accounts) != (key == "allowedAccountIds"):
            raise ProgramError(f"{resource}: {key} is {accounts}, and the laptop's account is {self._account}")


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
