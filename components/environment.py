"""The variables a function reads, derived from the same handles as its permissions. All values are strings."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from .handles import Handle, optional

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
    return {**commits(handle), "FOLDSTACK_ID_TABLE": handle["id_table_name"], **keys(handle)}


def keys(handle: Handle) -> Variables:
    """To read personal data; empty where there is none."""
    return {"FOLDSTACK_KEY_TABLE": handle["key_table_name"], "FOLDSTACK_KMS_KEY": handle["kms_key_arn"]}


def erasing(handle: Handle, role_arn: pulumi.Input[str]) -> Variables:
    """To erase people."""
    return {**keys(handle), "FOLDSTACK_ERASE_ROLE": role_arn}


def acting_for_tenants(tenant_role_arn: pulumi.Input[str]) -> Variables:
    """To make sessions for tenants."""
    return {"FOLDSTACK_TENANT_ROLE": tenant_role_arn}


def secrets(handle: Handle) -> Variables:
    """To read secrets."""
    return {"FOLDSTACK_SECRETS": pulumi.Output.json_dumps(handle["secrets"], sort_keys=True)}


def timers(handle: Handle) -> Variables:
    """To keep commands for later."""
    return {"FOLDSTACK_TIMERS": pulumi.Output.json_dumps(_timers(handle), sort_keys=True)}


def schedules(names: Sequence[str]) -> Variables:
    """To know the schedules that are fired."""
    return {"FOLDSTACK_SCHEDULES": ",".join(sorted(names))}


def dead_letters(queue_url: pulumi.Input[str]) -> Variables:
    """To give up at once what is not worth another try."""
    return {"FOLDSTACK_DEAD_LETTERS": queue_url}


def views(store: Handle, queries: Sequence[Handle], silos: Sequence[Handle] = ()) -> Variables:
    """To read the views of a store, beside those of its silos; no two of one name, and all in DynamoDB or one
    database."""
    stores = [each["commit_table_name"] for each in (store, *silos)]
    merged = pulumi.Output.all(stores, *queries).apply(lambda known: _merged(known[0][0], known[0], known[1:]))
    return {"FOLDSTACK_VIEW_TABLES": merged["tables"], "FOLDSTACK_SQL": merged["sql"]}


def silos(store: Handle, silos: Sequence[Handle], queries: Sequence[Handle] | None, *, executing: bool) -> Variables:
    """To serve tenants from stores of their own: what is told of the store that others share, for each of them;
    without `queries`, nothing of views, and unless it is `executing`, nothing that only commands need."""
    told = [_told(each, executing) for each in (store, *silos)]
    known = pulumi.Output.all(pulumi.Output.all(*told), *(queries or []))
    siloed = known.apply(lambda all_: _siloed(all_[0], None if queries is None else all_[1:]))
    return {"FOLDSTACK_SILOS": siloed}


def sql(connection: Handle, secret_arn: pulumi.Input[str], names: Sequence[str]) -> Variables:
    """To use views in a database, as the role of a secret."""
    connected = {"cluster": connection["cluster_arn"], "secret": secret_arn, "database": connection["database"]}
    return {"FOLDSTACK_SQL": pulumi.Output.json_dumps({**connected, "views": list(names)}, sort_keys=True)}


def sql_roles(connection: Handle) -> Variables:
    """To set up the roles of a database."""
    roles = {"projector": connection["projector_secret_arn"], "reader": connection["reader_secret_arn"]}
    return {"FOLDSTACK_SQL_ROLES": pulumi.Output.json_dumps(roles, sort_keys=True)}


def folding(views: Sequence[str]) -> Variables:
    """To fold rows of views from commits."""
    return {"FOLDSTACK_FOLDED_VIEWS": ",".join(views)}


def consuming(name: str) -> Variables:
    """To know which republished events are meant."""
    return {"FOLDSTACK_CONSUMER": name}


def cascading(table_name: pulumi.Input[str], queue_url: pulumi.Input[str]) -> Variables:
    """To know who refers to what, and to ask for removals."""
    return {"FOLDSTACK_CASCADE_TABLE": table_name, "FOLDSTACK_REMOVALS_QUEUE": queue_url}


def paging(page: int) -> Variables:
    """To remove so many streams for one message."""
    return {"FOLDSTACK_CASCADE_PAGE": str(page)}


def publishing(bus_arn: pulumi.Input[str]) -> Variables:
    """To publish events: the ARN says on which road."""
    return {"FOLDSTACK_ROAD": bus_arn}


def feeding_effects(queue_url: pulumi.Input[str], types: Sequence[str]) -> Variables:
    """To send commits of some event types, all when there are none, straight to the queue of effects."""
    return {"FOLDSTACK_EFFECTS_QUEUE": queue_url, **({"FOLDSTACK_EFFECT_TYPES": ",".join(types)} if types else {})}


def draining(queue_url: pulumi.Input[str], attempts: int, hidden_seconds: int) -> Variables:
    """To have what failed given out again soon, and to know the last time."""
    queue = {"url": queue_url, "attempts": attempts, "hidden_seconds": hidden_seconds}
    return {"FOLDSTACK_QUEUE": pulumi.Output.json_dumps(queue, sort_keys=True)}


def parking(queue_url: pulumi.Input[str]) -> Variables:
    """To park what needs a person."""
    return {"FOLDSTACK_PARKED_QUEUE": queue_url}


def routing(routes: str, anonymous: bool) -> Variables:
    """To answer HTTP requests: `routes` is all, commands or queries."""
    return {"FOLDSTACK_ROUTES": routes, **({"FOLDSTACK_ANONYMOUS": "true"} if anonymous else {})}


def claiming(table_name: pulumi.Input[str], scope: str) -> Variables:
    """To put claims into tokens."""
    return {"FOLDSTACK_TENANTS_TABLE": table_name, "FOLDSTACK_API_SCOPE": scope}


def tenants(authorizer: Handle | None) -> Variables:
    """To know whether a token still holds; nothing where its issuer is another's."""
    if authorizer is None:
        return {}
    return {"FOLDSTACK_TENANTS_TABLE": optional(authorizer, "tenants_table_name").apply(lambda name: name or "")}


def limits(table_name: pulumi.Input[str], per_minute: int) -> Variables:
    """To limit the requests of each tenant."""
    return {"FOLDSTACK_LIMITS_TABLE": table_name, "FOLDSTACK_REQUESTS_PER_MINUTE": str(per_minute)}


def usage(tenant_metrics: bool) -> Variables:
    """To measure what is done for each tenant."""
    return {"FOLDSTACK_TENANT_METRICS": "true"} if tenant_metrics else {}


def inline_effects(seconds: int) -> Variables:
    """To drive effects inside a request for `seconds`."""
    return {"FOLDSTACK_INLINE_SECONDS": str(seconds)}


def with_own(handle: Handle, variables: Variables, own: Variables) -> pulumi.Output[dict[str, str]]:
    """`variables` and the domain's, on top of the program's own and the function's `own`; of ours, empty ones are left
    out."""
    ours = {**domain(handle), **variables}
    return pulumi.Output.all(handle["environment"], own, ours).apply(
        lambda all_: {**all_[0], **all_[1], **{name: value for name, value in all_[2].items() if value != ""}}
    )


def _timers(handle: Handle) -> dict[str, pulumi.Input[str]]:
    return {
        "group": handle["timers_group_name"],
        "role": handle["timers_role_arn"],
        "queue": handle["queue_arn"],
        "dead_letters": handle["dead_letters_arn"],
    }


def _told(commands: Handle, executing: bool) -> dict[str, Any]:
    domain = commands["domain"]
    told = {
        "silo": domain["silo"],
        "epoch": domain["store_epoch"],
        "COMMIT_TABLE": commands["commit_table_name"],
        "BODIES_BUCKET": commands["bodies_bucket_name"],
        "KEY_TABLE": commands["key_table_name"],
        "KMS_KEY": commands["kms_key_arn"],
    }
    return {**told, "ID_TABLE": commands["id_table_name"], "TIMERS": _timers(commands)} if executing else told


def _siloed(told: Sequence[Any], queries: Sequence[Any] | None) -> str:
    """Tenant -> its variables, without FOLDSTACK_, as JSON; empty where there are none. Raises ValueError for what
    are no silos of one service."""
    shared, *silos = told
    stores = [each["COMMIT_TABLE"] for each in told]
    found: dict[str, Any] = {}
    if shared["silo"]:
        raise ValueError(
            f"commands: they are of the silo of {shared['silo']}, and would be everybody's: give them in `silos`, and "
            "in `commands` those of the service that the other tenants share"
        )
    for each in silos:
        tenant, table = each["silo"], each["COMMIT_TABLE"]
        if not tenant or tenant in found:
            said = f"of the silo of {tenant}, for the second time" if tenant else "of no silo"
            raise ValueError(f"silos: the store {table} is {said}: give each tenant's service once, made with `silo`")
        if each["epoch"] != shared["epoch"]:
            raise ValueError(
                f"silos: the store of {tenant} has the epoch {each['epoch']}, and the one that others share "
                f"{shared['epoch']}: raise the lower one to the same store_epoch"
            )
        found[tenant] = {name: value for name, value in each.items() if name.isupper() and value}
        if queries is not None:
            merged = _merged(table, stores, queries)
            views = {"VIEW_TABLES": merged["tables"], "SQL": merged["sql"]}
            found[tenant] |= {name: json.loads(text) for name, text in views.items() if text}
    return json.dumps(found, sort_keys=True) if found else ""


def _merged(store: str, stores: Sequence[str], queries: Sequence[Any]) -> dict[str, str]:
    """The variables' values: tables of a store's views, and the database of its views, empty where they are in the
    other. Every pipeline must be of one of the `stores`."""
    tables: dict[str, Any] = {}
    names: list[str] = []
    for each in queries:
        if each["commit_table_name"] not in stores:
            raise ValueError(
                f"queries: the views {', '.join(sorted([*each['view_tables'], *each['sql_views']]))} are of the store "
                f"{each['commit_table_name']}, and the commands of {', '.join(stores)}: give each service a door of "
                "its own, and the `commands` of a silo in `silos`"
            )
    queries = [each for each in queries if each["commit_table_name"] == store]
    databases = {(q["sql_cluster_arn"], q["sql_secret_arn"], q["sql_database"]) for q in queries if q["sql_views"]}
    for each in queries:
        mine = sorted([*each["view_tables"], *each["sql_views"]])
        if twice := sorted({*tables, *names} & {*mine}):
            raise ValueError(f"queries: two pipelines have a view {', '.join(twice)}: rename one of each")
        tables |= each["view_tables"]
        names += each["sql_views"]
    if len(databases) + bool(tables) > 1:
        raise ValueError(
            f"queries: the views {', '.join(sorted([*tables, *names]))} are in several stores: "
            "give all pipelines of a door the same store, or each a door of its own"
        )
    if not databases:
        return {"tables": json.dumps(tables, sort_keys=True), "sql": ""}
    ((cluster, secret, database),) = databases
    connected = {"cluster": cluster, "secret": secret, "database": database, "views": sorted(names)}
    return {"tables": "", "sql": json.dumps(connected, sort_keys=True)}
