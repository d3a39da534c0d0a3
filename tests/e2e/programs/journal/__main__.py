"""A journal: entries, views of some of their events, and sums over all of them."""

from pathlib import Path

import pulumi

from components import EventSourcedService, Operations, ProjectionPipeline, SqlStore

config = pulumi.Config()
operations = Operations(removal="destroy")
journal = EventSourcedService(
    "journal",
    {
        "domain": {"path": str(Path(__file__).resolve().parent), "entry": "diary:service"},
        "environment": {"POISON": config.require("poison")},
        "road": config.require("road"),
        "effect_types": ["Burnt"],
        "effect_delay_seconds": 0,
        "target": "host",
        "operations": operations,
    },
)
store = SqlStore.chosen(config.require("readModel"), "journal-sql", {"service": "journal", "operations": operations})
views = ProjectionPipeline(
    "journal-views",
    {
        "source": journal.events,
        "views": ["entries", "ratings"],
        "store": store,
        "types": ["Written", "Rated", "Burnt"],
        "operations": operations,
    },
)
pulumi.export("eventTable", journal.event_table)
pulumi.export("viewTables", views.view_tables)
pulumi.export("operated", {"service": journal.operated, "pipelines": [views.operated]})
