"""A budget for all that carries a service's tag, and who is told when it is going to be exceeded, or is."""

import re
from typing import NamedTuple

import pulumi_aws as aws

from .arguments import Arguments
from .scope import Scope

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,185}")
MOST_EMAILS = 10
WARNINGS = (("FORECASTED", 80), ("ACTUAL", 100))
"""What AWS expects of the month, what has been spent: each with the per cent of the budget at which it is told."""


class Limit(NamedTuple):
    """Dollars a month, 0 for no budget, and who is told besides the topic for alarms."""

    dollars: int
    emails: list[str]


def read(arguments: Arguments) -> Limit:
    """`monthly_budget` and `budget_emails`; their faults are raised by `arguments.check()`."""
    dollars = arguments.integer("monthly_budget", 0, 1_000_000, 0)
    emails = arguments.names("budget_emails", EMAIL, "an e-mail address", [])
    if len(emails) > MOST_EMAILS:
        arguments.fault("budget_emails", f"{len(emails)} addresses", f"at most {MOST_EMAILS}", "take a mailing list")
    if emails and not dollars:
        arguments.fault("budget_emails", emails, "none without a monthly_budget", "give one, or drop them")
    return Limit(dollars, emails)


def build(scope: Scope, service: str, limit: Limit) -> None:
    """Without anybody to tell, a budget only shows in the console what is spent.

    AWS finds the costs by the tag `service`, once an administrator of the bill has made it a cost allocation tag."""
    if not limit.dollars:
        return
    topics = [scope.alarm_topic_arn] if scope.alarm_topic_arn else []
    aws.budgets.Budget(
        scope.child("budget"),
        budget_type="COST",
        time_unit="MONTHLY",
        limit_amount=str(limit.dollars),
        limit_unit="USD",
        cost_filters=[{"name": "TagKeyValue", "values": [f"user:service${service}"]}],
        notifications=[
            {
                "notification_type": kind,
                "comparison_operator": "GREATER_THAN",
                "threshold": per_cent,
                "threshold_type": "PERCENTAGE",
                "subscriber_email_addresses": limit.emails,
                "subscriber_sns_topic_arns": topics,
            }
            for kind, per_cent in WARNINGS
            if limit.emails or topics
        ],
        tags=scope.tags,
        opts=scope.options(),
    )
