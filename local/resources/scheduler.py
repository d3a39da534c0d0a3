"""EventBridge Scheduler: groups are the emulator's. Schedules of the graph are fired from it, by `schedules`: the
emulator neither retries nor knows time zones. What functions put into a group is fired by `timer_source`."""

from datetime import UTC, datetime

from ..arns import arn
from ..schedule_expression import parse
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine

_GROUP = "default"


class Group(Handler):
    """With it goes all that is in it."""

    understood = frozenset({"name", "tags"})
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, scheduler = request.physical_name(), request.site.client("scheduler")
        arn_ = scheduler.create_schedule_group(Name=name)["ScheduleGroupArn"]
        return name, {"name": name, "arn": arn_, "state": "ACTIVE"}

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("scheduler").delete_schedule_group(Name=record.id)


class Schedule(Handler):
    """Its expression is read here, so that a faulty one is an error of the deployment."""

    understood = frozenset(
        {
            "endDate",
            "groupName",
            "name",
            "scheduleExpression",
            "scheduleExpressionTimezone",
            "startDate",
            "state",
            "target",
        }
    )
    # A call at the beginning of its window is within it.
    without_effect = frozenset({"actionAfterCompletion", "description", "flexibleTimeWindow", "kmsKeyArn"})
    replaced_by = frozenset({"groupName", "name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs, site = request.inputs, request.site
        expression = inputs["scheduleExpression"]
        if parse(expression, inputs.get("scheduleExpressionTimezone", "UTC"))(datetime.now(UTC)) is None:
            raise ValueError(f"{expression} is over: AWS makes no schedule that would never fire")
        name, group = request.physical_name(), inputs.get("groupName", _GROUP)
        site.client("scheduler").get_schedule_group(Name=group)
        own = arn(request.resource.type, name, site.region, site.account)
        outputs = {"name": name, "groupName": group, "arn": own.replace(f"/{_GROUP}/", f"/{group}/")}
        return f"{group}/{name}", outputs

    def delete(self, site: Site, record: Record) -> None:
        """It is stopped with its schedule gone from the graph."""


HANDLERS = {
    "aws:scheduler/schedule:Schedule": Schedule(),
    "aws:scheduler/scheduleGroup:ScheduleGroup": Group(),
}
