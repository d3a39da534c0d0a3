"""DeletionCascade: what refers to something deleted is removed, page by page, and reported when it is done."""

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import alarms, environment, overrides, permissions, roads, silo, storage
from .arguments import Arguments
from .consumer_queue import ConsumerQueue, attempts
from .event_sourced_service import EVENT_TYPE, TENANT
from .function import Function
from .handles import Commands, Events, Handle, OperatedCascade, optional
from .overrides import FunctionSettings, Settings
from .scope import Operations, Scope, operated

TIMEOUT = 60
MEMORY_MB = 1024


class DeletionCascadeArgs(TypedDict):
    """Arguments of DeletionCascade."""

    source: pulumi.Input[Events]
    """The `events` of the service whose domain declares cascades."""
    commands: pulumi.Input[Commands]
    """The `commands` of the same service: what refers to something deleted is removed by them."""
    types: NotRequired[list[str]]
    """Stored event types that the cascades are about, default all: fewer types, fewer invocations. Each deployment
    sees that none is missing."""
    page: NotRequired[int]
    """How many streams are removed for one message, 1 to 1000, default 100; fewer where the time is over."""
    attempts: NotRequired[int]
    """How often a page is tried, 2 to 960 (fewer where `functions` give the remover more time), default 18 (half an
    hour to an hour), before it is a dead letter."""
    silo: NotRequired[str]
    """The tenant whose silo the `source` is: the table is encrypted under its key, unless `operations` have one.
    Default: none's."""
    road: NotRequired[str]
    """The road of a `source` that comes as an output, from another language or stack, default "eventbridge"; a source
    of the same program says it itself."""
    functions: NotRequired[Mapping[str, FunctionSettings]]
    """What to change of the functions "collector" and "remover"."""
    operations: NotRequired[Operations]
    """How it is operated."""


class DeletionCascade(pulumi.ComponentResource):
    """A service's cascades: a table of who refers to what, a collector that fills it, and a remover behind a queue."""

    index_table: pulumi.Output[str]
    """The name of the table of who refers to what."""
    operated: pulumi.Output[OperatedCascade]
    """What operates it: export it for the `foldstack` command."""

    def __init__(self, name: str, args: DeletionCascadeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("DeletionCascade", name, args, DeletionCascadeArgs)
        operations = operated(arguments)
        types = arguments.names("types", EVENT_TYPE, "a stored event type", [])
        page = arguments.integer("page", 1, 1000, 100)
        tenant = arguments.text("silo", TENANT, "a tenant's id: a-z, 0-9 and -, at most 63", "")
        road = arguments.choice("road", roads.NAMES, roads.NAMES[0]) if "road" in args else None
        said = roads.said(args.get("source"))
        if road and said and road != said:
            arguments.fault("road", road, f"{said!r}, which its source says", "leave it out")
        functions = overrides.functions(arguments, ("collector", "remover"))
        tried = attempts(arguments, "attempts", functions.get("remover", Settings()).timeout or TIMEOUT)
        arguments.check()
        source = roads.known(args["source"], road)

        super().__init__("foldstack:index:DeletionCascade", name, {**args}, opts)
        scope = operations.scope(self, name, source["domain"]["service"], functions)

        commands = _of_one_service(source, pulumi.Output.from_input(args["commands"]), tenant)
        key = scope.key_arn or silo.key(source["domain"], tenant)
        index = storage.table(scope, "index", storage.CASCADE_KEYS, key_arn=key)
        queue = ConsumerQueue(scope, "removals", timeout=scope.timeout("remover", TIMEOUT), attempts=tried)
        alarms.on_age(scope, "removals-queue", queue.name)
        parts = _Parts(scope, source, index, queue, bool(tenant))
        _remover(parts, commands, page)
        collector = _collector(parts, types, name)
        _check(scope, collector, types)

        self.index_table = index.name
        operated_cascade: OperatedCascade = {"consumer": name}
        self.operated = pulumi.Output.from_input(operated_cascade)
        self.register_outputs({"index_table": self.index_table, "operated": self.operated})


class _Parts:
    """What both functions share."""

    def __init__(
        self, scope: Scope, source: Handle, index: aws.dynamodb.Table, queue: ConsumerQueue, siloed: bool
    ) -> None:
        self.scope = scope
        self.source = source
        self.index = index
        self.queue = queue
        self.variables = environment.cascading(index.name, queue.url)
        self._siloed = siloed

    def for_tenants(self, *statements: permissions.Statement) -> list[permissions.Statement]:
        domain, ours = self.source["domain"], self.scope.key_arn
        if self._siloed:
            return permissions.in_silo(statements, domain, 0, ours)
        return [*statements, *permissions.use_key_for_tenants(domain, ours)]


def _collector(parts: _Parts, types: list[str], name: str) -> Function:
    """It reads events by the road, and the store only for what is too large to travel."""
    scope, source = parts.scope, parts.source
    consumed = roads.source(scope, "collector", source, types, timeout=scope.timeout("collector", TIMEOUT))
    collector = Function(
        scope,
        "collector",
        handler="foldstack.handlers.cascade_collector.handler",
        domain=source["domain"],
        variables={
            **environment.commits(source),
            **environment.consuming(name),
            **environment.usage(scope.tenant_metrics),
            **parts.variables,
            **consumed.variables,
        },
        statements=[*permissions.send("AskForRemovals", parts.queue.arn), *consumed.statements],
        for_tenants=parts.for_tenants(
            *permissions.query_commits(source), *permissions.collect_references(parts.index.arn)
        ),
        timeout=TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    consumed.drain_into(collector)
    return collector


def _remover(parts: _Parts, commands: Handle, page: int) -> None:
    scope, queue = parts.scope, parts.queue
    remover = Function(
        scope,
        "remover",
        handler="foldstack.handlers.cascade_remover.handler",
        domain=parts.source["domain"],
        variables={
            **environment.commands(commands),
            **environment.usage(scope.tenant_metrics),
            **environment.paging(page),
            **parts.variables,
            **queue.variables,
        },
        statements=[*permissions.send("AskForRemovals", queue.arn), *queue.statements],
        for_tenants=parts.for_tenants(
            *permissions.execute_commands(commands), *permissions.page_references(parts.index.arn)
        ),
        timeout=TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    queue.drain_into(remover)


def _check(scope: Scope, collector: Function, types: list[str]) -> None:
    """Each deployment sees that the domain has cascades, and that they are told of all they need: a reference that
    nobody hears of would outlive what it refers to, in silence."""
    aws.lambda_.Invocation(
        scope.child("check"),
        function_name=collector.name,
        input=json.dumps({"check": sorted(types)}, sort_keys=True),
        triggers={"code": collector.code_sha256},
        opts=scope.options(collector.ready),
    )


def _of_one_service(source: Handle, commands: pulumi.Output[Any], tenant: str) -> Handle:
    """The commands; an error where they are decided on another store than the one whose events these are, or that is
    another silo's."""
    known = [source["commit_table_name"], commands["commit_table_name"], silo.checked(source["domain"], tenant)]
    table = pulumi.Output.all(*known).apply(lambda names: _same(names[0], names[1]))
    others = Commands.__required_keys__ - {"commit_table_name"}
    handle = {each: commands[each] for each in sorted(others)}
    return {
        **handle,
        **{each: optional(commands, each) for each in Commands.__optional_keys__},
        "commit_table_name": table,
    }


def _same(of_source: str, of_commands: str) -> str:
    if of_source != of_commands:
        raise ValueError(
            f"commands: they are put into {of_commands}, and the events of `source` are of {of_source}: give the "
            "`events` and the `commands` of one service"
        )
    return of_commands
