"""A program of every component, to which a team brings what it has: given as arguments, as resources of its own."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pulumi_aws as aws

from components import (
    AnalyticsLake,
    DeletionCascade,
    EventSourcedService,
    HttpApi,
    ProjectionPipeline,
    SqlStore,
    TenantAuth,
)
from local.monitor import Registered
from local.program import Deployment
from tests.graph.support import DOMAIN, deploy

NETWORK = {"subnet_ids": ["subnet-1", "subnet-2"], "security_group_ids": ["sg-1"]}
URLS = {"callback_urls": ["https://app.example.com/"]}
SECRETS = {"secrets": ["api"], "secret_values": {"api": "sesame"}}


@cache
def under_key(road: str = "eventbridge", sql: bool = False, split: bool = False, silo: bool = False) -> Deployment:
    """All components with a key of the team's in `operations`."""

    def run() -> None:
        operations: Any = {"key_arn": team_key("ours").arn, "log_key_arn": team_key("logs").arn}
        everywhere = {"operations": operations}
        crm = EventSourcedService(
            "crm",
            {"domain": DOMAIN, "road": road, "personal": True, **SECRETS, **everywhere},  # pyright: ignore
        )
        store = SqlStore("base", {**everywhere}).connection if sql else None  # pyright: ignore
        rows = ProjectionPipeline("rows", {"source": crm.events, "views": ["rows"], "store": store, **everywhere})  # pyright: ignore
        auth = TenantAuth("people", {"domain": crm.events["domain"], **URLS, **everywhere})  # pyright: ignore
        door: Any = {"commands": crm.commands, "queries": [rows.queries], "authorizer": auth.authorizer}
        if silo:
            big = EventSourcedService("big", {"domain": DOMAIN, "silo": "big-corp", **everywhere})  # pyright: ignore
            own = ProjectionPipeline(
                "big-rows",
                {"source": big.events, "views": ["rows"], "silo": "big-corp", **everywhere},  # pyright: ignore
            )
            door |= {"silos": [big.commands], "queries": [rows.queries, own.queries]}
        lake = AnalyticsLake(
            "facts",
            {
                "source": crm.events,
                "domain": DOMAIN,
                "questions": "shop/lake",
                "authorizer": auth.authorizer,
                "archive": {},
                **everywhere,
            },  # pyright: ignore
        )
        DeletionCascade("cleaning", {"source": crm.events, "commands": crm.commands, **everywhere})  # pyright: ignore
        HttpApi("door", {**door, "tasks": lake.tasks, "split": split, **everywhere})

    return deploy(run)


def team_key(name: str) -> aws.kms.Key:
    """As a team may make one beside the components."""
    return aws.kms.Key(name, enable_key_rotation=True)


def team_table(name: str, sort: str = "S", stream: str | None = None) -> aws.dynamodb.Table:
    """Likewise a table."""
    return aws.dynamodb.Table(
        name,
        billing_mode="PAY_PER_REQUEST",
        hash_key="p",
        range_key="s",
        attributes=[{"name": "p", "type": "S"}, {"name": "s", "type": sort}],
        stream_enabled=bool(stream),
        stream_view_type=stream,
    )


def given(table: aws.dynamodb.Table, stream: bool = False) -> Any:
    """A table as an argument."""
    return {"name": table.name, "arn": table.arn, **({"stream_arn": table.stream_arn} if stream else {})}


def of_component(graph: Deployment, name: str, type_: str) -> list[Registered]:
    """The resources of one type that a component has made."""
    (component,) = (each for each in graph.resources if not each.custom and each.name == name)
    return [each for each in graph.children(component) if each.type == type_]


def variables(function: Registered) -> Mapping[str, str]:
    return function.inputs["environment"]["variables"]
