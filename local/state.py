"""What this laptop holds already: resources by URN, in a private file that never has a secret in clear."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from .archives import digest
from .graph import Secret
from .private_files import write_private

VERSION = 1


@dataclass
class Record:
    """One resource as it was last created or updated. `inputs` are in stored form, see `State.stored`."""

    type: str
    name: str
    urn: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    dependencies: list[str] = field(default_factory=list)
    protect: bool = False
    retain: bool = False

    def __str__(self) -> str:
        return f"{self.type} {self.name!r}"


class State:
    """Records by URN, in the order of their creation. Not locked: the deployer does that."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.endpoint = ""
        self.records: dict[str, Record] = {}
        self._key = self._load_key()

    @classmethod
    def load(cls, home: Path, endpoint: str) -> "State":
        """The state in `home`, or an empty one. URLs of the emulator are turned to where it is now."""
        state = cls(home)
        if state._file.is_file():
            text = state._file.read_text()
            was = json.loads(text)["endpoint"]
            content = json.loads(text.replace(was, endpoint) if was else text)
            if content["version"] != VERSION:
                raise ValueError(
                    f"{state._file} is of version {content['version']} and this is {VERSION}: "
                    "remove the data with `foldstack local down`, then run `up` again"
                )
            state.records = {r["urn"]: Record(**r) for r in content["records"]}
        state.endpoint = endpoint
        return state

    def save(self) -> None:
        """Write the file as a whole, readable by its owner only."""
        content = {
            "version": VERSION,
            "endpoint": self.endpoint,
            "records": [asdict(r) for r in self.records.values()],
        }
        write_private(self._file, json.dumps(content, indent=1))

    def forget(self) -> None:
        """Drop all records, on disk too."""
        self.records.clear()
        self._file.unlink(missing_ok=True)

    def stored(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs in a form that can be kept and compared: secrets and archives as keyed or plain hashes."""
        return {key: self._stored(value) for key, value in inputs.items()}

    def _stored(self, value: Any) -> Any:
        if isinstance(value, Secret):
            text = json.dumps(self._stored(value.value), sort_keys=True)
            return {"secret": hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()}
        if isinstance(value, (pulumi.Archive, pulumi.Asset)):
            return {"archive": digest(value)}
        if isinstance(value, dict):
            return {k: self._stored(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._stored(v) for v in value]
        return value

    @property
    def _file(self) -> Path:
        return self.home / "state.json"

    def _load_key(self) -> bytes:
        file = self.home / "key"
        if not file.is_file():
            write_private(file, secrets.token_hex(32))
        return file.read_bytes()
