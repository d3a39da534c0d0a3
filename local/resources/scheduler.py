"""EventBridge Scheduler. `schedules` fires them, from the graph: the emulator neither retries nor knows time zones."""

from ..arns import arn
from ..schedule_expression import parse
from ..state import Record
from .handler import Handler, Outputs, Request, Site

_GROUP = "default"


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
        if inputs.get("groupName", _GROUP) != _GROUP:
            raise ValueError(f"groupName is {inputs['groupName']!r}; the laptop has {_GROUP!r} only")
        parse(inputs["scheduleExpression"], inputs.get("scheduleExpressionTimezone", "UTC"))
        name = request.physical_name()
        arn_ = arn(request.resource.type, name, site.region, site.account)
        return f"{_GROUP}/{name}", {"name": name, "groupName": _GROUP, "arn": arn_}

    def delete(self, site: Site, record: Record) -> None:
        """It is stopped with its schedule gone from the graph."""


HANDLERS = {"aws:scheduler/schedule:Schedule": Schedule()}
