"""What the children of one component have in common: parent, name, tags, and how they are operated."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi

from .arguments import LOG_RETENTION, Arguments


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


@dataclass(frozen=True)
class Scope:
    """Makes the names and options of one component's children."""

    parent: pulumi.ComponentResource
    name: str
    service: pulumi.Input[str]
    keep: bool
    log_retention_days: int
    tracing: bool
    tenant_metrics: bool
    alarm_topic_arn: pulumi.Input[str] | None

    def child(self, suffix: str) -> str:
        """The logical name of a child: part of its URN, so never change a suffix."""
        return f"{self.name}-{suffix}"

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


@dataclass(frozen=True)
class Operated:
    """The checked form of Operations."""

    keep: bool
    log_retention_days: int
    tracing: bool
    tenant_metrics: bool
    alarm_topic_arn: pulumi.Input[str] | None

    def scope(self, parent: pulumi.ComponentResource, name: str, service: pulumi.Input[str]) -> Scope:
        """The scope of the children of `parent`."""
        return Scope(
            parent,
            name,
            service,
            self.keep,
            self.log_retention_days,
            self.tracing,
            self.tenant_metrics,
            self.alarm_topic_arn,
        )


def operated(arguments: Arguments) -> Operated:
    """Read and check `operations`; its faults are raised by `arguments.check()`."""
    given = arguments.nested("operations", Operations)
    return Operated(
        keep=arguments.choice("operations.removal", ("keep", "destroy"), "keep") == "keep",
        log_retention_days=arguments.one_of("operations.log_retention_days", LOG_RETENTION, 30),
        tracing=arguments.flag("operations.tracing", True),
        tenant_metrics=arguments.flag("operations.tenant_metrics", False),
        alarm_topic_arn=given.get("alarm_topic_arn") or None,
    )
