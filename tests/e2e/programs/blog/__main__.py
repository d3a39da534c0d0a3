"""A blog whose deletions are cascaded, with its views and a lake."""

from pathlib import Path
from typing import Any

import pulumi

from components import AnalyticsLake, DeletionCascade, EventSourcedService, Operations, ProjectionPipeline
from components.domain_source import DomainSource

config = pulumi.Config()
operations = Operations(removal="destroy")
domain = DomainSource(path=str(Path(__file__).resolve().parent), entry="blogging:service")
blog = EventSourcedService(
    "blog",
    {
        "domain": domain,
        "road": config.require("road"),
        "effect_types": ["AuthorRegistered"],  # nothing reacts
        "effect_delay_seconds": 0,
        "target": "host",
        "operations": operations,
    },
)
views = ProjectionPipeline(
    "blog-views",
    {
        "source": blog.events,
        "views": ["deletions", "posts", "comments"],
        "streams": True,
        "operations": operations,
    },
)
cascade = DeletionCascade(
    "blog-cascade",
    {
        "source": blog.events,
        "commands": blog.commands,
        "types": [
            "AuthorDeleted",
            "CommentWritten",
            "PostMoved",
            "PostRemoved",
            "PostWritten",
        ],
        "page": config.require_int("page"),
        "attempts": config.require_int("attempts"),
        "operations": operations,
    },
)
pulumi.export("cascadeTable", cascade.index_table)
operated: dict[str, Any] = {"service": blog.operated, "pipelines": [views.operated], "cascades": [cascade.operated]}
if config.require_bool("lake"):
    lake = AnalyticsLake(
        "blog-lake",
        {
            "source": blog.events,
            "domain": domain,
            "entities": ["posts", "comments"],
            "queries": views.queries,
            "window_seconds": 1,
            "target": "host",
            "operations": operations,
        },
    )
    operated["lake"] = lake.operated
pulumi.export("operated", operated)
