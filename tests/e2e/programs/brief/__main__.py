"""The shop, with reservations of seconds, and effects that begin at once."""

from pathlib import Path

import pulumi

from components import EventSourcedService, HttpApi, Operations, ProjectionPipeline

config = pulumi.Config()
operations = Operations(removal="destroy")
shop = EventSourcedService(
    "brief",
    {
        "service": "shop",
        "domain": {"path": str(Path(__file__).resolve().parents[4]), "entry": "shop:service"},
        "environment": {
            "PAYMENT_PROVIDER_URL": config.require("paymentProviderUrl"),
            "RESERVATION_MINUTES": config.require("reservationMinutes"),
        },
        "secrets": ["paymentProviderKey"],
        "secret_values": {"paymentProviderKey": "opens-nothing"},
        "effect_delay_seconds": 0,
        "target": "host",
        "operations": operations,
    },
)
views = ProjectionPipeline("brief-views", {"source": shop.events, "views": ["products"], "operations": operations})
api = HttpApi(
    "brief-api", {"commands": shop.commands, "queries": [views.queries], "anonymous": True, "operations": operations}
)
pulumi.export("apiUrl", api.url)
pulumi.export("eventTable", shop.event_table)
pulumi.export("paymentProviderUrl", config.require("paymentProviderUrl"))
pulumi.export("operated", {"service": shop.operated, "pipelines": [views.operated]})
