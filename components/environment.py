"""The variables a function reads, derived from the same handles as its permissions. All values are strings."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from .handles import Handle

Variables = Mapping[str, pulumi.Input[str]]


def domain(handle: Handle) -> dict[str, pulumi.Input[str]]:
    """What every function that runs the domain reads."""
    return {
        "FOLDSTACK_DOMAIN": handle["entry"],
        "FOLDSTACK_SERVICE": handle["service"],
        "FOLDSTACK_STORE_EPOCH": handle["store_epoch"],
        "POWERTOOLS_SERVICE_NAME": handle["service"],
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def commits(events: Handle) -> Variables:
    """To read commits."""
    return {
        "FOLDSTACK_COMMIT_TABLE": events["commit_table_name"],
        "FOLDSTACK_BODIES_BUCKET": events["bodies_bucket_name"],
    }


def commands(handle: Handle) -> Variables:
    """To execute commands."""
    return {**commits(handle), "FOLDSTACK_ID_TABLE": handle["id_table_name"]}


def secrets(handle: Handle) -> Variables:
    """To read secrets."""
    return {"FOLDSTACK_SECRETS": pulumi.Output.json_dumps(handle["secrets"], sort_keys=True)}


def views(store: Handle, queries: Sequence[Handle]) -> Variables:
    """To read or write views; they must be of the same store, and no two of one name."""
    tables = pulumi.Output.all(store["commit_table_name"], *queries).apply(_merged)
    return {"FOLDSTACK_VIEW_TABLES": pulumi.Output.json_dumps(tables, sort_keys=True)}


def consuming(name: str) -> Variables:
    """To know which republished events are meant."""
    return {"FOLDSTACK_CONSUMER": name}


def publishing(bus_arn: pulumi.Input[str]) -> Variables:
    """To publish events: the ARN says on which road."""
    return {"FOLDSTACK_ROAD": bus_arn}


def feeding_effects(queue_url: pulumi.Input[str], types: Sequence[str]) -> Variables:
    """To send commits of some event types, all when there are none, straight to the queue of effects."""
    return {"FOLDSTACK_EFFECTS_QUEUE": queue_url, **({"FOLDSTACK_EFFECT_TYPES": ",".join(types)} if types else {})}


def parking(queue_url: pulumi.Input[str]) -> Variables:
    """To park what needs a person."""
    return {"FOLDSTACK_PARKED_QUEUE": queue_url}


def routing(routes: str, anonymous: bool) -> Variables:
    """To answer HTTP requests: `routes` is all, commands or queries."""
    return {"FOLDSTACK_ROUTES": routes, **({"FOLDSTACK_ANONYMOUS": "true"} if anonymous else {})}


def inline_effects(seconds: int) -> Variables:
    """To drive effects inside a request for `seconds`."""
    return {"FOLDSTACK_INLINE_SECONDS": str(seconds)}


def with_own(handle: Handle, variables: Variables) -> pulumi.Output[dict[str, str]]:
    """`variables` and the domain's, on top of the program's own."""
    ours = {**domain(handle), **variables}
    return pulumi.Output.all(handle["environment"], ours).apply(lambda both: {**both[0], **both[1]})


def _merged(store_and_queries: Sequence[Any]) -> dict[str, Any]:
    store, *queries = store_and_queries
    merged: dict[str, Any] = {}
    for each in queries:
        tables = each["view_tables"]
        if each["commit_table_name"] != store:
            raise ValueError(
                f"queries: the views {', '.join(sorted(tables))} are of the store {each['commit_table_name']}, "
                f"and the commands of {store}: give each service a door of its own"
            )
        if twice := sorted(merged.keys() & tables.keys()):
            raise ValueError(f"queries: two pipelines have a view {', '.join(twice)}: rename one of each")
        merged |= tables
    return merged
