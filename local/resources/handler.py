"""What a handler of one resource type is given and what it must do."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..autonaming import physical_name
from ..graph import Registered
from ..state import Record

if TYPE_CHECKING:
    from ..databases import Databases

Outputs = dict[str, Any]


@dataclass
class Site:
    """The laptop that resources are created on: clients by service name, and the parts beside the emulator, which is
    at `endpoint`."""

    client: Callable[[str], Any]
    home: Path
    project: str
    stack: str
    region: str
    account: str
    function_url: Callable[[str], str]
    gateway_url: Callable[[str], str]
    endpoint: str = ""
    databases: "Databases | None" = None


@dataclass
class Request:
    """One registration. `inputs` have their secrets revealed and the default tags merged in."""

    site: Site
    resource: Registered
    inputs: dict[str, Any]
    changed: frozenset[str] = frozenset()

    def physical_name(self, key: str = "name", suffix: str = "") -> str:
        """The name the program gives, or the automatic one."""
        return self.inputs.get(key) or physical_name(
            self.resource.type,
            self.resource.urn,
            self.site.project,
            self.site.stack,
            self.resource.name,
            suffix=suffix,
        )


class Handler:
    """Creates, changes and deletes resources of one type. Called from several threads; holds no state."""

    understood: frozenset[str] = frozenset()
    """Inputs that have their effect on the laptop."""
    without_effect: frozenset[str] = frozenset()
    """Inputs that are accepted though nothing on a laptop could follow them."""
    replaced_by: frozenset[str] = frozenset()
    """Inputs whose change takes a new resource."""
    holds_data = False
    always = False
    """Whether `update` runs on every deployment, changed or not: part of it lives in this process."""

    def create(self, request: Request) -> tuple[str, Outputs]:
        """The new resource's id and outputs."""
        raise NotImplementedError

    def update(self, request: Request, record: Record) -> Outputs:
        """Change it in place; by default as it is made, for what is put rather than created."""
        return self.create(request)[1]

    def delete(self, site: Site, record: Record) -> None:
        """Delete it; what is gone already is no error."""
        raise NotImplementedError

    def wire(self, request: Request, record: Record) -> None:
        """Connect it to others, when the whole graph has been checked. Runs on every deployment."""


def of_type(requests: Iterable[Request], type_: str) -> list[Request]:
    """Those of one type token."""
    return [r for r in requests if r.resource.type == type_]


def pascal(value: Any, renames: Mapping[str, str] | None = None) -> Any:
    """Keys as the service's API spells them: `maxReceiveCount` becomes `MaxReceiveCount`."""
    renames = renames or {}
    if isinstance(value, dict):
        return {renames.get(k, k[:1].upper() + k[1:]): pascal(v, renames) for k, v in value.items()}
    if isinstance(value, list):
        return [pascal(v, renames) for v in value]
    return value


def picked(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Those of `names` (input to API spelling) that the inputs have."""
    return {api: inputs[name] for name, api in names.items() if name in inputs}


class absent_is_fine:
    """Ignores the service's answer that the thing to delete does not exist."""

    _CODES = re.compile(r"NotFound|NoSuch|NonExistent|DoesNotExist|404")

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        return bool(self._CODES.search(code))
