"""What the children of one component have in common: parent, name, tags, and how they are operated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

import pulumi

from . import overrides
from .arguments import LOG_RETENTION, Arguments
from .overrides import Network, Settings


class Operations(TypedDict):
    """How a component is operated; give the same object to all of them."""

    removal: NotRequired[str]
    """What removing the stack does to data: "keep" (default: protected and retained) or "destroy"."""
    log_retention_days: NotRequired[int]
    """Days that logs are kept, default 30; one of the values CloudWatch Logs knows."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """The SNS topic that alarms are sent to; without it they only change their state."""
    tracing: NotRequired[bool]
    """Whether functions write X-Ray traces, default true."""
    tenant_metrics: NotRequired[bool]
    """Whether each tenant's usage is in metrics of its own, default false: they are five, at 0.30 $ a month each."""
    key_arn: NotRequired[pulumi.Input[str]]
    """Your own KMS key, which data and secrets are encrypted under; default AWS's keys. docs/existing.md lists both."""
    log_key_arn: NotRequired[pulumi.Input[str]]
    """The KMS key for logs: its own policy must let CloudWatch Logs use it. Default AWS's."""
    network: NotRequired[Network]
    """The VPC that functions are in, default none."""


@dataclass(frozen=True)
class Operated:
    """The checked form of Operations."""

    keep: bool
    log_retention_days: int
    tracing: bool
    tenant_metrics: bool
    alarm_topic_arn: pulumi.Input[str] | None
    key_arn: pulumi.Input[str] | None
    log_key_arn: pulumi.Input[str] | None
    network: Network | None

    def scope(
        self,
        parent: pulumi.ComponentResource,
        name: str,
        service: pulumi.Input[str],
        functions: Mapping[str, Settings] | None = None,
    ) -> "Scope":
        """The scope of the children of `parent`, some of whose functions have settings of their own."""
        return Scope(**vars(self), parent=parent, name=name, service=service, functions=functions or {})


@dataclass(frozen=True)
class Scope(Operated):
    """Makes the names and options of one component's children."""

    parent: pulumi.ComponentResource
    name: str
    service: pulumi.Input[str]
    functions: Mapping[str, Settings] = field(default_factory=dict)

    def child(self, suffix: str) -> str:
        """The logical name of a child: part of its URN, so never change a suffix."""
        return f"{self.name}-{suffix}"

    def settings(self, function: str) -> Settings:
        """What the team has decided of one function."""
        return self.functions.get(function, Settings())

    def timeout(self, function: str, usual: int) -> int:
        """How long a function may run, in seconds: its queue has to know."""
        return self.settings(function).timeout or usual

    @property
    def tags(self) -> dict[str, pulumi.Input[str]]:
        """The tags of our own; an organisation's come from the provider's default tags."""
        return {"service": self.service, "component": self.name}

    def options(self, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of a child that holds no data."""
        return pulumi.ResourceOptions(parent=self.parent, depends_on=list(depends_on) or None)

    def data_options(self) -> pulumi.ResourceOptions:
        """Options of a child that holds data: removed only when the stack says so."""
        return pulumi.ResourceOptions(parent=self.parent, protect=self.keep, retain_on_delete=self.keep)


def operated(arguments: Arguments) -> Operated:
    """Read and check `operations`; its faults are raised by `arguments.check()`."""
    given = arguments.nested("operations", Operations)
    return Operated(
        keep=arguments.choice("operations.removal", ("keep", "destroy"), "keep") == "keep",
        log_retention_days=arguments.one_of("operations.log_retention_days", LOG_RETENTION, 30),
        tracing=arguments.flag("operations.tracing", True),
        tenant_metrics=arguments.flag("operations.tenant_metrics", False),
        alarm_topic_arn=given.get("alarm_topic_arn") or None,
        key_arn=arguments.arn("operations.key_arn", "kms"),
        log_key_arn=arguments.arn("operations.log_key_arn", "kms"),
        network=overrides.network(arguments, "operations.network"),
    )
