"""The shop, where all tenants share its tables but one, which has tables and a key of its own."""

import pulumi

from components import EventSourcedService, HttpApi, Operations, ProjectionPipeline

config = pulumi.Config()
operations = Operations(removal="destroy")
domain = {
    "domain": {"path": config.require("root"), "entry": "shop:service"},
    "service": "shop",
    "environment": {"PAYMENT_PROVIDER_URL": config.require("paymentProviderUrl"), "RESERVATION_MINUTES": "15"},
    "secrets": ["paymentProviderKey"],
    "secret_values": {"paymentProviderKey": "opens-nothing"},
    "effect_delay_seconds": 2,
    "target": "host",
    "operations": operations,
}
shop = EventSourcedService("shop", {**domain})
views = ProjectionPipeline(
    "shop-views", {"source": shop.events, "views": ["products", "purchases"], "operations": operations}
)
big = EventSourcedService("big", {**domain, "silo": "big-corp"})
big_views = ProjectionPipeline(
    "big-views",
    {"source": big.events, "views": ["products", "purchases"], "silo": "big-corp", "operations": operations},
)
api = HttpApi(
    "api",
    {
        "commands": shop.commands,
        "silos": [big.commands],
        "queries": [views.queries, big_views.queries],
        "anonymous": True,
        "operations": operations,
    },
)
pulumi.export("apiUrl", api.url)
pulumi.export("tables", {"shop": shop.event_table, "big": big.event_table})
pulumi.export("viewTables", {"shop": views.view_tables, "big": big_views.view_tables})
