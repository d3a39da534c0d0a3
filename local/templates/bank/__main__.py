"""The bank on AWS."""

import pulumi
from foldstack.components import EventSourcedService, HttpApi, Operations, ProjectionPipeline, TenantAuth

config = pulumi.Config()
operations = Operations(removal=config.require("removal"))
service = EventSourcedService(
    "bank",
    {
        "domain": {"path": __file__, "entry": "bank:service"},
        "target": config.require("target"),
        "operations": operations,
    },
)
views = ProjectionPipeline("bank-views", {"source": service.events, "views": ["accounts"], "operations": operations})
auth = TenantAuth(
    "bank-auth", config.require_object("auth") | {"domain": service.events["domain"], "operations": operations}
)
api = HttpApi(
    "bank-api",
    {
        "commands": service.commands,
        "queries": [views.queries],
        "authorizer": auth.authorizer,
        "operations": operations,
    },
)
pulumi.export("apiUrl", api.url)
pulumi.export("eventTable", service.event_table)
pulumi.export("viewTables", views.view_tables)
pulumi.export("operated", {"service": service.operated, "pipelines": [views.operated], "auth": auth.operated})
