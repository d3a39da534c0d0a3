"""Customers: personal fields, a view of them, a lake with an archive, and an API in front."""

from pathlib import Path
from typing import Any

import pulumi

from components import AnalyticsLake, EventSourcedService, HttpApi, Operations, ProjectionPipeline, SqlStore, TenantAuth

config = pulumi.Config()
operations = Operations(removal="destroy")
domain: Any = {"path": str(Path(__file__).resolve().parent), "entry": "domain:service"}
customers = EventSourcedService(
    "customers",
    {
        "domain": domain,
        "personal": True,
        "environment": {"ROUND": config.require("round")},
        "road": config.require("road"),
        "effect_delay_seconds": 1,
        "target": "host",
        "operations": operations,
    },
)
store = SqlStore.chosen(
    config.require("readModel"), "customers-sql", {"service": "customers", "operations": operations}
)
views = ProjectionPipeline(
    "customers-views",
    {
        "source": customers.events,
        "views": ["customers"],
        "store": store,
        "streams": store is None,
        "operations": operations,
    },
)
lake = AnalyticsLake(
    "customers-lake",
    {
        "source": customers.events,
        "domain": domain,
        "entities": ["customers"],
        "queries": None if store else views.queries,
        "window_seconds": 1,
        "archive": {},
        "target": "host",
        "operations": operations,
    },
)
auth = TenantAuth(
    "customers-auth",
    {"domain": customers.events["domain"], "callback_urls": ["http://localhost/"], "operations": operations},
)
api = HttpApi(
    "customers-api",
    {
        "commands": customers.commands,
        "queries": [views.queries],
        "authorizer": auth.authorizer,
        "split": True,
        "operations": operations,
    },
)

pulumi.export("apiUrl", api.url)
pulumi.export("viewTables", views.view_tables)
pulumi.export(
    "operated",
    {
        "service": customers.operated,
        "pipelines": [views.operated],
        "auth": auth.operated,
        "lake": lake.operated,
    },
)
