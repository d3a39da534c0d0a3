"""Where the lake's functions are put together, as `foldstack.aws.composition` does for all others."""

from functools import partial

from ..aws import clients
from ..aws import composition as aws
from ..aws.commit_scan import CommitTableScan
from ..aws.environment import Environment
from ..aws.generations import FEEDERS_LOOK, Generations
from ..kernel.projection import Projection
from ..kernel.service import Service
from .compaction import Compactor
from .compaction_run import CompactionRun
from .entities import Entities
from .envelopes import Whole, whole
from .first_days import FirstDays
from .folded_entities import FoldedEntities
from .objects import S3Objects
from .tables import LakeTable, tables_of
from .writer import LakeWriter

_S3_SECONDS = 15
"""A file of some megabytes takes its time."""


def objects(env: Environment, client: aws.MakeClient | None = None) -> S3Objects:
    s3 = client("s3") if client else clients.client("s3", read_seconds=_S3_SECONDS)
    return S3Objects(s3, env.lake_bucket)


def tables(env: Environment, service: Service) -> list[LakeTable]:
    """Entities are those of the views that the function was given."""
    return tables_of(service, [each.name for each in _projections(env, service)])


def writer(env: Environment, service: Service, client: aws.MakeClient | None = None) -> LakeWriter:
    return LakeWriter(objects(env, client).put, service, tables(env, service), aws.parking(env, client))


def entities(env: Environment, service: Service, client: aws.MakeClient | None = None) -> Entities:
    """Of a function that was given views: writers may follow a switch a little late, and are then told to read all."""
    from ..aws.view_store import DynamoViewStore

    dynamodb = (client or clients.client)("dynamodb")
    named = env.view_tables
    generations = Generations(lambda: DynamoViewStore(dynamodb, named), FEEDERS_LOOK)
    return Entities(_projections(env, service), named, generations, FirstDays(dynamodb, env.commit_table))


def folded(env: Environment, service: Service, client: aws.MakeClient | None = None) -> FoldedEntities:
    """Of a function that was given names of views, and no tables."""
    dynamodb, commits = (client or clients.client)("dynamodb"), aws.commit_store(env, client)
    return FoldedEntities(_projections(env, service), commits, FirstDays(dynamodb, env.commit_table), env.store_epoch)


def scan(env: Environment) -> CommitTableScan:
    return CommitTableScan(clients.client("dynamodb"), env.commit_table, aws.bodies(env))


def completed(env: Environment, client: aws.MakeClient | None = None) -> Whole:
    """Reads what was too large to travel."""
    return partial(whole, store=aws.commit_store(env, client))


def compaction(env: Environment, service: Service, client: aws.MakeClient | None = None) -> CompactionRun:
    bucket = objects(env, client)
    return CompactionRun(bucket, Compactor(bucket), tables(env, service))


def _projections(env: Environment, service: Service) -> list[Projection]:
    """None for a lake of events alone."""
    has_rows = env.folded_views or env.variables.get("FOLDSTACK_VIEW_TABLES")
    return aws.projections(env, service) if has_rows else []
