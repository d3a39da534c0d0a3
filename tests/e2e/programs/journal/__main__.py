"""A journal: entries, a view of some of their events, and sums over all of them."""

from pathlib import Path

import pulumi

from components import EventSourcedService, Operations, ProjectionPipeline

config = pulumi.Config()
operations = Operations(removal="destroy")
journal = EventSourcedService(
    "journal",
    {
        "domain": {"path": str(Path(__file__).resolve().parent), "entry": "diary:service"},
        "environment": {"POISON": config.require("poison")},
        "road": config.require("road"),
        "target": "host",
        "operations": operations,
    },
)
views = ProjectionPipeline(
    "journal-views",
    {
        "source": journal.events,
        "views": ["entries"],
        "types": ["Written", "Rated", "Burnt"],
        "operations": operations,
    },
)
pulumi.export("eventTable", journal.event_table)
pulumi.export("viewTables", views.view_tables)
