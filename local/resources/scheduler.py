"""EventBridge Scheduler. The emulator fires schedules; a function is reached through its proxy."""

from typing import Any

from ..arns import arn
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal, picked

_GROUP = "default"
_OPTIONAL = {
    "actionAfterCompletion": "ActionAfterCompletion",
    "description": "Description",
    "endDate": "EndDate",
    "scheduleExpressionTimezone": "ScheduleExpressionTimezone",
    "startDate": "StartDate",
    "state": "State",
}


class Schedule(Handler):
    """Started when the graph has been checked."""

    understood = frozenset({*_OPTIONAL, "flexibleTimeWindow", "groupName", "name", "scheduleExpression", "target"})
    without_effect = frozenset({"kmsKeyArn"})
    replaced_by = frozenset({"groupName", "name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        if request.inputs.get("groupName", _GROUP) != _GROUP:
            raise ValueError(f"groupName is {request.inputs['groupName']!r}; the laptop has {_GROUP!r} only")
        name, site = request.physical_name(), request.site
        outputs = {"name": name, "groupName": _GROUP}
        return f"{_GROUP}/{name}", {**outputs, "arn": arn(request.resource.type, name, site.region, site.account)}

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("scheduler").delete_schedule(Name=record.outputs["name"], GroupName=_GROUP)

    def wire(self, request: Request, record: Record) -> None:
        scheduler, inputs = request.site.client("scheduler"), request.inputs
        shape: dict[str, Any] = {
            "Name": record.outputs["name"],
            "GroupName": _GROUP,
            "ScheduleExpression": inputs["scheduleExpression"],
            "FlexibleTimeWindow": pascal(inputs["flexibleTimeWindow"]),
            "Target": pascal(inputs["target"]),
            **picked(inputs, _OPTIONAL),
        }
        try:
            scheduler.update_schedule(**shape)
        except scheduler.exceptions.ResourceNotFoundException:
            scheduler.create_schedule(**shape)


HANDLERS = {"aws:scheduler/schedule:Schedule": Schedule()}
