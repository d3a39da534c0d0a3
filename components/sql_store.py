"""SqlStore: a PostgreSQL database for views, Aurora Serverless v2 behind the RDS Data API."""

import re
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import alarms, storage
from .arguments import NAME, ArgumentError, Arguments, Fault
from .handles import SqlConnection
from .scope import Operations, Scope, operated

VERSION = re.compile(r"1[3-9](\.\d+)?|[2-9]\d(\.\d+)?")
READ_MODELS = ("dynamodb", "postgres")
DATABASE = "foldstack"
OWNER = "foldstack_owner"
PAUSE_SECONDS = 300  # the least that Aurora takes
BACKUP_DAYS = 14


class SqlStoreArgs(TypedDict):
    """Arguments of SqlStore."""

    service: NotRequired[str]
    """The name in the tag `service`, default the component's name."""
    engine_version: NotRequired[str]
    """Of Aurora PostgreSQL, major or exact, default "17"; a minimum of 0 needs 16.3 or newer."""
    minimum_half_acus: NotRequired[int]
    """The least capacity in halves of an ACU, 0 to 256, default 0: it pauses, and wakes in 15 seconds or so."""
    maximum_acus: NotRequired[int]
    """The most capacity, 1 to 256 ACUs, default 4."""
    subnet_group: NotRequired[pulumi.Input[str]]
    """The name of a DB subnet group, default that of the default VPC. Functions need no network to it."""
    security_group_ids: NotRequired[list[pulumi.Input[str]]]
    """Who may reach it by network, default the VPC's own group; the Data API needs none."""
    operations: NotRequired[Operations]
    """How it is operated."""


class SqlStore(pulumi.ComponentResource):
    """An encrypted Aurora cluster of one serverless instance, and a secret for each role: owner, projector, reader."""

    connection: pulumi.Output[SqlConnection]
    """What pipelines need to keep their views in it: give it to ProjectionPipeline."""

    def __init__(self, name: str, args: SqlStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("SqlStore", name, args, SqlStoreArgs)
        operations = operated(arguments)
        service = arguments.text("service", NAME, "a-z, 0-9 and -, from a letter, at most 32", name)
        version = arguments.text("engine_version", VERSION, "a version of PostgreSQL, e.g. 17 or 16.6", "17")
        least = arguments.integer("minimum_half_acus", 0, 512, 0) / 2
        most = arguments.integer("maximum_acus", 1, 256, 4)
        if least > most:
            arguments.fault("minimum_half_acus", int(least * 2), f"at most {most * 2}", "raise maximum_acus")
        arguments.check()

        super().__init__("foldstack:index:SqlStore", name, {**args}, opts)
        scope = operations.scope(self, name, service)
        cluster = _cluster(scope, version, least, most, args)
        instance = aws.rds.ClusterInstance(
            scope.child("instance"),
            cluster_identifier=cluster.id,
            instance_class="db.serverless",
            engine=aws.rds.EngineType.AURORA_POSTGRESQL,
            engine_version=cluster.engine_version,
            auto_minor_version_upgrade=True,
            publicly_accessible=False,
            tags=scope.tags,
            opts=scope.options(),
        )
        alarms.on_full_capacity(scope, "capacity", cluster.cluster_identifier)
        projector, reader = (storage.secret(scope, role, None) for role in ("projector", "reader"))
        connection: SqlConnection = {
            # Without an instance there is nobody to run a statement.
            "cluster_arn": pulumi.Output.all(cluster.arn, instance.id).apply(lambda both: both[0]),
            "database": DATABASE,
            "owner_secret_arn": cluster.master_user_secrets[0]["secret_arn"],
            "projector_secret_arn": projector.arn,
            "reader_secret_arn": reader.arn,
            "key_arn": scope.key_arn or "",
        }
        self.connection = pulumi.Output.from_input(connection)
        self.register_outputs({"connection": self.connection})

    @classmethod
    def chosen(cls, read_model: str, name: str, args: SqlStoreArgs) -> pulumi.Output[SqlConnection] | None:
        """What a pipeline takes as `store` where a program's configuration names it: the connection of a new store for
        "postgres", None for "dynamodb"."""
        if read_model not in READ_MODELS:
            fault = Fault("readModel", read_model, " or ".join(READ_MODELS), "write one of them into the stack's file")
            raise ArgumentError(f"SqlStore {name!r}", [fault])
        return cls(name, args).connection if read_model == "postgres" else None


def _cluster(scope: Scope, version: str, least: float, most: int, args: SqlStoreArgs) -> aws.rds.Cluster:
    scaling = aws.rds.ClusterServerlessv2ScalingConfigurationArgs(
        min_capacity=least,
        max_capacity=float(most),
        seconds_until_auto_pause=PAUSE_SECONDS if least == 0 else None,
    )
    snapshot = f"{pulumi.get_project()}-{pulumi.get_stack()}-{scope.child('last')}"
    return aws.rds.Cluster(
        scope.child("cluster"),
        engine=aws.rds.EngineType.AURORA_POSTGRESQL,
        engine_mode="provisioned",
        engine_version=version,
        database_name=DATABASE,
        master_username=OWNER,
        manage_master_user_password=True,
        enable_http_endpoint=True,
        storage_encrypted=True,
        kms_key_id=scope.key_arn,
        master_user_secret_kms_key_id=scope.key_arn,
        serverlessv2_scaling_configuration=scaling,
        backup_retention_period=BACKUP_DAYS if scope.keep else 1,
        copy_tags_to_snapshot=True,
        delete_automated_backups=not scope.keep,
        deletion_protection=scope.keep,
        skip_final_snapshot=not scope.keep,
        final_snapshot_identifier=snapshot if scope.keep else None,
        db_subnet_group_name=args.get("subnet_group"),
        vpc_security_group_ids=args.get("security_group_ids"),
        tags=scope.tags,
        opts=scope.data_options(),
    )
