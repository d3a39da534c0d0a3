"""Budgets: the emulator keeps them as they are told, and nothing on a laptop costs anything."""

from typing import Any

from ..arns import arn
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine

_SUBSCRIBERS = {"subscriberEmailAddresses": "EMAIL", "subscriberSnsTopicArns": "SNS"}


class Budget(Handler):
    understood = frozenset(
        {"name", "budgetType", "timeUnit", "limitAmount", "limitUnit", "costFilters", "notifications", "tags"}
    )
    replaced_by = understood - {"tags"}

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, site = request.physical_name(), request.site
        inputs = request.inputs
        budget = {
            "BudgetName": name,
            "BudgetType": inputs["budgetType"],
            "TimeUnit": inputs["timeUnit"],
            "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
            "CostFilters": {each["name"]: each["values"] for each in inputs.get("costFilters") or []},
        }
        told = [_notification(each) for each in inputs.get("notifications") or []]
        site.client("budgets").create_budget(AccountId=site.account, Budget=budget, NotificationsWithSubscribers=told)
        return f"{site.account}:{name}", {
            "name": name,
            "accountId": site.account,
            "arn": arn(request.resource.type, name, site.region, site.account),
        }

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("budgets").delete_budget(AccountId=site.account, BudgetName=record.outputs["name"])


def _notification(each: dict[str, Any]) -> dict[str, Any]:
    return {
        "Notification": {
            "NotificationType": each["notificationType"],
            "ComparisonOperator": each["comparisonOperator"],
            "Threshold": each["threshold"],
            "ThresholdType": each["thresholdType"],
        },
        "Subscribers": [
            {"SubscriptionType": kind, "Address": address}
            for name, kind in _SUBSCRIBERS.items()
            for address in each.get(name) or []
        ],
    }


HANDLERS = {"aws:budgets/budget:Budget": Budget()}
