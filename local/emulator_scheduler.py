"""The emulator's EventBridge Scheduler: who may make a schedule, and what is listed. Part of its patches.

It fires nothing: `local.timer_source` does, under the role of each schedule, with retries and dead letters.
"""

import json
from typing import Any

_SERVICE = "scheduler.amazonaws.com"
_PASSED = "foldstack:passedrole"
_PASSING = ("scheduler:CreateSchedule", "scheduler:UpdateSchedule")
_PAGE = 100


def names() -> None:
    """A schedule's ARN names its group."""
    from ministack.core import iam_actions

    original = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict, body: bytes, query: dict, *rest: Any
    ) -> str:
        arn = original(service, method, path, headers, body, query, *rest)
        if service != "scheduler" or ":schedule/default/" not in arn:
            return arn
        group = _json(body).get("GroupName") or _first(query.get("groupName")) or "default"
        return arn.replace(":schedule/default/", f":schedule/{group}/")

    iam_actions.extract_resource_arn = extract_resource_arn


def passed_roles() -> None:
    """Who makes a schedule passes a role to Scheduler, and needs iam:PassRole for it."""
    from ministack.core import iam_actions, iam_evaluator

    context_of, enforce = iam_actions.request_tag_context, iam_evaluator.enforce

    def request_tag_context(service: str, action: str, body: bytes, *rest: Any) -> dict:
        target = _json(body).get("Target") if action in _PASSING else None
        role = target.get("RoleArn") if isinstance(target, dict) else None
        return {**context_of(service, action, body, *rest), **({_PASSED: role} if role else {})}

    def enforce_passing(access_key: str, action: str, service: str, region: str, **about: Any) -> Any:
        denied = enforce(access_key, action, service, region, **about)
        role = (about.get("service_context") or {}).get(_PASSED)
        if denied or not role:
            return denied
        passed = {"iam:PassedToService": _SERVICE}
        return enforce(access_key, "iam:PassRole", "iam", region, resource_arn=role, service_context=passed)

    iam_actions.request_tag_context = request_tag_context
    iam_evaluator.enforce = enforce_passing


def service_roles() -> None:
    """Root, who plays the services here, assumes their roles whatever resource it is for: the laptop checks that."""
    from ministack.core import iam_evaluator

    original = iam_evaluator.evaluate_trust_policy

    def evaluate_trust_policy(trust: Any, caller: str, context: Any = None) -> bool:
        document = _json(trust) if isinstance(trust, str) else trust
        if caller.endswith(":root") and isinstance(document, dict):
            given = document.get("Statement", [])
            statements = given if isinstance(given, list) else [given]
            document = {**document, "Statement": [_for_any_source(statement) for statement in statements]}
        return original(document, caller, context)

    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy


def _for_any_source(statement: Any) -> Any:
    if not isinstance(statement, dict) or not isinstance(statement.get("Principal"), dict):
        return statement
    if "Service" not in statement["Principal"]:
        return statement
    kept = {}
    for operator, keys in statement.get("Condition", {}).items():
        others = {key: value for key, value in keys.items() if not key.lower().startswith("aws:source")}
        if others:
            kept[operator] = others
    return {**statement, "Condition": kept}


def lists() -> None:
    """Nothing fires here, and a list has pages."""
    from ministack.services import scheduler

    def list_schedules(query: dict) -> tuple:
        wanted, prefix = query.get("ScheduleGroup"), query.get("NamePrefix", "")
        after, state = query.get("NextToken", ""), query.get("State")
        most = int(query.get("MaxResults", _PAGE))
        keys = sorted(
            key
            for key, schedule in scheduler._schedules.items()
            if key > after
            and (not wanted or schedule["GroupName"] == wanted)
            and schedule["Name"].startswith(prefix)
            and (not state or schedule["State"] == state)
        )
        page = [_summary(scheduler._schedules[key]) for key in keys[:most]]
        more = {"NextToken": keys[most - 1]} if len(keys) > most else {}
        return scheduler._json_resp(200, {"Schedules": page, **more})

    scheduler._list_schedules = list_schedules
    scheduler.start_scheduler = lambda: None


def _summary(schedule: dict) -> dict:
    shown = ("Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate")
    return {**{name: schedule[name] for name in shown}, "Target": {"Arn": schedule["Target"]["Arn"]}}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _json(body: bytes | str) -> dict:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
