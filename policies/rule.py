"""A rule, and what it is asked about."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Removal = Literal["keep", "destroy"]
"""What becomes of data with its stack; stacks that say `destroy` are for tests, and need no protection."""


class Options(Protocol):
    @property
    def protect(self) -> bool: ...


class Resource(Protocol):
    """As the graph of a program has them, and as the policy pack makes them of what the engine sends."""

    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def urn(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...
    @property
    def property_dependencies(self) -> Mapping[str, Iterable[str]]: ...
    @property
    def options(self) -> Options: ...


@dataclass(frozen=True)
class Violation:
    """`message` says what is wrong, and what to do."""

    rule: str
    urn: str
    message: str

    def __str__(self) -> str:
        return f"{self.urn.rpartition('::')[2]}: {self.message} ({self.rule})"


@dataclass(frozen=True)
class Rule:
    """`says` is the guarantee, in one sentence; `check` yields the resources that break it, and how."""

    name: str
    says: str
    check: Callable[["Graph"], Iterator[tuple[Resource, str]]]


@dataclass(frozen=True)
class Graph:
    """The resources of one program."""

    resources: list[Resource]
    removal: Removal = "keep"
    _by_type: dict[str, list[Resource]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.resources:
            self._by_type.setdefault(each.type, []).append(each)

    def of(self, *types: str) -> list[Resource]:
        """All of these types."""
        return [each for type_ in types for each in self._by_type.get(type_, [])]

    def of_service(self, service: str) -> list[Resource]:
        """All types of one AWS service, `dynamodb`, for instance."""
        return [each for each in self.resources if each.type.startswith(f"aws:{service}/")]

    def about(self, type_: str, key: str, urn: str) -> list[Resource]:
        """Those of a type whose input `key` names the resource `urn`: a bucket's policy, for instance."""
        return [each for each in self.of(type_) if urn in each.property_dependencies.get(key, ())]


def given(resource: Resource, *path: str | int) -> Any:
    """The value at a path of the inputs, None where there is none."""
    value: Any = resource.inputs
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def statements(document: Any) -> list[dict[str, Any]]:
    """Of a policy document, in text or not."""
    content = json.loads(document) if isinstance(document, str) and document else document or {}
    found = content.get("Statement", [])
    return found if isinstance(found, list) else [found]


def several(value: Any) -> list[Any]:
    """IAM's lists of one are written without brackets."""
    return value if isinstance(value, list) else [] if value is None else [value]
