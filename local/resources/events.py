"""EventBridge buses, rules and targets."""

from typing import Any

from ..arns import name_of
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal, picked
from .policies import document

_DEFAULT_BUS = "default"


class EventBus(Handler):
    understood = frozenset({"name", "tags"})
    without_effect = frozenset({"description", "logConfig"})
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name = request.physical_name()
        bus = request.site.client("events").create_event_bus(Name=name)
        return name, {"name": name, "arn": bus["EventBusArn"]}

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("events").delete_event_bus(Name=record.id)


class EventRule(Handler):
    understood = frozenset(
        {"description", "eventBusName", "eventPattern", "isEnabled", "name", "scheduleExpression", "state", "tags"}
    )
    without_effect = frozenset({"forceDestroy"})
    replaced_by = frozenset({"name", "eventBusName"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, inputs = request.physical_name(), request.inputs
        pattern = {"EventPattern": document(inputs["eventPattern"])} if "eventPattern" in inputs else {}
        enabled = inputs.get("state", "ENABLED" if inputs.get("isEnabled", True) else "DISABLED")
        rule = request.site.client("events").put_rule(
            Name=name,
            EventBusName=_bus(inputs),
            State=enabled,
            **pattern,
            **picked(inputs, {"description": "Description", "scheduleExpression": "ScheduleExpression"}),
        )
        return name, {"name": name, "arn": rule["RuleArn"], "eventBusName": inputs.get("eventBusName", _DEFAULT_BUS)}

    def delete(self, site: Site, record: Record) -> None:
        events, bus = site.client("events"), _bus(record.inputs)
        with absent_is_fine():
            targets = events.list_targets_by_rule(Rule=record.id, EventBusName=bus)["Targets"]
            if targets:
                events.remove_targets(Rule=record.id, EventBusName=bus, Ids=[t["Id"] for t in targets])
            events.delete_rule(Name=record.id, EventBusName=bus)


class EventTarget(Handler):
    """Put on its rule when the graph has been checked, so that nothing is delivered by an edge AWS refuses."""

    understood = frozenset(
        {
            "arn",
            "deadLetterConfig",
            "eventBusName",
            "input",
            "inputPath",
            "inputTransformer",
            "roleArn",
            "rule",
            "sqsTarget",
            "targetId",
        }
    )
    without_effect = frozenset({"forceDestroy", "retryPolicy"})
    replaced_by = frozenset({"eventBusName", "rule", "targetId"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        target = request.physical_name("targetId")[-64:]
        return f"{_bus(request.inputs)}-{request.inputs['rule']}-{target}", {"targetId": target}

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("events").remove_targets(
                Rule=name_of(record.inputs["rule"]),
                EventBusName=_bus(record.inputs),
                Ids=[record.outputs["targetId"]],
            )

    def wire(self, request: Request, record: Record) -> None:
        inputs = request.inputs
        target: dict[str, Any] = {"Id": record.outputs["targetId"], "Arn": inputs["arn"]}
        target |= picked(inputs, {"input": "Input", "inputPath": "InputPath", "roleArn": "RoleArn"})
        for name, api in {
            "deadLetterConfig": "DeadLetterConfig",
            "inputTransformer": "InputTransformer",
            "sqsTarget": "SqsParameters",
        }.items():
            if name in inputs:
                target[api] = pascal(inputs[name], {"inputPaths": "InputPathsMap"})
        answer = request.site.client("events").put_targets(
            Rule=name_of(inputs["rule"]), EventBusName=_bus(inputs), Targets=[target]
        )
        if answer["FailedEntryCount"]:
            raise ValueError(f"the bus refused the target: {answer['FailedEntries'][0]}")


def _bus(inputs: dict[str, Any]) -> str:
    return name_of(inputs.get("eventBusName", _DEFAULT_BUS))


HANDLERS = {
    "aws:cloudwatch/eventBus:EventBus": EventBus(),
    "aws:cloudwatch/eventRule:EventRule": EventRule(),
    "aws:cloudwatch/eventTarget:EventTarget": EventTarget(),
}
