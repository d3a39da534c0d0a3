"""The schedules of a graph: started, changed and stopped with it."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from .arns import name_of
from .credentials import Credentials
from .function_host import FunctionHost
from .invocation import Invocation
from .resources.handler import Request, of_type
from .schedules import Schedule
from .source_set import SourceStatus

_SCHEDULE = "aws:scheduler/schedule:Schedule"
_QUEUE = "aws:sqs/queue:Queue"


class ScheduleSet:
    """Fires at functions through the host, and at queues under the schedule's own role."""

    def __init__(self, host: FunctionHost, credentials: Credentials) -> None:
        self._host, self._credentials = host, credentials
        self._running: dict[str, _Running] = {}

    def apply(self, requests: list[Request]) -> None:
        """Run the enabled schedules of the graph; those that did not change run on."""
        queues = {r.resource.outputs["arn"]: r.resource.outputs["url"] for r in of_type(requests, _QUEUE)}
        wanted = {r.resource.id: r for r in of_type(requests, _SCHEDULE) if r.inputs.get("state") != "DISABLED"}
        keys = {id_: json.dumps(r.inputs, sort_keys=True) for id_, r in wanted.items()}
        self._stop([id_ for id_, r in self._running.items() if keys.get(id_) != r.key])
        for id_, request in wanted.items():
            if id_ not in self._running:
                schedule = self._make(request, queues)
                self._running[id_] = _Running(keys[id_], schedule, name_of(request.inputs["target"]["arn"]))
                schedule.start()

    def stop(self) -> None:
        self._stop(list(self._running))

    def status(self) -> list[SourceStatus]:
        return [r.status() for r in self._running.values()]

    def _make(self, request: Request, queues: dict[str, str]) -> Schedule:
        target, outputs = request.inputs["target"], request.resource.outputs
        sqs = self._credentials.clients(target["roleArn"])("sqs")
        if target["arn"] in queues:
            deliver = partial(_send, sqs, queues[target["arn"]], target.get("sqsParameters") or {})
        else:
            deliver = partial(self._host.invoke, name_of(target["arn"]))
        dead = (target.get("deadLetterConfig") or {}).get("arn")
        bury = partial(_send, sqs, queues[dead], {}) if dead else None
        return Schedule(request.resource.name, outputs["arn"], request.inputs, deliver, bury=bury)

    def _stop(self, ids: list[str]) -> None:
        stopping = [self._running.pop(id_).schedule for id_ in ids]
        for schedule in stopping:
            schedule.ask_to_stop()
        for schedule in stopping:
            schedule.stop()


@dataclass(frozen=True)
class _Running:
    key: str
    schedule: Schedule
    target: str

    def status(self) -> SourceStatus:
        following = self.schedule.next
        lag = f"next at {following.isoformat(timespec='seconds')}" if following else "over"
        return SourceStatus(self.schedule.name, self.schedule.expression, self.target, self.schedule.calls, lag)


def _send(sqs: Any, url: str, parameters: dict[str, Any], payload: bytes) -> Invocation:
    group = {"MessageGroupId": parameters["messageGroupId"]} if "messageGroupId" in parameters else {}
    try:
        sqs.send_message(QueueUrl=url, MessageBody=payload.decode(), **group)
    except ClientError as error:
        # To be tried again by the schedule's retry policy.
        return Invocation("throttled", str(error).encode())
    return Invocation("ok")
