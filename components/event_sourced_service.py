"""EventSourcedService: the commit store of a domain, the functions that decide and act, and its events on a road."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import (
    alarms,
    budget,
    domain_source,
    environment,
    existing,
    overrides,
    permissions,
    personal_keys,
    roads,
    schedules,
    storage,
)
from .arguments import NAME, Arguments
from .consumer_queue import ConsumerQueue, attempts, waiting_queue
from .domain_source import DomainSource
from .existing import ExistingBus, ExistingTable
from .function import Function
from .handles import Commands, Domain, Events, OperatedService
from .overrides import FunctionSettings, Settings
from .relay import publishes, relay
from .schedules import Scheduling, ServiceSchedule
from .scope import Operations, Scope, operated

SECRET = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
EVENT_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")
COMMANDS_TIMEOUT = 60
EFFECTS_TIMEOUT = 60
MEMORY_MB = 1024
LARGEST_MESSAGE = 1024 * 1024  # of SQS: the relay parks a commit with all it holds


class EventSourcedServiceArgs(TypedDict):
    """Arguments of EventSourcedService."""

    domain: DomainSource
    """The domain: what the user of foldstack writes."""
    service: NotRequired[str]
    """The service's name and the source of its events, default the component's name."""
    environment: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Environment variables of the domain's own, given to all its functions."""
    secrets: NotRequired[list[str]]
    """Names of the secrets that effects and doors may read; each becomes one in Secrets Manager."""
    secret_values: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Values of some of the secrets; the others wait for a person to set them."""
    road: NotRequired[str]
    """How its events travel: "eventbridge" (default), "sns", or in order "kinesis" or "sns-fifo"."""
    shards: NotRequired[int]
    """Shards of the stream of the road kinesis, default 1; 0 is on demand, which costs more at rest."""
    retention_hours: NotRequired[int]
    """How long the stream of the road kinesis keeps events, 24 (default) to 8760."""
    effect_types: NotRequired[list[str]]
    """Stored event types that effects answer, default all: fewer types, fewer invocations. Each deployment sees that
    none is missing."""
    effect_delay_seconds: NotRequired[int]
    """How long a request may drive an effect before the queue does, 0 to 900, default 15."""
    silo: NotRequired[str]
    """The id of the one tenant that this is for: its data is encrypted under a key of its own, and it is reached
    through a door that has the service's `commands` among its `silos`. Default: tenants share the service."""
    schedules: NotRequired[list[ServiceSchedule]]
    """When the schedules that the domain answers fire; each deployment sees that it answers these and no others."""
    effect_attempts: NotRequired[int]
    """How often a reaction is tried, 2 to 960 (fewer where `functions` give effects more time), default 18 (half an
    hour to an hour), before its saga is stuck or it is a dead letter."""
    personal: NotRequired[bool]
    """Whether the domain has personal fields, default false: their keys get a table and a KMS key, $1 a month."""
    store_epoch: NotRequired[int]
    """The epoch of the store, default 1; raise it after a restore."""
    monthly_budget: NotRequired[int]
    """Dollars a month that all with the service's tag should stay under, default 0: no budget."""
    budget_emails: NotRequired[list[str]]
    """At most 10 who are told of the budget besides the topic for alarms."""
    table: NotRequired[ExistingTable]
    """Your own table for commits, with its stream. Default: one is made."""
    bus: NotRequired[ExistingBus]
    """Your own bus, stream or topic, of the kind that `road` says. Default: one is made."""
    functions: NotRequired[Mapping[str, FunctionSettings]]
    """What to change of the functions "commands", "effects" and "relay"."""
    target: NotRequired[str]
    """What functions are built for: "arm64-python3.13" (default), "x86_64-python3.13" or "host"."""
    precompile: NotRequired[bool]
    """Whether packages hold byte code, default false; needs the target's Python on the building machine."""
    operations: NotRequired[Operations]
    """How it is operated."""


class EventSourcedService(pulumi.ComponentResource):
    """An event-sourced service: commit table, command function, relay to a road, effects behind a delayed queue."""

    events: Events
    """What consumers of its events need: give it to ProjectionPipeline."""
    commands: pulumi.Output[Commands]
    """What doors need to execute its commands: give it to HttpApi."""
    event_table: pulumi.Output[str]
    """The name of the commit table."""
    event_bus: pulumi.Output[str]
    """The name of the bus, stream or topic its events are published on."""
    operated: pulumi.Output[OperatedService]
    """What operates it: export it for the `foldstack` command."""

    def __init__(self, name: str, args: EventSourcedServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("EventSourcedService", name, args, EventSourcedServiceArgs)
        operations = operated(arguments)
        service = arguments.text("service", NAME, "a-z, 0-9 and -, from a letter, at most 32", name)
        values = _secret_values(arguments)
        road_name = arguments.choice("road", roads.NAMES, roads.NAMES[0])
        shards = arguments.integer("shards", 0, 200, 1)
        retention_hours = arguments.integer("retention_hours", 24, 8760, 24)
        effect_types = arguments.names("effect_types", EVENT_TYPE, "a stored event type", [])
        silo = arguments.text("silo", TENANT, "a tenant's id: a-z, 0-9 and -, at most 63", "")
        effect_delay = arguments.integer("effect_delay_seconds", 0, 900, 15)
        personal = arguments.flag("personal", False)
        epoch = arguments.integer("store_epoch", 1, 2**31 - 1, 1)
        limit = budget.read(arguments)
        ticking = schedules.read(arguments)
        table = existing.table(arguments, "table", stream="the relay reads new commits there")
        bus = existing.bus(arguments, "bus", road_name)
        functions = overrides.functions(arguments, ("commands", "effects", "relay"))
        times = functions.get("effects", Settings()).timeout or EFFECTS_TIMEOUT
        effect_attempts = attempts(arguments, "effect_attempts", times)
        overrides.variables(arguments, "environment")
        source = domain_source.source(arguments)
        arguments.check()
        built = source.build(personal)

        super().__init__("foldstack:index:EventSourcedService", name, _recorded(args), opts)
        scope = operations.scope(self, name, service, functions)

        budget.build(scope, service, limit)
        key = scope.key_arn
        if silo and key is None:
            key = storage.key(scope, "key", f"what {service} keeps of the tenant {silo}").arn
        commits = table or storage.table(scope, "commits", storage.COMMIT_KEYS, stream="NEW_IMAGE", key_arn=key)
        ids = storage.table(scope, "ids", storage.ID_KEYS, expires="ttl", key_arn=key)
        bodies = storage.bucket(scope, "bodies", versioned=True, key_arn=key)
        failures = storage.bucket(scope, "failures", versioned=False, expire_after_days=30, key_arn=key)
        keys = personal_keys.keys(scope, key) if personal else personal_keys.NONE
        road = roads.build(scope, road_name, bus, shards=shards, retention_hours=retention_hours)
        parked = waiting_queue(scope, "parked", largest_message=LARGEST_MESSAGE)
        secrets = {each: storage.secret(scope, each, value) for each, value in values.items()}
        commands_queue = ConsumerQueue(scope, "commands", timeout=scope.timeout("commands", COMMANDS_TIMEOUT))
        effects_queue = ConsumerQueue(
            scope,
            "effects",
            timeout=scope.timeout("effects", EFFECTS_TIMEOUT),
            attempts=effect_attempts,
            delay=effect_delay,
        )
        scheduling = Scheduling(scope, commands_queue)

        domain: Domain = {
            "service": service,
            "entry": source.entry,
            "code": pulumi.FileArchive(str(built.code)),
            "layer_arn": _layer(scope, built).arn,
            "runtime": built.target.runtime,
            "architecture": built.target.architecture,
            "store_epoch": str(epoch),
            "environment": args.get("environment") or {},
            "silo": silo,
            "key_arn": key or "",
        }
        events: Events = {
            "domain": domain,
            "road": road.name,
            "bus_name": road.bus_name,
            "bus_arn": road.bus_arn,
            "bus_key_arn": road.key_arn or "",
            "failures_bucket_arn": failures.arn,
            "commit_table_name": commits.name,
            "commit_table_arn": commits.arn,
            "bodies_bucket_name": bodies.bucket,
            "bodies_bucket_arn": bodies.arn,
        }
        commands: Commands = {
            "domain": domain,
            "commit_table_name": commits.name,
            "commit_table_arn": commits.arn,
            "id_table_name": ids.name,
            "id_table_arn": ids.arn,
            "bodies_bucket_name": bodies.bucket,
            "bodies_bucket_arn": bodies.arn,
            "secrets": {each: made.arn for each, made in secrets.items()},
            "secrets_key_arn": scope.key_arn or "",
            "queue_url": commands_queue.url,
            "queue_arn": commands_queue.arn,
            "dead_letters_arn": commands_queue.dead_letters.arn,
            "timers_group_name": scheduling.group.name,
            "timers_group_arn": scheduling.group.arn,
            "timers_role_arn": scheduling.role.arn,
            **keys,
        }

        for_tenants = permissions.execute_commands(commands)
        if silo:
            for_tenants = permissions.in_silo(for_tenants, domain)
        else:
            for_tenants = [*for_tenants, *permissions.use_key_for_tenants(domain)]
        executing = _commands(scope, commands, commands_queue, [each.name for each in ticking], for_tenants)
        scheduling.start(ticking, executing)
        feed = roads.feed(effects_queue, events, effect_types)
        publishing = publishes(road, feed, parked)
        relay(scope, domain, road, feed, parked, commits.stream_arn, failures)
        effects = _effects(scope, commands, effects_queue, for_tenants)
        _check_types(scope, effects, effect_types)

        self.events = events
        self.commands = pulumi.Output.from_input(commands)
        self.event_table = commits.name
        self.event_bus = road.bus_name
        operated_service: OperatedService = {
            "effects": effects.name,
            "variables": {
                **environment.domain(domain),
                **environment.commits(events),
                **publishing,
                **(environment.erasing(keys, personal_keys.erase_role(scope, keys, domain).arn) if personal else {}),
            },
        }
        self.operated = pulumi.Output.from_input(operated_service)
        self.register_outputs(
            {
                "events": self.events,
                "commands": self.commands,
                "event_table": self.event_table,
                "event_bus": self.event_bus,
                "operated": self.operated,
            }
        )


def _commands(
    scope: Scope,
    commands: Commands,
    queue: ConsumerQueue,
    ticking: Sequence[str],
    for_tenants: Sequence[permissions.Statement],
) -> Function:
    function = Function(
        scope,
        "commands",
        handler="foldstack.handlers.commands.handler",
        domain=commands["domain"],
        variables={
            **environment.commands(commands),
            **environment.schedules(ticking),
            **environment.usage(scope.tenant_metrics),
            **queue.variables,
        },
        statements=queue.statements,
        for_tenants=for_tenants,
        timeout=COMMANDS_TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    queue.drain_into(function)
    return function


def _effects(
    scope: Scope, commands: Commands, queue: ConsumerQueue, for_tenants: Sequence[permissions.Statement]
) -> Function:
    function = Function(
        scope,
        "effects",
        handler="foldstack.handlers.effects.handler",
        domain=commands["domain"],
        variables={
            **environment.commands(commands),
            **environment.secrets(commands),
            **environment.timers(commands),
            **environment.dead_letters(queue.dead_letters.url),
            **environment.usage(scope.tenant_metrics),
            **queue.variables,
        },
        statements=[
            *permissions.read_secrets(commands),
            *permissions.set_timers(commands),
            *permissions.send("GiveUp", queue.dead_letters.arn),
            *queue.statements,
        ],
        for_tenants=for_tenants,
        timeout=EFFECTS_TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    queue.drain_into(function)
    alarms.on_stuck_sagas(scope, "stuck-sagas")
    return function


def _check_types(scope: Scope, effects: Function, types: list[str]) -> None:
    """Each deployment sees that the queue gets all that the domain reacts to: else some is lost in silence."""
    if types:
        aws.lambda_.Invocation(
            scope.child("effects-check"),
            function_name=effects.name,
            input=json.dumps({"check": sorted(types)}, sort_keys=True),
            triggers={"code": effects.code_sha256},
            opts=scope.options(effects.ready),
        )


def _layer(scope: Scope, built: domain_source.Built) -> aws.lambda_.LayerVersion:
    return aws.lambda_.LayerVersion(
        scope.child("layer"),
        # The provider makes no name for layers; two layers of one name are versions of each other.
        layer_name=f"{pulumi.get_project()}-{pulumi.get_stack()}-{scope.child('layer')}",
        code=pulumi.FileArchive(str(built.layer)),
        compatible_runtimes=[built.target.runtime],
        compatible_architectures=[built.target.architecture],
        opts=scope.options(),
    )


def _recorded(args: EventSourcedServiceArgs) -> dict[str, Any]:
    """`args` as the engine keeps them: without the path, which differs from machine to machine, values secret."""
    values = {name: pulumi.Output.secret(value) for name, value in (args.get("secret_values") or {}).items()}
    return {**args, "domain": {"entry": args["domain"]["entry"]}, "secret_values": values}


def _secret_values(arguments: Arguments) -> dict[str, pulumi.Input[str] | None]:
    names = arguments.names("secrets", SECRET, "letters, digits and -, from a letter, at most 63", [])
    values = arguments.mapping("secret_values")
    for stranger in sorted(values.keys() - set(names)):
        allowed = f"names listed in secrets: {', '.join(names) or 'there are none'}"
        arguments.fault(f"secret_values.{stranger}", "a value", allowed, "add the name to secrets")
    return {name: values.get(name) for name in names}
