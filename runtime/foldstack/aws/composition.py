"""Where the runtime is put together: every handler takes its parts from here, made of what its function was given.

What only some functions have is imported when it is made: a cold start pays for its own parts alone.
"""

import logging
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..kernel.decision import Rejection
from ..kernel.errors import ConfigurationError, DefinitionError, Unavailable
from ..kernel.executor import Executor
from ..kernel.keys import Tenant
from ..kernel.occasion import Occasion
from ..kernel.projection import Projection
from ..kernel.reactor import Reacted, Reactor
from ..kernel.service import Service, Settings
from ..kernel.store import CommitStore
from ..kernel.timer import Timer
from ..kernel.token import Token
from . import clients
from .bodies import Bodies
from .commit_store import DynamoCommitStore
from .environment import Environment, SqlConnection
from .generations import FEEDERS_LOOK, READERS_LOOK, Generations
from .sessions import Sessions, client_for

if TYPE_CHECKING:
    from ..kernel.keyring import Cipher, Keyring, Keys
    from ..kernel.request import Views
    from .dead_letters import DeadLetters
    from .key_table import KeyTable
    from .parking import ParkingQueue
    from .projector import Projector
    from .rebuild import Rebuild
    from .relay import Relay
    from .request_limit import RequestLimit
    from .roads.road import Road
    from .silos import SiloedGenerations
    from .sql.statements import Sql
    from .sql.view_store import SqlViewStore
    from .sweep import Sweep
    from .tenants import Standings
    from .view_operations import OperatedViews
    from .view_store import BatchViewStore, ViewStore

MakeClient = Callable[[str], Any]
"""Makes clients for whoever is no function; functions take those of their sandbox."""

STUCK_SAGAS = "StuckSagas"
"""The metric that counts how often a saga gets stuck; components have an alarm on it, by the service's name."""

_WAKING_SECONDS = 30
"""How long a projector waits for its database, within its own 60 s."""


def commit_store(env: Environment, client: MakeClient | None = None) -> DynamoCommitStore:
    """One without an id table, for a function that only reads commits."""
    ids = env.variables.get("FOLDSTACK_ID_TABLE", "")
    dynamodb = client("dynamodb") if client else clients.commit_table()
    sessions = None if client else _sessions(env)
    return DynamoCommitStore(dynamodb, env.commit_table, ids, bodies(env, client), sessions=sessions)


def bodies(env: Environment, client: MakeClient | None = None) -> Bodies:
    sessions = None if client else _sessions(env)
    return Bodies(partial(client or clients.client, "s3"), env.bodies_bucket, sessions)


def executor(env: Environment, service: Service) -> Executor:
    store: CommitStore = commit_store(env)
    if env.silos:
        from .silos import SiloedCommitStore

        store = SiloedCommitStore(store, {tenant: commit_store(silo) for tenant, silo in env.silos.items()})
    return Executor(store, epoch=env.store_epoch, keyring=keyring(env, service))


def keyring(env: Environment, service: Service) -> "Keyring | None":
    """The keys of a domain with personal fields. Raises ConfigurationError where it has none to use."""
    if not service.personal:
        return None
    from ..kernel.keyring import Keyring

    keys: Keys = _key_table(env, service)
    if env.silos:
        from .silos import SiloedKeys

        keys = SiloedKeys(keys, {tenant: _key_table(silo, service) for tenant, silo in env.silos.items()})
    return Keyring(keys, _cipher)


def reactor(env: Environment, service: Service, executor: Executor) -> Reactor:
    """Its outside world is made by the first effect, and so are the secrets read; its timer by the first Later."""
    from .secrets import Secrets

    settings = Settings(env.variables, Secrets(partial(clients.client, "secretsmanager"), env.secrets))
    make_world = partial(service.world, settings) if service.world else None
    return Reactor(
        service,
        executor,
        make_world=make_world,
        make_timer=partial(timer, env, executor.keyring),
        log=partial(_log_rejection, env.service, executor),
        stuck=partial(_tell_stuck, env.service),
    )


def dead_letters(env: Environment) -> "DeadLetters":
    from .dead_letters import DeadLetters

    return DeadLetters(clients.client("sqs"), env.dead_letters)


def timer(env: Environment, keyring: "Keyring | None" = None) -> Timer:
    """With a `keyring` what waits is encrypted."""
    from .timer import SchedulerTimer, in_the_clear

    fields = in_the_clear
    if keyring is not None:
        from ..kernel.personal_commands import sealed

        fields = partial(sealed, keyring)
    client, envs = clients.client("scheduler"), (env, *env.silos.values())
    shared, *silos = (SchedulerTimer(client, each.timers, fields=fields) for each in envs)
    if not silos:
        return shared
    from .silos import SiloedTimer

    return SiloedTimer(shared, dict(zip(env.silos, silos, strict=True)))


def views(
    env: Environment,
    service: Service,
    store: CommitStore,
    tenant: Tenant,
    token: Token | None,
    generations: "SiloedGenerations",
    keyring: "Keyring | None" = None,
) -> "Views":
    """The views of one tenant, for one request."""
    env, known = env.of(tenant), generations.of(tenant)
    if env.has_sql:
        from .sql.views import SqlViews

        made = SqlViews(_sql_view_store(env, service), store, tenant, token, env.store_epoch, known)
    else:
        from .view_store import DynamoViewStore
        from .views import ViewReader

        dynamodb = client_for(clients.client("dynamodb"), tenant, _sessions(env))
        made = ViewReader(DynamoViewStore(dynamodb, env.view_tables), store, tenant, token, env.store_epoch, known)
    if keyring is None:
        return made
    from .opened_views import OpenedViews

    return OpenedViews(made, keyring, tenant)


def read_generations(env: Environment, service: Service) -> "SiloedGenerations":
    """For all requests of a sandbox. Whoever reads may follow a pointer late: what it left is fed until then."""
    from .silos import SiloedGenerations

    def of(env: Environment) -> Generations:
        return Generations(lambda: view_store(env, service), READERS_LOOK, consistent=False)

    return SiloedGenerations(of(env), {tenant: of(silo) for tenant, silo in env.silos.items()})


def view_store(env: Environment, service: Service) -> "ViewStore":
    """In PostgreSQL where the function was given a connection, else in DynamoDB."""
    if env.has_sql:
        return _sql_view_store(env, service)
    from .view_store import DynamoViewStore

    return DynamoViewStore(clients.client("dynamodb"), env.view_tables)


def _sql_view_store(env: Environment, service: Service) -> "SqlViewStore":
    projections(env, service)  # which tells of a view that the domain does not have
    return _kept_view_store(env.sql, env.service, service)


def standings(env: Environment) -> "Standings | None":
    """How callers stand by the tenants table, for all requests of a sandbox; None for a door without one."""
    from .tenants import Standings

    return Standings(lambda: clients.client("dynamodb"), env.tenants_table) if env.tenants_table else None


def request_limit(env: Environment) -> "RequestLimit | None":
    """Of each tenant, for all requests of a sandbox; None for an anonymous door."""
    if not env.limits_table:
        return None
    from .request_limit import RequestLimit

    lost = partial(_tell_uncounted, env.service)
    return RequestLimit(clients.commit_table, env.limits_table, env.requests_per_minute, lost=lost)


def sql(env: Environment) -> "Sql":
    """Statements as the role whose secret the function was given."""
    return _sql(env.sql)


def projections(env: Environment, service: Service) -> list[Projection]:
    """Those that this function has views of. Raises DefinitionError for a view of none."""
    names = env.view_names
    strangers = sorted(set(names) - service.projections.keys())
    if strangers:
        raise DefinitionError(
            f"{service.name} has no projection {', '.join(strangers)}; it has "
            f"{', '.join(sorted(service.projections)) or 'none'}: name those in the `views` of the ProjectionPipeline"
        )
    return [service.projections[name] for name in names]


def projector(env: Environment, service: Service) -> "Projector":
    from .batch_projector import BatchProjector

    mine, views = projections(env, service), fed_views(env, service)
    known = Generations(lambda: views, FEEDERS_LOOK)
    return BatchProjector(mine, commit_store(env), views, parking(env), generations=known, epoch=env.store_epoch)


def fed_views(env: Environment, service: Service) -> "BatchViewStore":
    """The views, for who writes them: a batch at a time."""
    if env.has_sql:
        from .sql.patience import Patient
        from .sql.view_store import SqlViewStore

        return SqlViewStore(Patient(sql(env), _WAKING_SECONDS), env.service, projections(env, service))
    from .view_batches import DynamoViewBatches

    return DynamoViewBatches(clients.views(), env.view_tables)


def sweep(env: Environment, projector: "Projector") -> "Sweep":
    from .sweep import CommitTableHeads, Sweep

    heads = CommitTableHeads(clients.client("dynamodb"), env.commit_table)
    return Sweep(projector, heads, projector.views)


def relay(env: Environment, client: MakeClient | None = None, replay: str = "") -> "Relay":
    from .relay import Relay
    from .roads.publisher import Publisher

    park = parking(env, client)
    publishers = [Publisher(road(env, client), park)]
    if env.effects_queue:
        from .roads.effects_queue import EffectsQueue

        queue = EffectsQueue((client or clients.client)("sqs"), env.effects_queue)
        publishers.append(Publisher(queue, park, env.effect_types))
    return Relay(publishers, env.service, park, replay=replay)


def road(env: Environment, client: MakeClient | None = None) -> "Road":
    """Where the relay publishes: the service in its ARN says which road that is."""
    make = client or clients.client
    service = env.road.split(":")[2] if env.road.startswith("arn:") else ""
    if service == "events":
        from .roads.eventbridge import EventBridge

        return EventBridge(make("events"), env.road, env.service)
    if service == "kinesis":
        from .roads.kinesis import Kinesis

        return Kinesis(make("kinesis"), env.road)
    if service == "sns":
        from .roads.sns import Sns

        return Sns(make("sns"), env.road)
    raise ConfigurationError(
        "FOLDSTACK_ROAD", f"must be the ARN of an EventBridge bus, a Kinesis stream or an SNS topic; it is {env.road!r}"
    )


def parking(env: Environment, client: MakeClient | None = None) -> "ParkingQueue":
    from .parking import ParkingQueue

    return ParkingQueue((client or clients.client)("sqs"), env.parked_queue)


def view_operations(env: Environment, service: Service, client: MakeClient) -> "OperatedViews":
    """The views, for whoever operates them."""
    if env.has_sql:
        from .sql.data_api import DataApi
        from .sql.patience import Patient
        from .sql.view_store import SqlViewStore

        sql = DataApi(client("rds-data"), env.sql.cluster, env.sql.secret, env.sql.database)
        return SqlViewStore(Patient(sql, _WAKING_SECONDS), env.service, projections(env, service))
    from .view_operations import DynamoViewOperations

    return DynamoViewOperations(client("dynamodb"), env.view_tables)


def rebuild(
    env: Environment, service: Service, projection: Projection, client: MakeClient, **options: Any
) -> "Rebuild":
    """Of the views of one pipeline; `options` as `Rebuild` takes them."""
    from .commit_scan import CommitTableScan
    from .projector import Projector
    from .rebuild import Rebuild
    from .sweep import CommitTableHeads

    views = view_operations(env, service, client)
    by_hand = Projector(
        projections(env, service), commit_store(env, client), views, parking(env, client), epoch=env.store_epoch
    )
    scan = CommitTableScan(client("dynamodb"), env.commit_table, bodies(env, client))
    heads = CommitTableHeads(client("dynamodb"), env.commit_table)
    return Rebuild(projection, scan, views, by_hand, heads, **options)


def _key_table(env: Environment, service: Service) -> "KeyTable":
    if not env.key_table:
        raise ConfigurationError(
            "FOLDSTACK_KEY_TABLE",
            f"is not set, and {service.name} has personal fields: say `personal: True` to its EventSourcedService",
        )
    from .key_table import KeyTable

    kms = partial(clients.client, "kms")
    return KeyTable(clients.client("dynamodb"), env.key_table, kms, env.kms_key, _sessions(env))


def _cipher() -> "Cipher":
    from .cipher import AesGcm

    return AesGcm()


def _sessions(env: Environment) -> Sessions | None:
    """None for a function that serves all tenants at once: it has no role for one of them."""
    return clients.tenant_sessions(env.tenant_role) if env.tenant_role else None


@cache
def _kept_view_store(connection: SqlConnection, name: str, service: Service) -> "SqlViewStore":
    """One a sandbox: it keeps its statements as they were rendered."""
    from .sql.view_store import SqlViewStore

    projections = [service.projections[view] for view in connection.views]
    return SqlViewStore(_sql(connection), name, projections)


def _sql(connection: SqlConnection) -> "Sql":
    from .sql.data_api import DataApi

    return DataApi(clients.data_api(), connection.cluster, connection.secret, connection.database)


def _log_rejection(service: str, executor: Executor, reacted: Reacted) -> None:
    assert isinstance(reacted.outcome, Rejection)
    # Handlers' Logger is of this name, so that the line is structured as theirs.
    logging.getLogger(service).warning(
        "a reaction's command was rejected",
        extra={
            "reaction": reacted.reaction,
            "code": reacted.outcome.code,
            "detail": executor.told(reacted.outcome),
        },
    )


def _tell_uncounted(service: str, tenant: Tenant, requests: int, error: Unavailable) -> None:
    logging.getLogger(service).error(
        "requests were let through uncounted", extra={"tenant": tenant, "requests": requests, "reason": str(error)}
    )


def _tell_stuck(service: str, occasion: Occasion, error: str) -> None:
    from aws_lambda_powertools import single_metric
    from aws_lambda_powertools.metrics import MetricUnit

    assert occasion.reaction.saga is not None
    logging.getLogger(service).error(
        "a saga is stuck",
        extra={
            "saga": occasion.reaction.saga.name,
            "stream": occasion.commit.stream.key,
            "step": occasion.reaction.name,
            "event": occasion.id,
            "reason": error,
        },
    )
    with single_metric(name=STUCK_SAGAS, unit=MetricUnit.Count, value=1, namespace="Foldstack") as metric:
        metric.add_dimension(name="service", value=service)
