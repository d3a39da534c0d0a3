"""Checks the plain arguments of a component before its first child, and tells all faults in one error."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
"""Names that become part of physical names: AWS's limits and the suffixes leave room for 32 characters."""

LOG_RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922)
"""Days that CloudWatch Logs can keep a log group for."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with the argument at `path`."""

    path: str
    given: object
    allowed: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: given {self.given!r}; allowed: {self.allowed}. To mend it: {self.mend}."


def is_arn(text: str, service: str) -> bool:
    """Whether this is an ARN of something of an AWS service; of KMS, of a key: no policy may name an alias."""
    return bool(re.fullmatch(rf"arn:[a-z-]+:{service}:\S+", text)) and (service != "kms" or ":key/" in text)


class ArgumentError(ValueError):
    """A component was given arguments it cannot be built from; the message lists every fault."""

    def __init__(self, component: str, faults: list[Fault]) -> None:
        self.component = component
        self.faults = faults
        many = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n  - ".join([f"{component}: {many} in its arguments", *map(str, faults)]))


class Arguments:
    """The arguments of one component: read them with the methods, then call `check` before the first child."""

    def __init__(self, component: str, name: str, args: Mapping[str, Any], shape: type) -> None:
        self._component = f"{component} {name!r}"
        self._args = args
        self._faults: list[Fault] = []
        self._known(args, shape, "")
        if not NAME.fullmatch(name):
            self.fault("name", name, "a-z, 0-9 and -, from a letter, at most 32", "choose another name")

    def fault(self, path: str, given: object, allowed: str, mend: str) -> None:
        """Note a fault at `path`. What is in an object is not told, since it may be secret; any other `given` is secret
        only if the caller hides it."""
        self._faults.append(Fault(path, "an object" if isinstance(given, Mapping) else given, allowed, mend))

    def check(self) -> None:
        """Raise one ArgumentError with every fault noted so far."""
        if self._faults:
            raise ArgumentError(self._component, self._faults)

    def nested(self, path: str, shape: type) -> Mapping[str, Any]:
        """The object at `path`, {} when left out; unknown keys in it are faults."""
        value = self._at(path)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(path, value, f"an object with {_listed(shape.__annotations__)}", "give one")
            return {}
        self._known(value, shape, f"{path}.")
        return value

    def given(self, path: str) -> bool:
        """Whether there is a value at `path`."""
        return self._at(path) is not None

    def mapping(self, path: str) -> Mapping[str, Any]:
        """The object at `path`, whose keys are its writer's own, {} when left out."""
        value = self._at(path)
        if value is not None and not isinstance(value, Mapping):
            given = "an output" if isinstance(value, pulumi.Output) else f"a {type(value).__name__}"
            self.fault(path, given, "an object with a value by each name", "give one; its values may be outputs")
        return value if isinstance(value, Mapping) else {}

    def keys(self, path: str, known: Iterable[str], shape: type) -> list[str]:
        """The keys of the object at `path`, each one of `known`; faults are other keys, and unknown ones in them."""
        allowed, found = list(known), []
        for key, value in self.mapping(path).items():
            if key not in allowed:
                self.fault(f"{path}.{key}", value, _listed(allowed), "correct the spelling or drop it")
            elif not isinstance(value, Mapping):
                self.fault(f"{path}.{key}", value, f"an object with {_listed(shape.__annotations__)}", "give one")
            else:
                self._known(value, shape, f"{path}.{key}.")
                found.append(key)
        return found

    def each(self, path: str, shape: type) -> list[str]:
        """The paths of the objects in the list at `path`, [] when left out; unknown keys in them are faults."""
        value = self._at(path)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)) or not all(isinstance(each, Mapping) for each in value):
            self.fault(path, value, f"a list of objects with {_listed(shape.__annotations__)}", "give one")
            return []
        paths = [f"{path}[{index}]" for index in range(len(value))]
        for inner, each in zip(paths, value, strict=True):
            self._known(each, shape, f"{inner}.")
        return paths

    def text(self, path: str, pattern: re.Pattern[str], allowed: str, default: str | None = None) -> str:
        """The string at `path`, which must match `pattern`."""
        value = self._at(path)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.fault(path, value, allowed, "write it so")
            return ""
        return value

    def arn(self, path: str, service: str) -> Any:
        """The ARN of something of an AWS service at `path`, or the output that will be it; None when it is left out or
        empty. An output that is something else stops the deployment."""
        value = self._at(path)
        if isinstance(value, str) and value and not is_arn(value, service):
            self.fault(path, value, _arn_of(service), "give the ARN, not the name, the id or an alias")
        if isinstance(value, pulumi.Output):
            return value.apply(lambda arn: _sure(f"{self._component}, {path}", arn, service))
        return value or None

    def choice(self, path: str, allowed: Iterable[str], default: str) -> str:
        """The string at `path`, one of `allowed`."""
        value = default if self._at(path) is None else self._at(path)
        options = list(allowed)
        if value not in options:
            self.fault(path, value, " or ".join(map(repr, options)), f"write {default!r}, or leave it out")
            return default
        return value

    def flag(self, path: str, default: bool) -> bool:
        """The boolean at `path`."""
        value = default if self._at(path) is None else self._at(path)
        if not isinstance(value, bool):
            self.fault(path, value, "true or false", "give a boolean, not a string")
            return default
        return value

    def integer(self, path: str, low: int, high: int, default: int) -> int:
        """The whole number at `path`, from `low` to `high`; a package's caller sends it as a float."""
        value = self._integer(path, f"a whole number from {low} to {high}", default)
        if not low <= value <= high:
            self.fault(path, value, f"{low} to {high}", f"leave it out for {default}")
            return default
        return value

    def one_of(self, path: str, allowed: tuple[int, ...], default: int) -> int:
        """The whole number at `path`, one of `allowed`, which are sorted."""
        value = self._integer(path, f"one of {_listed(allowed)}", default)
        if value not in allowed:
            longer = next((each for each in allowed if each > value), allowed[-1])
            self.fault(path, value, _listed(allowed), f"take {longer}")
            return default
        return value

    def names(self, path: str, pattern: re.Pattern[str], allowed: str, default: list[str] | None) -> list[str]:
        """The list of distinct strings at `path`, each matching `pattern`; not empty unless it has a default."""
        value = default if self._at(path) is None else self._at(path)
        if not isinstance(value, (list, tuple)) or (not value and default is None):
            self.fault(path, value, f"a list of at least one: {allowed}", "name them")
            return []
        for index, each in enumerate(value):
            if not isinstance(each, str) or not pattern.fullmatch(each):
                self.fault(f"{path}[{index}]", each, allowed, "write it so")
            elif each in value[:index]:
                self.fault(f"{path}[{index}]", each, "each name once", "drop the second")
        return [each for each in value if isinstance(each, str)]

    def _integer(self, path: str, allowed: str, default: int) -> int:
        value = default if self._at(path) is None else self._at(path)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            self.fault(path, value, allowed, f"give a number, or leave it out for {default}")
            return default
        return int(value)

    def _at(self, path: str) -> Any:
        value: Any = self._args
        for key in path.split("."):
            name, _, index = key.partition("[")
            value = value.get(name) if isinstance(value, Mapping) else None
            if index and value is not None:
                value = value[int(index.removesuffix("]"))]
        return value

    def _known(self, given: Mapping[str, Any], shape: type, prefix: str) -> None:
        for key in sorted(given.keys() - shape.__annotations__.keys()):
            self.fault(f"{prefix}{key}", given[key], _listed(shape.__annotations__), "correct the spelling or drop it")
        missing = getattr(shape, "__required_keys__", frozenset()) - given.keys()
        for key in sorted(missing):
            self.fault(f"{prefix}{key}", None, "any value of its type: it is required", "give it")


def _arn_of(service: str) -> str:
    return f"an ARN, arn:aws:{service}:{'REGION:ACCOUNT:key/ID' if service == 'kms' else '...'}"


def _sure(path: str, arn: Any, service: str) -> Any:
    if isinstance(arn, str) and arn and not is_arn(arn, service):
        raise ValueError(f"{path}: given {arn!r}; allowed: {_arn_of(service)}. To mend it: give such a one.")
    return arn


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(each) for each in values)
