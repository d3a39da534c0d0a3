"""Handles: what one component gives another to work with. Names, ARNs and the code to run; never a resource."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi


class Domain(TypedDict):
    """A domain ready to run in Lambda."""

    service: pulumi.Input[str]
    """The service's name: the source of its events."""
    entry: pulumi.Input[str]
    """Where the domain's Service object is, "module:attribute"."""
    code: pulumi.Input[pulumi.Archive]
    """The function package: the foldstack runtime and the domain."""
    layer_arn: pulumi.Input[str]
    """The layer with the third-party packages."""
    runtime: pulumi.Input[str]
    """Lambda's name of the Python it was built for."""
    architecture: pulumi.Input[str]
    """arm64 or x86_64, as it was built."""
    store_epoch: pulumi.Input[str]
    """The epoch of the store; raised by a restore."""
    environment: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """The program's own environment variables."""
    silo: pulumi.Input[str]
    """The one tenant that all of this is for, empty where tenants share it."""
    key_arn: pulumi.Input[str]
    """The ARN of the KMS key that its data is under, a silo's own or a team's; empty where it is AWS's."""


class Events(TypedDict):
    """What a consumer of a service's events needs."""

    domain: pulumi.Input[Domain]
    """The code that knows these events."""
    road: str
    """The road they travel: eventbridge, kinesis, sns or sns-fifo. Plain: it decides what a consumer is made of."""
    bus_name: pulumi.Input[str]
    """The name of the bus, stream or topic they are published on."""
    bus_arn: pulumi.Input[str]
    """Its ARN."""
    bus_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that it is under, empty where it is AWS's."""
    failures_bucket_arn: pulumi.Input[str]
    """The bucket for what the reader of a stream gives up."""
    commit_table_name: pulumi.Input[str]
    """The table that holds them."""
    commit_table_arn: pulumi.Input[str]
    """Its ARN."""
    bodies_bucket_name: pulumi.Input[str]
    """The bucket with the bodies of large commits."""
    bodies_bucket_arn: pulumi.Input[str]
    """Its ARN."""


class Commands(TypedDict):
    """What a door needs to execute a service's commands."""

    domain: pulumi.Input[Domain]
    """The code that decides them."""
    commit_table_name: pulumi.Input[str]
    """The table that commits are put into."""
    commit_table_arn: pulumi.Input[str]
    """Its ARN."""
    id_table_name: pulumi.Input[str]
    """The table of the command ids of 30 days."""
    id_table_arn: pulumi.Input[str]
    """Its ARN."""
    bodies_bucket_name: pulumi.Input[str]
    """The bucket with the bodies of large commits."""
    bodies_bucket_arn: pulumi.Input[str]
    """Its ARN."""
    secrets: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """The ARN of each secret by its name."""
    secrets_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that they are under, empty where it is AWS's."""
    queue_url: pulumi.Input[str]
    """The queue of commands to be executed later."""
    queue_arn: pulumi.Input[str]
    """Its ARN."""
    dead_letters_arn: pulumi.Input[str]
    """The ARN of the queue of the commands that could not be."""
    timers_group_name: pulumi.Input[str]
    """The group of EventBridge Scheduler for what automations do later."""
    timers_group_arn: pulumi.Input[str]
    """Its ARN."""
    timers_role_arn: pulumi.Input[str]
    """The ARN of the role by which its schedules send to the queue."""
    key_table_name: pulumi.Input[str]
    """The table of the keys of personal data, empty where the domain has none."""
    key_table_arn: pulumi.Input[str]
    """Its ARN, empty likewise."""
    kms_key_arn: pulumi.Input[str]
    """The ARN of the KMS key that wraps them, empty likewise."""


class Queries(TypedDict):
    """What a door needs to read the views of a projection pipeline."""

    view_tables: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """The name of each view's table by the view's name."""
    view_table_arns: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Their ARNs."""
    view_stream_arns: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """The ARNs of the streams of their changes, by the view's name; empty where they have none."""
    view_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that its pipeline was given for the tables, empty where it was none."""
    silo: pulumi.Input[str]
    """The one tenant whose rows they hold, empty where tenants share them."""
    sql_views: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The names of the views that are in PostgreSQL: none have tables of DynamoDB then."""
    sql_cluster_arn: pulumi.Input[str]
    """The ARN of their database cluster, empty where there is none."""
    sql_database: pulumi.Input[str]
    """The name of their database, empty likewise."""
    sql_secret_arn: pulumi.Input[str]
    """The ARN of the secret of the role that reads them, empty likewise."""
    sql_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that the secret is under, empty where it is AWS's."""
    commit_table_name: pulumi.Input[str]
    """The table of commits: a row behind its reader's token is folded forward from it."""
    commit_table_arn: pulumi.Input[str]
    """Its ARN."""
    bodies_bucket_name: pulumi.Input[str]
    """The bucket with the bodies of large commits."""
    bodies_bucket_arn: pulumi.Input[str]
    """Its ARN."""


class OperatedService(TypedDict):
    """What the `foldstack` command needs to operate a service."""

    effects: pulumi.Input[str]
    """The name of the effects function: it takes a person's orders to sagas, too."""
    variables: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """What its relay and its readers are told: FOLDSTACK_* variables and their values."""


class OperatedPipeline(TypedDict):
    """What the `foldstack` command needs to operate a pipeline."""

    consumer: pulumi.Input[str]
    """Its name, for events that are republished to it."""
    projector: pulumi.Input[str]
    """The name of the projector function: it takes a person's orders too."""
    queue_url: pulumi.Input[str]
    """The queue where events wait for it; empty where it reads a stream."""
    variables: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """What its projector is told: FOLDSTACK_* variables and their values."""


class OperatedCascade(TypedDict):
    """What the `foldstack` command needs to operate a cascade."""

    consumer: pulumi.Input[str]
    """Its name, for events that are republished to it."""


class SqlConnection(TypedDict):
    """What a pipeline needs to keep its views in a database behind the RDS Data API."""

    cluster_arn: pulumi.Input[str]
    """The ARN of the database cluster."""
    database: pulumi.Input[str]
    """The name of the database."""
    owner_secret_arn: pulumi.Input[str]
    """The ARN of the secret of the role that changes tables."""
    projector_secret_arn: pulumi.Input[str]
    """The ARN of the secret of the role that writes rows."""
    reader_secret_arn: pulumi.Input[str]
    """The ARN of the secret of the role that reads rows."""
    key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that data and secrets are under, empty where it is AWS's."""


class Tasks(TypedDict):
    """What a door needs to offer the questions of a lake."""

    function_name: pulumi.Input[str]
    """The name of the function that answers them."""
    invoke_arn: pulumi.Input[str]
    """The ARN by which API Gateway calls it."""


class Tables(TypedDict):
    """What whoever queries a lake needs."""

    bucket_name: pulumi.Input[str]
    """The bucket of its files."""
    bucket_arn: pulumi.Input[str]
    """Its ARN."""
    database: pulumi.Input[str]
    """Its database in Glue."""
    catalogue_arns: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The ARNs that Glue asks for rights on when a table of it is read."""
    workgroup_name: pulumi.Input[str]
    """The workgroup of Athena that its queries run in."""
    workgroup_arn: pulumi.Input[str]
    """Its ARN."""


class OperatedLake(TypedDict):
    """What the `foldstack` command needs to query and operate a lake."""

    database: pulumi.Input[str]
    """Its database in Glue."""
    workgroup: pulumi.Input[str]
    """The workgroup of Athena that its queries run in."""
    results: pulumi.Input[str]
    """Where an operator's results go, as s3://bucket/prefix/."""
    compactor: pulumi.Input[str]
    """The name of the function that compacts it."""
    writer: pulumi.Input[str]
    """The name of the function that writes it."""
    archive: pulumi.Input[str]
    """The bucket of its archive, empty where there is none."""
    variables: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """What its writer is told: FOLDSTACK_* variables and their values."""


class Authorizer(TypedDict):
    """Whose tokens a door accepts: of a TenantAuth, or, with the first two fields, of any OpenID Connect issuer."""

    issuer: pulumi.Input[str]
    """The URL of the OpenID Connect issuer."""
    audience: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The audiences, at least one of which a token must name."""
    scopes: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """The scopes, at least one of which a token must have: an ID token has none."""
    user_pool_id: NotRequired[pulumi.Input[str]]
    """The user pool that issues the tokens, for doors that know pools."""
    tenants_table_name: NotRequired[pulumi.Input[str]]
    """The table of tenants and their members: a door looks there whether a token still holds."""
    tenants_table_arn: NotRequired[pulumi.Input[str]]
    """Its ARN."""
    tenants_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that it is under, empty where it is AWS's."""


class Tenants(TypedDict):
    """The table of tenants and their members; only administrators write it."""

    table_name: pulumi.Input[str]
    """Its name."""
    table_arn: pulumi.Input[str]
    """Its ARN."""


class OperatedAuth(TypedDict):
    """What the `foldstack` command needs to administer tenants, users and machines."""

    tenants_table: pulumi.Input[str]
    """The name of the table of tenants and their members."""
    user_pool_id: pulumi.Input[str]
    """The user pool."""
    client_id: pulumi.Input[str]
    """The client of browsers."""
    callback_url: pulumi.Input[str]
    """Where a browser comes back to after signing in."""
    scope: pulumi.Input[str]
    """The scope of access tokens for the API."""
    machines: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """The client id of each machine by its name."""
    sign_in_url: pulumi.Input[str]
    """The address of the sign-in pages and of the token endpoint."""


Handle = Any
"""A handle as it is, or as the output of another component: both are read by `handle["key"]`."""


def optional(handle: Handle, key: str) -> pulumi.Output[Any]:
    """A field of a handle that not every one has: None where it is not there."""

    def find(whole: Any) -> Any:
        return whole.get(key) if isinstance(whole, Mapping) else whole  # unknown, in a preview

    if isinstance(handle, Mapping):
        return pulumi.Output.from_input(handle.get(key))
    return pulumi.Output.from_input(handle).apply(find, True)
