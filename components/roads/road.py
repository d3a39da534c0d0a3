"""What a service has of its road, whichever that is."""

from dataclasses import dataclass, field

import pulumi

from .. import permissions
from ..consumer_queue import ConsumerQueue


@dataclass(frozen=True)
class Road:
    """Where a relay publishes, and the action that this takes."""

    name: str
    bus_name: pulumi.Output[str]
    bus_arn: pulumi.Output[str]
    action: str

    @property
    def statements(self) -> list[permissions.Statement]:
        """For the relay's role."""
        return permissions.publish(self.action, self.bus_arn)


@dataclass(frozen=True)
class Feed:
    """What a relay owes a delayed queue: not to publish before `ready`; and where the road cannot delay, to send to
    `queue` itself the commits that hold one of `types`, all when there are none."""

    ready: list[pulumi.Resource]
    queue: ConsumerQueue | None = None
    types: list[str] = field(default_factory=list)
