"""Typed configuration from Pulumi.yaml and Pulumi.<stack>.yaml, by the rules of the Pulumi CLI."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

LAPTOP_NAMESPACE = "foldstack"
STAND_IN_URL = "http://127.0.0.1:9"
"""What a key with a stand-in holds until the stand-in runs: a port where nothing answers."""

_LAPTOP_KEYS = ("standIns", "demo")
_AWS_KEYS = ("region", "defaultTags", "allowedAccountIds", "forbiddenAccountIds")
_AUTONAMING = "${project}-${stack}-${name}-${hex(6)}"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


class StackFileError(Exception):
    """A stack file is missing or wrong; the message names file and key."""


@dataclass(frozen=True)
class StackFiles:
    """One stack of a project. `config` maps "namespace:key" to the text that `pulumi.Config` reads."""

    directory: Path
    main: Path
    project: str
    stack: str
    config: Mapping[str, str]
    secret_keys: frozenset[str] = frozenset()
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    demo: str | None = None

    @property
    def region(self) -> str:
        """The region of the stack, us-east-1 unless `aws:region` says another."""
        return self.config.get("aws:region", "us-east-1")

    @property
    def default_tags(self) -> dict[str, str]:
        """The tags that `aws:defaultTags` puts on everything."""
        return json.loads(self.config.get("aws:defaultTags", "{}")).get("tags", {})


def read_stack_files(
    directory: Path, stack: str, overrides: Mapping[str, Any] | None = None, *, encrypted: bool = False
) -> StackFiles:
    """Read the stack of the project in `directory`; `overrides` replace single values, typed alike.

    Raises StackFileError for a missing file, a wrong type, an unknown or missing key and an encrypted value;
    where `encrypted` is allowed, such a value is its ciphertext, and secret.
    """
    directory = directory.resolve()
    project_file = directory / "Pulumi.yaml"
    if not project_file.is_file():
        raise StackFileError(
            f"{project_file} does not exist: run in a Pulumi project's directory, or name one with --program"
        )
    project = _read(project_file)
    name = project.get("name")
    if not isinstance(name, str):
        raise StackFileError(f"{project_file}: `name` must be the project's name, a string; it is {name!r}")
    _check_runtime(project, project_file)
    block = project.get("config") or {}
    declared = {_qualified(k, name): _declaration(k, v, project_file) for k, v in block.items()}
    stack_file = directory / f"Pulumi.{stack}.yaml"
    if not stack_file.is_file():
        there = sorted(f.name.split(".")[1] for f in directory.glob("Pulumi.*.yaml"))
        raise StackFileError(
            f"{stack_file} does not exist; the stacks of this project are: {', '.join(there) or 'none'}"
        )
    given = {_qualified(k, name): v for k, v in (_read(stack_file).get("config") or {}).items()}
    given |= {_qualified(k, name): v for k, v in (overrides or {}).items()}
    secret = {key for key, declaration in declared.items() if declaration.get("secret")}
    for key, value in given.items():
        _refuse_unknown(key, value, declared, name, stack_file)
        if encrypted and isinstance(value, dict) and value.keys() == {"secure"}:
            given[key] = str(value["secure"])
            secret.add(key)
        _refuse_encrypted(key, given[key], stack_file)
    laptop = {k.split(":", 1)[1]: v for k, v in given.items() if k.startswith(f"{LAPTOP_NAMESPACE}:")}
    stand_ins = _stand_ins(laptop.get("standIns") or {}, declared, name, stack_file)
    given = {**dict.fromkeys(stand_ins, STAND_IN_URL), **given}
    values = _with_defaults(given, declared, name, stack, stack_file)
    return StackFiles(
        directory=directory,
        main=(directory / project.get("main", ".")).resolve(),
        project=name,
        stack=stack,
        config={k: text(v) for k, v in values.items() if not k.startswith(f"{LAPTOP_NAMESPACE}:")},
        secret_keys=frozenset(secret),
        stand_ins=stand_ins,
        demo=laptop.get("demo"),
    )


def text(value: Any) -> str:
    """A configuration value as the text the SDK reads: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _with_defaults(
    given: dict[str, Any], declared: dict[str, dict[str, Any]], project: str, stack: str, stack_file: Path
) -> dict[str, Any]:
    values = dict(given)
    absent = []
    for key, declaration in declared.items():
        if key in given:
            _check_type(key, given[key], declaration, stack_file)
        elif (default := declaration.get("value", declaration.get("default"))) is not None:
            values[key] = default
        elif key.startswith(f"{project}:"):
            absent.append(key)
    if absent:
        raise StackFileError(
            f"{stack_file}: no value for {', '.join(absent)}, and Pulumi.yaml gives no default: "
            f"add them under `config:`, as `pulumi up -s {stack}` asks too"
        )
    return values


def _check_type(key: str, value: Any, declaration: dict[str, Any], file: Path) -> None:
    wanted = declaration.get("type")
    if wanted is None:
        return
    if not _matches(value, wanted, declaration.get("items")):
        raise StackFileError(f"{file}: {key} must be of type {wanted}; it is {value!r} ({type(value).__name__})")


def _matches(value: Any, wanted: str, items: dict[str, Any] | None = None) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if isinstance(value, str) and wanted == "integer":
        return value.lstrip("-").isdecimal()
    if isinstance(value, str) and wanted == "boolean":
        return value in ("true", "false")
    if isinstance(value, list) and wanted == "array" and items:
        return all(_matches(v, items.get("type", "string"), items.get("items")) for v in value)
    return isinstance(value, _TYPES[wanted])


def _declaration(key: str, declaration: Any, file: Path) -> dict[str, Any]:
    if not isinstance(declaration, dict):
        return {"default": declaration}
    if (wanted := declaration.get("type")) is not None and wanted not in _TYPES:
        raise StackFileError(f"{file}: config {key} has type {wanted!r}; allowed are {', '.join(_TYPES)}")
    if "default" in declaration:
        _check_type(key, declaration["default"], declaration, file)
    return declaration


def _refuse_unknown(key: str, value: Any, declared: dict[str, Any], project: str, file: Path) -> None:
    namespace, _, name = key.partition(":")
    if namespace == LAPTOP_NAMESPACE and namespace != project:
        allowed = _LAPTOP_KEYS
    elif namespace == "aws":
        allowed = _AWS_KEYS
    elif namespace == "pulumi":
        if name == "autonaming" and isinstance(value, dict) and value.get("pattern") == _AUTONAMING:
            return
        raise StackFileError(f"{file}: {key} is not supported on the laptop, except autonaming by {_AUTONAMING}")
    elif namespace == project:
        allowed = tuple(k.split(":", 1)[1] for k in declared if k.startswith(f"{project}:"))
    else:
        raise StackFileError(f"{file}: {key} is in no namespace known here: {project}, aws, pulumi, {LAPTOP_NAMESPACE}")
    if name not in allowed:
        raise StackFileError(
            f"{file}: unknown key {key}; known in {namespace}: {', '.join(sorted(allowed)) or 'none'}. "
            "Mend the name, or declare it under `config:` in Pulumi.yaml"
        )


def _refuse_encrypted(key: str, value: Any, file: Path) -> None:
    if isinstance(value, dict) and "secure" in value:
        raise StackFileError(
            f"{file}: {key} is encrypted (`secure:`), and the laptop holds no key to read it. "
            "Put a plain value that opens nothing into this stack's file, or leave the key out"
        )
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_encrypted(key, inner, file)


def _stand_ins(value: Any, declared: dict[str, Any], project: str, file: Path) -> dict[str, str]:
    what = f"{file}: {LAPTOP_NAMESPACE}:standIns"
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise StackFileError(f"{what} must map configuration keys to Python modules; it is {value!r}")
    for key in value:
        if _qualified(key, project) not in declared:
            raise StackFileError(f"{what} names {key}, which Pulumi.yaml does not declare under `config:`")
    return {_qualified(k, project): v for k, v in value.items()}


def _check_runtime(project: dict[str, Any], file: Path) -> None:
    runtime = project.get("runtime")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python":
        raise StackFileError(f"{file}: runtime is {name!r}, and only python programs run on the laptop")


def _qualified(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise StackFileError(f"{file} is not YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise StackFileError(f"{file} must be a mapping; it is {type(content).__name__}")
    return content
