"""What a team decides of a component's functions beside their code: size, time, variables, network."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

import pulumi

from .arguments import Arguments

VARIABLE = re.compile(r"(?!FOLDSTACK_|AWS_|LAMBDA_|POWERTOOLS_)[A-Za-z][A-Za-z0-9_]*")
LONGEST = 900  # seconds that Lambda lets a function run
LEAST = {"compactor": 120, "effects": 10, "migrate": 30, "projector": 30, "relay": 15, "remover": 15, "writer": 30}
"""Seconds below which a function does nothing: it keeps some back for what it has begun."""


class FunctionSettings(TypedDict):
    """What to change of one function; what is left out stays as the component has it."""

    memory_mb: NotRequired[int]
    """Its memory, 128 to 10240; processor time grows with it."""
    timeout_seconds: NotRequired[int]
    """How long it may run: 5 to 900, more than 5 where it keeps some time back, less than 900 where its caller waits
    no longer."""
    reserved_concurrency: NotRequired[int]
    """How many of it run at once, 1 to 1000, default the account's limit."""
    environment: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Variables for it alone, on top of the domain's own."""


class Network(TypedDict):
    """The part of a VPC that functions are in. They reach AWS's services by its endpoints or its NAT alone."""

    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The subnets, best one in each zone."""
    security_group_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The security groups: they must let out HTTPS."""


@dataclass(frozen=True)
class Settings:
    """The checked form of FunctionSettings; None is what the component has."""

    memory_mb: int | None = None
    timeout: int | None = None
    reserved_concurrency: int | None = None
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def functions(
    arguments: Arguments, names: Iterable[str], *, longest: Mapping[str, int] | None = None, said: Iterable[str] = ()
) -> dict[str, Settings]:
    """Read and check `functions` of a component that has functions of these `names`, some of whose callers wait for
    `longest` seconds; `said` are settings that the component has arguments of its own for, where these are given."""
    known, most, found = list(names), longest or {}, {}
    for name in arguments.keys("functions", known, FunctionSettings):
        path = f"functions.{name}"
        for each in said:
            if arguments.given(f"{path}.{each}"):
                arguments.fault(f"{path}.{each}", "a value", f"nothing beside `{each}`", "drop one of the two")
        found[name] = Settings(
            memory_mb=arguments.integer(f"{path}.memory_mb", 128, 10_240, 128)
            if arguments.given(f"{path}.memory_mb")
            else None,
            timeout=arguments.integer(f"{path}.timeout_seconds", LEAST.get(name, 5), most.get(name, LONGEST), 5)
            if arguments.given(f"{path}.timeout_seconds")
            else None,
            reserved_concurrency=arguments.integer(f"{path}.reserved_concurrency", 1, 1000, 1)
            if arguments.given(f"{path}.reserved_concurrency")
            else None,
            environment=variables(arguments, f"{path}.environment"),
        )
    return found


def variables(arguments: Arguments, path: str) -> Mapping[str, pulumi.Input[str]]:
    """Read and check a program's own environment variables; values are never in an error."""
    given = arguments.mapping(path)
    for name in given:
        if not VARIABLE.fullmatch(name):
            allowed = "letters, digits and _, not starting with FOLDSTACK_, AWS_, LAMBDA_ or POWERTOOLS_"
            arguments.fault(f"{path}.{name}", name, allowed, "rename it")
    return given


def network(arguments: Arguments, path: str) -> Network | None:
    """Read and check a `Network`; None when left out."""
    given = arguments.nested(path, Network)
    if not arguments.given(path):
        return None
    for key in Network.__annotations__:
        if key in given and not given[key]:
            arguments.fault(f"{path}.{key}", given[key], "a list of at least one id", f"name one, or drop {path}")
    return Network(subnet_ids=given.get("subnet_ids", []), security_group_ids=given.get("security_group_ids", []))
