"""What a team has already and gives to a component, which then makes none: tables, a bus, a user pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi

from .arguments import Arguments, is_arn

SERVICES = {"eventbridge": "events", "kinesis": "kinesis", "sns": "sns", "sns-fifo": "sns"}
"""Road -> the service in the ARN of its bus, stream or topic."""


class ExistingTable(TypedDict):
    """A table of DynamoDB that is there already; docs/existing.md says what it must be like."""

    name: pulumi.Input[str]
    """Its name."""
    arn: pulumi.Input[str]
    """Its ARN."""
    stream_arn: NotRequired[pulumi.Input[str]]
    """The ARN of its stream, where one is read."""


class ExistingBus(TypedDict):
    """A bus, stream or topic that is there already, as the service's `road` has it."""

    name: pulumi.Input[str]
    """Its name."""
    arn: pulumi.Input[str]
    """Its ARN."""
    key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that a stream or topic is under, where that is not AWS's."""


class ExistingUserPool(TypedDict):
    """A user pool that is there already. Its owner has it call the component's `claims_function`."""

    id: pulumi.Input[str]
    """Its id."""
    arn: pulumi.Input[str]
    """Its ARN."""
    endpoint: pulumi.Input[str]
    """Its endpoint, cognito-idp.REGION.amazonaws.com/ID."""
    sign_in_url: NotRequired[pulumi.Input[str]]
    """The address of its sign-in pages, where it has some; else it gets some."""


@dataclass(frozen=True)
class Table:
    """The checked form of an ExistingTable, as a component uses its own; without a stream, `stream_arn` is empty."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    stream_arn: pulumi.Output[str]


@dataclass(frozen=True)
class Bus:
    """The checked form of an ExistingBus."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    key_arn: pulumi.Input[str] | None


@dataclass(frozen=True)
class Pool:
    """The checked form of an ExistingUserPool."""

    id: pulumi.Output[str]
    arn: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    sign_in_url: pulumi.Input[str] | None


def table(arguments: Arguments, path: str, *, stream: str = "") -> Table | None:
    """Read and check the table at `path`, None when left out; `stream` says why it needs one, where it does."""
    given = arguments.nested(path, ExistingTable)
    if not given:
        return None
    if stream and not arguments.given(f"{path}.stream_arn"):
        arguments.fault(f"{path}.stream_arn", None, f"the ARN of its stream: {stream}", "give it")
    of_stream = _arn(arguments, f"{path}.stream_arn", "dynamodb") if given.get("stream_arn") is not None else ""
    return Table(_text(given, "name"), _arn(arguments, f"{path}.arn", "dynamodb"), pulumi.Output.from_input(of_stream))


def tables(arguments: Arguments, path: str, names: list[str], *, stream: str = "") -> dict[str, Table]:
    """Read and check the tables by those of `names` that have one."""
    found = {
        each: table(arguments, f"{path}.{each}", stream=stream) for each in arguments.keys(path, names, ExistingTable)
    }
    return {name: each for name, each in found.items() if each}


def bus(arguments: Arguments, path: str, road: str) -> Bus | None:
    """Read and check what the service of a `road` is to publish on, None when left out."""
    given = arguments.nested(path, ExistingBus)
    if not given:
        return None
    fifo = {"sns": False, "sns-fifo": True}.get(road)
    if road == "eventbridge" and arguments.given(f"{path}.key_arn"):
        mend = (
            "leave it out: EventBridge uses a bus's key by the key's own policy, and whoever publishes needs no right"
        )
        arguments.fault(f"{path}.key_arn", given["key_arn"], "nothing for a bus of EventBridge", mend)
    for other in ("shards", "retention_hours"):
        if arguments.given(other):
            arguments.fault(other, "a value", f"nothing beside {path}: its owner has decided it", "leave it out")
    key = arguments.arn(f"{path}.key_arn", "kms")
    return Bus(_text(given, "name"), _arn(arguments, f"{path}.arn", SERVICES[road], fifo=fifo), key)


def user_pool(arguments: Arguments, path: str, of_its_owner: list[str]) -> Pool | None:
    """Read and check a pool, None when left out; `of_its_owner` are arguments that say what ours would be like."""
    given = arguments.nested(path, ExistingUserPool)
    if not given:
        return None
    for each in of_its_owner:
        if arguments.given(each):
            arguments.fault(each, "a value", f"nothing beside {path}: its owner has decided it", "leave it out")
    if arguments.given(f"{path}.sign_in_url") and arguments.given("domain_prefix"):
        arguments.fault("domain_prefix", "a value", f"nothing beside {path}.sign_in_url", "drop one of the two")
    endpoint, pages = given.get("endpoint"), given.get("sign_in_url")
    if isinstance(endpoint, str) and "://" in endpoint:
        arguments.fault(f"{path}.endpoint", endpoint, "cognito-idp.REGION.amazonaws.com/ID", "leave https:// out")
    if pages is not None and not pages:
        arguments.fault(f"{path}.sign_in_url", pages, "an address", "leave it out where the pool has no pages")
    arn = _arn(arguments, f"{path}.arn", "cognito-idp")
    return Pool(_text(given, "id"), arn, _text(given, "endpoint"), given.get("sign_in_url"))


def _text(given: Mapping[str, Any], key: str) -> pulumi.Output[str]:
    return pulumi.Output.from_input(given.get(key, ""))


def _arn(arguments: Arguments, path: str, service: str, *, fifo: bool | None = None) -> pulumi.Output[str]:
    """The ARN at `path`. One that only the deployment knows stops it where it is of something else."""
    value = arguments.arn(path, service)
    if value is None and arguments.given(path):
        arguments.fault(path, "", f"an ARN, arn:aws:{service}:...", "give it")
    if value is None or isinstance(value, str):
        if value and is_arn(value, service) and (wrong := _not_as(fifo, value)):
            arguments.fault(path, value, wrong, "give another, or take the road that it is of")
        return pulumi.Output.from_input(value or "")
    return pulumi.Output.from_input(value).apply(lambda arn: _sure(path, arn, service, fifo))


def _sure(path: str, arn: str, service: str, fifo: bool | None) -> str:
    wrong = "" if is_arn(arn, service) else f"an ARN, arn:aws:{service}:..."
    if wrong := wrong or _not_as(fifo, arn):
        raise ValueError(f"{path}: given {arn!r}; allowed: {wrong}. To mend it: give the ARN of such a one.")
    return arn


def _not_as(fifo: bool | None, arn: str) -> str:
    """What is allowed instead of a topic's ARN; empty where it is right, or of no topic."""
    if fifo is None or arn.endswith(".fifo") == fifo:
        return ""
    return "the ARN of a FIFO topic, which ends in .fifo" if fifo else "the ARN of a topic that is not FIFO"
