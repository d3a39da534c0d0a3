"""EventSourcedService: the commit store of a domain, the functions that decide and act, and its events on a bus."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import alarms, bundle, environment, permissions, storage
from .arguments import NAME, Arguments
from .consumer_queue import ConsumerQueue, commits_of, waiting_queue
from .function import Function
from .handles import Commands, Domain, Events
from .scope import Operations, Scope, operated

ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
SECRET = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
EVENT_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")
VARIABLE = re.compile(r"(?!FOLDSTACK_|AWS_|LAMBDA_|POWERTOOLS_)[A-Za-z][A-Za-z0-9_]*")
TARGETS = ("arm64-python3.13", "x86_64-python3.13", "host")

COMMANDS_TIMEOUT = 60
RELAY_TIMEOUT = 60
EFFECTS_TIMEOUT = 60
MEMORY_MB = 1024


class DomainSource(TypedDict):
    """Where the domain's Python is."""

    path: str
    """The absolute path of the folder that the domain is imported from."""
    entry: str
    """Where its Service object is, "module:attribute"."""


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
    effect_types: NotRequired[list[str]]
    """Stored event types that effects answer, default all: fewer types, fewer invocations."""
    effect_delay_seconds: NotRequired[int]
    """How long a request may drive an effect before the queue does, 0 to 900, default 15."""
    store_epoch: NotRequired[int]
    """The epoch of the store, default 1; raise it after a restore."""
    target: NotRequired[str]
    """What functions are built for: "arm64-python3.13" (default), "x86_64-python3.13" or "host"."""
    precompile: NotRequired[bool]
    """Whether packages hold byte code, default false; needs the target's Python on the building machine."""
    operations: NotRequired[Operations]
    """How it is operated."""


class EventSourcedService(pulumi.ComponentResource):
    """An event-sourced service: commit table, command function, relay to a bus, effects behind a delayed queue."""

    events: pulumi.Output[Events]
    """What consumers of its events need: give it to ProjectionPipeline."""
    commands: pulumi.Output[Commands]
    """What doors need to execute its commands: give it to HttpApi."""
    event_table: pulumi.Output[str]
    """The name of the commit table."""
    event_bus: pulumi.Output[str]
    """The name of the bus its events are published on."""

    def __init__(self, name: str, args: EventSourcedServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("EventSourcedService", name, args, EventSourcedServiceArgs)
        operations = operated(arguments)
        service = arguments.text("service", NAME, "a-z, 0-9 and -, from a letter, at most 32", name)
        values = _secret_values(arguments, args)
        effect_types = arguments.names("effect_types", EVENT_TYPE, "a stored event type", [])
        effect_delay = arguments.integer("effect_delay_seconds", 0, 900, 15)
        epoch = arguments.integer("store_epoch", 1, 2**31 - 1, 1)
        target_name = arguments.choice("target", TARGETS, TARGETS[0])
        precompile = arguments.flag("precompile", False)
        _check_domain(arguments)
        _check_environment(arguments, args)
        arguments.check()
        target = bundle.target(target_name, precompile)
        layer, code = _build(args["domain"], target)

        # The path differs from machine to machine: recorded, it would show in every preview.
        recorded = {**args, "domain": {"entry": args["domain"]["entry"]}}
        super().__init__("foldstack:index:EventSourcedService", name, recorded, opts)
        scope = operations.scope(self, name, service)

        commits = storage.table(scope, "commits", storage.COMMIT_KEYS, stream=True)
        ids = storage.table(scope, "ids", storage.ID_KEYS, expires="ttl")
        bodies = storage.bucket(scope, "bodies", versioned=True)
        failures = storage.bucket(scope, "failures", versioned=False, expire_after_days=30)
        bus = aws.cloudwatch.EventBus(scope.child("bus"), tags=scope.tags, opts=scope.options())
        parked = waiting_queue(scope, "parked")
        secrets = {each: storage.secret(scope, each, value) for each, value in values.items()}
        commands_queue = ConsumerQueue(scope, "commands", timeout=COMMANDS_TIMEOUT, attempts=5)
        effects_queue = ConsumerQueue(scope, "effects", timeout=EFFECTS_TIMEOUT, attempts=10, delay=effect_delay)

        domain: Domain = {
            "service": service,
            "entry": args["domain"]["entry"],
            "code": pulumi.FileArchive(str(code)),
            "layer_arn": _layer(scope, layer, target).arn,
            "runtime": target.runtime,
            "architecture": target.architecture,
            "store_epoch": str(epoch),
            "environment": args.get("environment") or {},
        }
        events: Events = {
            "domain": domain,
            "bus_name": bus.name,
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
            "queue_url": commands_queue.url,
            "queue_arn": commands_queue.arn,
        }

        _commands(scope, commands, commands_queue)
        _relay(scope, events, bus, parked, commits.stream_arn, failures)
        effects_queue.subscribe(bus.name, commits_of(service, effect_types))
        _effects(scope, commands, effects_queue, parked)

        self.events = pulumi.Output.from_input(events)
        self.commands = pulumi.Output.from_input(commands)
        self.event_table = commits.name
        self.event_bus = bus.name
        self.register_outputs(
            {
                "events": self.events,
                "commands": self.commands,
                "event_table": self.event_table,
                "event_bus": self.event_bus,
            }
        )


def _commands(scope: Scope, commands: Commands, queue: ConsumerQueue) -> None:
    function = Function(
        scope,
        "commands",
        handler="foldstack.handlers.commands.handler",
        domain=commands["domain"],
        variables=environment.commands(commands),
        statements=[*permissions.execute_commands(commands), *permissions.consume(queue.arn)],
        timeout=COMMANDS_TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    queue.drain_into(function)


def _relay(
    scope: Scope,
    events: Events,
    bus: aws.cloudwatch.EventBus,
    parked: aws.sqs.Queue,
    stream_arn: pulumi.Output[str],
    failures: aws.s3.Bucket,
) -> None:
    function = Function(
        scope,
        "relay",
        handler="foldstack.handlers.relay.handler",
        domain=events["domain"],
        variables={
            **environment.bodies(events),
            **environment.publishing(bus.name),
            **environment.parking(parked.url),
        },
        statements=[
            *permissions.read_stream(stream_arn),
            *permissions.read_bodies(events),
            *permissions.publish(bus.arn),
            *permissions.send("Park", parked.arn),
            *permissions.keep_failures(failures.arn),
        ],
        timeout=RELAY_TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    aws.lambda_.EventSourceMapping(
        scope.child("relay-source"),
        function_name=function.arn,
        event_source_arn=stream_arn,
        starting_position="TRIM_HORIZON",
        batch_size=100,
        parallelization_factor=1,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=10,
        maximum_record_age_in_seconds=23 * 3600,
        function_response_types=["ReportBatchItemFailures"],
        filter_criteria={"filters": [{"pattern": json.dumps(COMMITS_WITH_EVENTS, sort_keys=True)}]},
        destination_config={"on_failure": {"destination_arn": failures.arn}},
        tags=scope.tags,
        opts=scope.options(function.ready),
    )
    alarms.on_iterator_age(scope, "relay", function.name)


def _effects(scope: Scope, commands: Commands, queue: ConsumerQueue, parked: aws.sqs.Queue) -> None:
    function = Function(
        scope,
        "effects",
        handler="foldstack.handlers.effects.handler",
        domain=commands["domain"],
        variables={
            **environment.commands(commands),
            **environment.secrets(commands),
            **environment.parking(parked.url),
        },
        statements=[
            *permissions.execute_commands(commands),
            *permissions.read_secrets(commands),
            *permissions.consume(queue.arn),
            *permissions.send("Park", parked.arn),
        ],
        timeout=EFFECTS_TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    queue.drain_into(function)


COMMITS_WITH_EVENTS = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"t": {"L": [{"exists": True}]}}}}
"""The stream records the relay publishes. `exists` holds for leaves alone, so the attribute's type is named."""


def _layer(scope: Scope, path: Path, target: bundle.Target) -> aws.lambda_.LayerVersion:
    return aws.lambda_.LayerVersion(
        scope.child("layer"),
        # The provider makes no name for layers; two layers of one name are versions of each other.
        layer_name=f"{pulumi.get_project()}-{pulumi.get_stack()}-{scope.child('layer')}",
        code=pulumi.FileArchive(str(path)),
        compatible_runtimes=[target.runtime],
        compatible_architectures=[target.architecture],
        opts=scope.options(),
    )


def _build(domain: DomainSource, target: bundle.Target) -> tuple[Path, Path]:
    """The zips of the layer and of all functions."""
    layer = bundle.layer(target)
    sources = bundle.runtime_sources() | bundle.domain(Path(domain["path"]), domain["entry"].split(":")[0])
    return layer, bundle.function(sources, target, [layer])


def _check_domain(arguments: Arguments) -> None:
    arguments.nested("domain", DomainSource)
    arguments.text("domain.entry", ENTRY, '"module:attribute"')
    path = arguments.text("domain.path", re.compile(r".+"), "the absolute path of a folder")
    if path and not (Path(path).is_absolute() and Path(path).is_dir()):
        mend = "make it from the program's own place, str(Path(__file__).resolve().parent)"
        arguments.fault("domain.path", path, "the absolute path of a folder that exists", mend)


def _check_environment(arguments: Arguments, args: EventSourcedServiceArgs) -> None:
    for variable in args.get("environment") or {}:
        if not VARIABLE.fullmatch(variable):
            allowed = "letters, digits and _, not starting with FOLDSTACK_, AWS_, LAMBDA_ or POWERTOOLS_"
            arguments.fault(f"environment.{variable}", variable, allowed, "rename it")


def _secret_values(arguments: Arguments, args: EventSourcedServiceArgs) -> dict[str, pulumi.Input[str] | None]:
    names = arguments.names("secrets", SECRET, "letters, digits and -, from a letter, at most 63", [])
    values = args.get("secret_values") or {}
    for stranger in sorted(values.keys() - set(names)):
        allowed = f"names listed in secrets: {', '.join(names) or 'there are none'}"
        arguments.fault(f"secret_values.{stranger}", "a value", allowed, "add the name to secrets")
    return {name: values.get(name) for name in names}
