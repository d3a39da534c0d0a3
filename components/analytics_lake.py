"""AnalyticsLake: a service's events and entities as Parquet in S3, exact, compact and queryable by Athena."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
from foldstack.kernel.errors import DefinitionError
from foldstack.lake.questions import Question, questions
from foldstack.lake.tables import LakeTable

from . import (
    bundle,
    domain_source,
    environment,
    lake_archive,
    lake_layers,
    lake_permissions,
    lake_tasks,
    overrides,
    roads,
    storage,
)
from .arguments import Arguments
from .consumer_queue import Batch
from .domain_source import DomainSource
from .handles import Authorizer, Events, Handle, OperatedLake, Queries, Tables, Tasks
from .lake_catalogue import Catalogue, tables_in
from .lake_functions import MOST_RECORDS, Rows, compactor_of, layers_of, writer_of
from .overrides import FunctionSettings
from .projection_pipeline import VIEW
from .scope import Operations, Scope, operated

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
FOLDER = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_.-]+)*")
SCHEDULE = re.compile(r"(rate|cron)\(.+\)")
RESULT_DAYS = 7
NO_SILO = "questions are asked at a shared door, of one lake, where a silo's rows have no place"


class Archive(TypedDict):
    """How the archive is kept."""

    colder_after_days: NotRequired[int]
    """Days after which events move to Glacier Instant Retrieval, default 90; 0 is never."""
    locked_days: NotRequired[int]
    """Days for which nobody may delete or change what was archived, default 0. Once given, it is given for good."""


class AnalyticsLakeArgs(TypedDict):
    """Arguments of AnalyticsLake."""

    source: pulumi.Input[Events]
    """The `events` of the service whose events are written."""
    domain: DomainSource
    """Where the domain's Python is, as the service has it: its models decide the tables."""
    entities: NotRequired[list[str]]
    """Names of the views whose rows are written too, default none."""
    queries: NotRequired[pulumi.Input[Queries] | None]
    """The `queries` of the pipeline that has them in DynamoDB, made with `streams`. Left out, the lake folds their rows
    from the events itself: so views in PostgreSQL are there, too."""
    questions: NotRequired[str]
    """The folder of questions, SQL files, as a path within the domain's folder, such as "shop/lake". Default: none."""
    authorizer: NotRequired[pulumi.Input[Authorizer] | None]
    """Who may ask them: the `authorizer` of the door that offers them, left out where that is anonymous."""
    target: NotRequired[str]
    """What functions are built for, as the service has it."""
    precompile: NotRequired[bool]
    """Whether packages hold byte code, likewise."""
    road: NotRequired[str]
    """The road of a `source` that comes as an output, default "eventbridge"."""
    since: NotRequired[str]
    """The first day that queries can see, default "2020-01-01": nothing older is found."""
    requests_per_minute: NotRequired[int]
    """How many questions, and looks at their answers, each tenant may send in a minute, default 300; 429 above that."""
    window_seconds: NotRequired[int]
    """How long records are gathered before they are written, 1 to 300, default 60: fewer and larger files."""
    compaction_schedule: NotRequired[str]
    """When small files are merged, an EventBridge Scheduler expression, default "rate(1 hour)"."""
    most_scanned_megabytes: NotRequired[int]
    """What one query may read before it is cancelled, 10 to 1000000, default 10000: 0.05 $ at list price."""
    archive: NotRequired[Archive | None]
    """The archive beside it, which can rebuild it. Default: none."""
    functions: NotRequired[Mapping[str, FunctionSettings]]
    """What to change of the functions "compactor", "writer" and, beside `questions`, "asking"."""
    operations: NotRequired[Operations]
    """How it is operated."""


class AnalyticsLake(pulumi.ComponentResource):
    """A bucket of Parquet, its catalogue and workgroup, its writer and compactor, questions to it, and an archive."""

    tables: pulumi.Output[Tables]
    """What whoever queries it needs."""
    tasks: pulumi.Output[Tasks]
    """What a door needs to offer its questions: give it to HttpApi. Without `questions`, its names are empty."""
    lake_bucket: pulumi.Output[str]
    """The name of the bucket."""
    lake_database: pulumi.Output[str]
    """The name of the database in Glue."""
    lake_workgroup: pulumi.Output[str]
    """The name of the workgroup of Athena."""
    operated: pulumi.Output[OperatedLake]
    """What operates it: export it for the `foldstack` command."""

    def __init__(self, name: str, args: AnalyticsLakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("AnalyticsLake", name, args, AnalyticsLakeArgs)
        operations = operated(arguments)
        code = domain_source.source(arguments)
        views = arguments.names("entities", VIEW, "the name of a view", [])
        folder = arguments.text("questions", FOLDER, "a path within the domain's folder", "")
        since = arguments.text("since", DAY, "a day, as 2026-01-31", "2020-01-01")
        window = arguments.integer("window_seconds", 1, 300, 60)
        per_minute = arguments.integer("requests_per_minute", 1, 60_000, 300)
        schedule = arguments.text("compaction_schedule", SCHEDULE, "rate(...) or cron(...)", "rate(1 hour)")
        megabytes = arguments.integer("most_scanned_megabytes", 10, 1_000_000, 10_000)
        arguments.nested("archive", Archive)
        kept = lake_archive.Kept(
            arguments.integer("archive.colder_after_days", 0, 36_500, 90),
            arguments.integer("archive.locked_days", 0, 36_500, 0),
        )
        mine = ["compactor", "writer", *(["asking"] if folder else [])]
        functions = overrides.functions(arguments, mine, longest={"asking": lake_tasks.TIMEOUT})
        road = _road(arguments, args)
        if silo := _silo(args.get("source")):
            given = f"the events of the silo of {silo}"
            arguments.fault("source", given, "those of a service without a silo", f"leave it out: {NO_SILO}")
        arguments.check()
        tables, asked = _of_domain(arguments, code, views, folder)
        source = _shared(roads.known(args["source"], road))
        zips = lake_layers.layers(bundle.target(code.target, code.precompile))

        super().__init__("foldstack:index:AnalyticsLake", name, _recorded(args), opts)
        scope = operations.scope(self, name, source["domain"]["service"], functions)

        bucket = storage.bucket(scope, "files", versioned=False, rules=_results_expire(), key_arn=scope.key_arn)
        catalogue = Catalogue(scope, bucket.bucket, tables, since)
        workgroup = _workgroup(scope, bucket, megabytes)
        arrow = layers_of(scope, source["domain"], zips)
        rows = Rows(args.get("queries"), views)
        writer = writer_of(scope, source, rows, bucket, arrow, Batch(MOST_RECORDS, window), name)
        compactor = compactor_of(scope, source["domain"], rows, bucket, arrow, schedule)
        archive = lake_archive.Archive(scope, source, kept) if args.get("archive") is not None else None

        self.lake_bucket = bucket.bucket
        self.lake_database = catalogue.name
        self.lake_workgroup = workgroup.name
        lake: Tables = {
            "bucket_name": bucket.bucket,
            "bucket_arn": bucket.arn,
            "database": catalogue.name,
            "catalogue_arns": catalogue.arns,
            "workgroup_name": workgroup.name,
            "workgroup_arn": workgroup.arn,
        }
        self.tables = pulumi.Output.from_input(lake)
        tasks: Tasks = {"function_name": "", "invoke_arn": ""}
        if asked:
            asking = lake_tasks.tasks(scope, source["domain"], lake, folder, args.get("authorizer"), per_minute)
            tasks = {"function_name": asking.name, "invoke_arn": asking.invoke_arn}
        self.tasks = pulumi.Output.from_input(tasks)
        operated_lake: OperatedLake = {
            "database": catalogue.name,
            "workgroup": workgroup.name,
            "results": pulumi.Output.concat("s3://", bucket.bucket, f"/{lake_permissions.RESULTS}/-/"),
            "compactor": compactor.name,
            "writer": writer.name,
            "archive": archive.bucket.bucket if archive else "",
            "variables": {**environment.domain(source["domain"]), **writer.variables},
        }
        self.operated = pulumi.Output.from_input(operated_lake)
        self.register_outputs(
            {
                "tables": self.tables,
                "tasks": self.tasks,
                "lake_bucket": self.lake_bucket,
                "lake_database": self.lake_database,
                "lake_workgroup": self.lake_workgroup,
                "operated": self.operated,
            }
        )


def _shared(source: Handle) -> Handle:
    """The source, which stops the deployment where only that can know that it is a silo's."""
    known = pulumi.Output.all(source["commit_table_name"], source["domain"]["silo"]).apply(lambda both: _of_all(*both))
    return {**{key: source[key] for key in source}, "commit_table_name": known}


def _of_all(table: str, silo: str) -> str:
    if silo:
        raise ValueError(f"source: it is the silo of {silo}, and {NO_SILO}")
    return table


def _silo(events: Any) -> str:
    """The tenant whose silo a handle of the same program says it is of; empty where it is of none."""
    domain = events.get("domain") if isinstance(events, Mapping) else None
    silo = domain.get("silo") if isinstance(domain, Mapping) else ""
    return silo if isinstance(silo, str) else ""


def _road(arguments: Arguments, args: AnalyticsLakeArgs) -> str | None:
    road = arguments.choice("road", roads.NAMES, roads.NAMES[0]) if "road" in args else None
    said = roads.said(args.get("source"))
    if road and said and road != said:
        arguments.fault("road", road, f"{said!r}, which its source says", "leave it out")
    if args.get("archive") is not None and (said or road or roads.NAMES[0]) not in lake_archive.ROADS:
        allowed = f"none on the road {said or road}: a FIFO topic delivers to queues alone"
        arguments.fault("archive", args.get("archive"), allowed, "leave it out, or take another road")
    return road


def _of_domain(
    arguments: Arguments, code: domain_source.Source, views: Sequence[str], folder: str
) -> tuple[list[LakeTable], Mapping[str, Question]]:
    """The tables and the questions; what is wrong with the domain is a fault of these arguments."""
    tables: list[LakeTable] = []
    asked: Mapping[str, Question] = {}
    try:
        tables = tables_in(code.path, code.entry, views)
    except (DefinitionError, ImportError, AttributeError) as error:
        arguments.fault("domain", code.entry, "a domain whose models are tables", str(error))
    package = code.entry.split(":")[0].split(".")[0]
    try:
        asked = questions(code.path / folder) if folder else {}
        if folder and folder.split("/")[0] != package:
            arguments.fault("questions", folder, f"a folder in {package}, which the functions hold", "move it there")
        elif folder and not asked:
            arguments.fault("questions", folder, "a folder with .sql files", "write one, or leave it out")
    except DefinitionError as error:
        arguments.fault("questions", folder, "questions as foldstack.lake.questions has them", str(error))
    arguments.check()
    return tables, asked


def _results_expire() -> list[storage.Rule]:
    return [
        {
            "id": "expire-results",
            "status": "Enabled",
            "filter": {"prefix": f"{lake_permissions.RESULTS}/"},
            "expiration": {"days": RESULT_DAYS},
        }
    ]


def _workgroup(scope: Scope, bucket: aws.s3.Bucket, megabytes: int) -> aws.athena.Workgroup:
    place = pulumi.Output.concat("s3://", bucket.bucket, f"/{lake_permissions.RESULTS}/-/")
    return aws.athena.Workgroup(
        scope.child("workgroup"),
        configuration={
            "bytes_scanned_cutoff_per_query": megabytes * 1_000_000,
            # A tenant's results go to its own prefix, and its session may write nowhere else.
            "enforce_workgroup_configuration": False,
            "publish_cloudwatch_metrics_enabled": True,
            "result_configuration": {
                "output_location": place,
                "encryption_configuration": {"encryption_option": "SSE_KMS", "kms_key_arn": scope.key_arn}
                if scope.key_arn
                else {"encryption_option": "SSE_S3"},
            },
        },
        force_destroy=not scope.keep,
        tags=scope.tags,
        opts=scope.options(),
    )


def _recorded(args: AnalyticsLakeArgs) -> dict[str, Any]:
    """Without the path, which differs from machine to machine."""
    return {**args, "domain": {"entry": args["domain"]["entry"]}}
