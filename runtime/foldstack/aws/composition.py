"""Where the runtime is put together: every handler takes its parts from here, made of what its function was given.

What only some functions have is imported when it is made: a cold start pays for its own parts alone.
"""

import logging
from functools import cache, partial
from typing import TYPE_CHECKING

from ..kernel.decision import Rejection
from ..kernel.errors import ConfigurationError, DefinitionError
from ..kernel.executor import Executor
from ..kernel.keys import Tenant
from ..kernel.projection import Projection
from ..kernel.reactor import Reacted, Reactor
from ..kernel.service import Service, Settings
from ..kernel.store import CommitStore
from ..kernel.token import Token
from . import clients
from .bodies import Bodies
from .commit_store import DynamoCommitStore
from .environment import Environment, SqlConnection

if TYPE_CHECKING:
    from .parking import ParkingQueue
    from .projector import Projector
    from .relay import Relay
    from .roads.road import Road
    from .sql.statements import Sql
    from .sql.view_store import SqlViewStore
    from .sweep import Sweep
    from .view_store import ViewStore
    from .views import ViewReader

_WAKING_SECONDS = 30
"""How long a projector waits for its database, within its own 60 s."""


def commit_store(env: Environment) -> DynamoCommitStore:
    """One without an id table, for a function that only reads commits."""
    ids = env.variables.get("FOLDSTACK_ID_TABLE", "")
    bodies = Bodies(partial(clients.client, "s3"), env.bodies_bucket)
    return DynamoCommitStore(clients.commit_table(), env.commit_table, ids, bodies)


def executor(env: Environment) -> Executor:
    return Executor(commit_store(env), epoch=env.store_epoch)


def reactor(env: Environment, service: Service, executor: Executor) -> Reactor:
    """Its outside world is made by the first effect, and so are the secrets read."""
    from .secrets import Secrets

    settings = Settings(env.variables, Secrets(partial(clients.client, "secretsmanager"), env.secrets))
    make_world = partial(service.world, settings) if service.world else None
    return Reactor(service, executor, make_world=make_world, log=partial(_log_rejection, env.service))


def views(env: Environment, service: Service, store: CommitStore, tenant: Tenant, token: Token | None) -> "ViewReader":
    """The views of one tenant, for one request."""
    if env.has_sql:
        from .sql.views import SqlViews

        return SqlViews(_sql_view_store(env, service), store, tenant, token, env.store_epoch)
    from .views import ViewReader

    return ViewReader(view_store(env, service), store, tenant, token, env.store_epoch)


def view_store(env: Environment, service: Service) -> "ViewStore":
    """In PostgreSQL where the function was given a connection, else in DynamoDB."""
    if env.has_sql:
        return _sql_view_store(env, service)
    from .view_store import DynamoViewStore

    return DynamoViewStore(clients.client("dynamodb"), env.view_tables)


def _sql_view_store(env: Environment, service: Service) -> "SqlViewStore":
    projections(env, service)  # which tells of a view that the domain does not have
    return _kept_view_store(env.sql, env.service, service)


def sql(env: Environment) -> "Sql":
    """Statements as the role whose secret the function was given."""
    return _sql(env.sql)


def projections(env: Environment, service: Service) -> list[Projection]:
    """Those that this function has views of. Raises DefinitionError for a view of none."""
    names = env.sql.views if env.has_sql else tuple(env.view_tables)
    strangers = sorted(set(names) - service.projections.keys())
    if strangers:
        raise DefinitionError(
            f"{service.name} has no projection {', '.join(strangers)}; it has "
            f"{', '.join(sorted(service.projections)) or 'none'}: name those in the `views` of the ProjectionPipeline"
        )
    return [service.projections[name] for name in names]


def projector(env: Environment, service: Service) -> "Projector":
    mine, commits, park = projections(env, service), commit_store(env), parking(env)
    if env.has_sql:
        from .sql.patience import Patient
        from .sql.projector import SqlProjector
        from .sql.view_store import SqlViewStore

        views = SqlViewStore(Patient(sql(env), _WAKING_SECONDS), env.service, mine)
        return SqlProjector(mine, commits, views, park, epoch=env.store_epoch)
    from .projector import Projector

    return Projector(mine, commits, view_store(env, service), park, epoch=env.store_epoch)


def sweep(env: Environment, projector: "Projector") -> "Sweep":
    from .sweep import CommitTableHeads, Sweep

    heads = CommitTableHeads(clients.client("dynamodb"), env.commit_table)
    return Sweep(projector, heads, projector.views)


def relay(env: Environment) -> "Relay":
    from .relay import Relay
    from .roads.publisher import Publisher

    park = parking(env)
    publishers = [Publisher(road(env), park)]
    if env.effects_queue:
        from .roads.effects_queue import EffectsQueue

        publishers.append(Publisher(EffectsQueue(clients.client("sqs"), env.effects_queue), park, env.effect_types))
    return Relay(publishers, env.service, park)


def road(env: Environment) -> "Road":
    """Where the relay publishes: the service in its ARN says which road that is."""
    service = env.road.split(":")[2] if env.road.startswith("arn:") else ""
    if service == "events":
        from .roads.eventbridge import EventBridge

        return EventBridge(clients.client("events"), env.road, env.service)
    if service == "kinesis":
        from .roads.kinesis import Kinesis

        return Kinesis(clients.client("kinesis"), env.road)
    if service == "sns":
        from .roads.sns import Sns

        return Sns(clients.client("sns"), env.road)
    raise ConfigurationError(
        "FOLDSTACK_ROAD", f"must be the ARN of an EventBridge bus, a Kinesis stream or an SNS topic; it is {env.road!r}"
    )


def parking(env: Environment) -> "ParkingQueue":
    from .parking import ParkingQueue

    return ParkingQueue(clients.client("sqs"), env.parked_queue)


@cache
def _kept_view_store(connection: SqlConnection, name: str, service: Service) -> "SqlViewStore":
    """One a sandbox: it keeps its statements as they were rendered."""
    from .sql.view_store import SqlViewStore

    projections = [service.projections[view] for view in connection.views]
    return SqlViewStore(_sql(connection), name, projections)


def _sql(connection: SqlConnection) -> "Sql":
    from .sql.data_api import DataApi

    return DataApi(clients.data_api(), connection.cluster, connection.secret, connection.database)


def _log_rejection(service: str, reacted: Reacted) -> None:
    assert isinstance(reacted.outcome, Rejection)
    # Handlers' Logger is of this name, so that the line is structured as theirs.
    logging.getLogger(service).warning(
        "a reaction's command was rejected",
        extra={
            "reaction": reacted.reaction,
            "code": reacted.outcome.code,
            "detail": reacted.outcome.detail,
        },
    )
