"""Who may put schedules into a group, and as whom they are fired: refused where AWS would refuse it."""

from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local.edges import EdgeError

from .test_edges import CODE, World, judge


class Timers:
    """A function that puts schedules into a group, with a role for them; each test takes one thing away."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def get(self, name: str, usual: Any) -> Any:
        return self.changed.get(name, usual)

    def __call__(self) -> None:
        group, other = aws.scheduler.ScheduleGroup("group"), aws.scheduler.ScheduleGroup("other")
        source = {"ArnEquals": {"aws:SourceArn": other.arn if self.get("for", "group") == "other" else group.arn}}
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": self.get("service", "scheduler.amazonaws.com")},
            "Action": "sts:AssumeRole",
            "Condition": source,
        }
        fired_as = aws.iam.Role(
            "fired", assume_role_policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
        )
        schedules = group.arn.apply(lambda arn: arn.replace(":schedule-group/", ":schedule/") + "/*")
        role = World().role(
            "maker",
            "lambda.amazonaws.com",
            (["scheduler:CreateSchedule"], schedules),
            (self.get("passing", ["iam:PassRole"]), fired_as.arn),
        )
        aws.lambda_.Function("maker", role=role.arn, code=CODE, handler="a.b", runtime="python3.13")


REFUSED_TIMERS: dict[str, tuple[dict[str, Any], str]] = {
    "a role that may not be passed": (
        {"passing": ["iam:GetRole"]},
        "Function 'maker' -> ScheduleGroup 'group': Role 'maker' is not allowed to iam:PassRole any role to scheduler",
    ),
    "a role for another group": (
        {"for": "other"},
        "ScheduleGroup 'group' -> Role 'fired': its trust policy does not let scheduler.amazonaws.com assume it",
    ),
    "a role of another service": ({"service": "events.amazonaws.com"}, "ScheduleGroup 'group' -> Role 'fired'"),
}


def test_timers_that_aws_accepts() -> None:
    judge(Timers())


@pytest.mark.parametrize(("changed", "message"), REFUSED_TIMERS.values(), ids=REFUSED_TIMERS)
def test_timers_that_aws_would_refuse(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        judge(Timers(**changed))
