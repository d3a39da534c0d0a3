"""What a program registered: resources with their inputs, options and outputs; secrets marked."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi import _types
from pulumi.runtime import rpc

SIGNATURE = rpc._special_sig_key
SECRET = rpc._special_secret_sig


@dataclass(frozen=True)
class Secret:
    """A value that the program marked as secret."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True)
class Options:
    """The resource options that reach the engine."""

    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    provider: str = ""
    providers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass
class Registered:
    """One resource of the graph. `inputs` are the program's own, secrets wrapped in Secret."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    dependencies: list[str]
    property_dependencies: dict[str, list[str]]
    options: Options
    id: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.type} {self.name!r}"


def plain(value: Any) -> Any:
    """Deserialized properties as plain Python: whole floats as int, secrets as Secret."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return Secret(plain(value["value"]))
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def reveal(value: Any) -> Any:
    """The same value with every Secret unwrapped."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {k: reveal(v) for k, v in value.items()}
    if isinstance(value, list):
        return [reveal(v) for v in value]
    return value


def declared_outputs(type_: str) -> set[str]:
    """The names of all output properties of an AWS resource type, as its SDK class declares them."""
    return set(_types.resource_types(resource_class(type_))) if type_.startswith("aws:") else set()


def resource_class(type_: str) -> type:
    """The SDK's class for an AWS type token."""
    _, module, class_name = type_.split(":")
    namespace = module.split("/")[0]
    sdk = importlib.import_module(f"pulumi_aws.{'lambda_' if namespace == 'lambda' else namespace}")
    return getattr(sdk, class_name)
