"""Books that a schedule closes every day, for each tenant that the configuration names."""

from pathlib import Path

import pulumi

from components import EventSourcedService, Operations

config = pulumi.Config()
days = EventSourcedService(
    "days",
    {
        "domain": {"path": str(Path(__file__).resolve().parent), "entry": "books:service"},
        "schedules": [
            {
                "name": config.require("schedule"),
                "expression": config.require("when"),
                "tenants": config.require("tenants").split(","),
            }
        ],
        "effect_delay_seconds": 0,
        "target": "host",
        "operations": Operations(removal="destroy"),
    },
)
pulumi.export("eventTable", days.event_table)
