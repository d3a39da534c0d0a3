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
    key_arn: pulumi.Input[str] | None = None
    """The key that a stream or topic is under, where that is not AWS's: whoever uses the one has to use the other."""

    @property
    def statements(self) -> list[permissions.Statement]:
        """For the relay's role."""
        service, uses = self.action.split(":")[0], ["Decrypt", "GenerateDataKey"]
        return [
            *permissions.publish(self.action, self.bus_arn),
            *permissions.under_key("PublishUnderKey", uses, [self.key_arn], service),
        ]


@dataclass(frozen=True)
class Feed:
    """What a relay owes a delayed queue: not to publish before `ready`; and where the road cannot delay, to send to
    `queue` itself the commits that hold one of `types`, all when there are none."""

    ready: list[pulumi.Resource]
    queue: ConsumerQueue | None = None
    types: list[str] = field(default_factory=list)
