"""The shop's functions in this process, on the laptop cloud's emulator: there they can be counted and timed.

Tables, bus and queues are as the components make them. What leaves a function leaves this process as well: the
emulator is another one, so that processor time here is the function's alone.
"""

import contextlib
import importlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from foldstack.aws import clients

from local.emulator import Emulator
from shop.stand_ins import payment_provider

KEYS = {
    "shop-commits": {"p": "S", "s": "N"},
    "shop-ids": {"p": "S"},
    "shop-products": {"p": "S", "s": "S"},
    "shop-purchases": {"p": "S", "s": "S"},
}
COMMITS, IDS = "shop-commits", "shop-ids"
FUNCTIONS = ("http", "relay", "projector", "effects")
SERVING_TENANTS = ("http", "effects")
_BUCKET, _BUS, _TIMERS = "shop-bodies", "shop-bus", "shop-timers"
_TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
_SERVICES = ("dynamodb", "s3", "events", "sqs", "secretsmanager", "scheduler", "iam", "rds-data", "sts")
_RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": [f"{each}:*" for each in _SERVICES], "Resource": "*"}],
}
_TENANT = "${aws:PrincipalTag/tenant}"


class Stage:
    """Use it as a context manager. `functions` holds the modules of the handlers, by name; `root` makes clients."""

    def __init__(self) -> None:
        self.functions: dict[str, Any] = {}
        self.queue = ""
        self.stream = ""
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> "Stage":
        with contextlib.ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foldstack-benchmark-")))
            self._emulator = stack.enter_context(Emulator(home / "emulator"))
            self.root = self._emulator.client
            provider = payment_provider.serve(0)
            stack.callback(provider.server_close)
            stack.callback(provider.shutdown)
            threading.Thread(target=provider.serve_forever, daemon=True).start()
            variables = self._provision(f"http://127.0.0.1:{provider.server_address[1]}")
            stack.enter_context(loaded({**variables, **role_variables(self._emulator)}, *FUNCTIONS))
            for_tenants = {"FOLDSTACK_TENANT_ROLE": tenant_role(self._emulator, KEYS, _BUCKET)}
            for name in FUNCTIONS:
                with _told(for_tenants if name in SERVING_TENANTS else {}):
                    self.functions[name] = function(name)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._exit.close()

    def logs(self) -> contextlib.AbstractContextManager[Any]:
        return silence()

    def forget(self) -> None:
        """From here on every stream is cold, as in a new sandbox."""
        for name in ("http", "effects"):
            self.functions[name].executor._cache.clear()

    def _provision(self, provider_url: str) -> dict[str, str]:
        """Everything that the functions use; answers their variables."""
        dynamodb, sqs, events = self.root("dynamodb"), self.root("sqs"), self.root("events")
        for table, keys in KEYS.items():
            roles = zip(keys, ("HASH", "RANGE"), strict=False)
            dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()],
                KeySchema=[{"AttributeName": name, "KeyType": role} for name, role in roles],
            )
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        made = dynamodb.update_table(TableName=COMMITS, StreamSpecification=stream)
        self.stream = made["TableDescription"]["LatestStreamArn"]
        self.root("s3").create_bucket(Bucket=_BUCKET)
        secret = self.root("secretsmanager").create_secret(Name="provider-key", SecretString="benchmark")
        self.queue = sqs.create_queue(QueueName="shop-consumers")["QueueUrl"]
        parked = sqs.create_queue(QueueName="shop-parked")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus = events.create_event_bus(Name=_BUS)["EventBusArn"]
        self.root("scheduler").create_schedule_group(Name=_TIMERS)
        role = f"arn:aws:iam::{self._emulator.account}:role/functions"
        events.put_rule(Name="all", EventBusName=_BUS, EventPattern=json.dumps({"source": ["shop"]}))
        events.put_targets(Rule="all", EventBusName=_BUS, Targets=[{"Id": "queue", "Arn": arn}])
        return {
            "FOLDSTACK_DOMAIN": "shop:service",
            "FOLDSTACK_SERVICE": "shop",
            "FOLDSTACK_COMMIT_TABLE": COMMITS,
            "FOLDSTACK_ID_TABLE": "shop-ids",
            "FOLDSTACK_BODIES_BUCKET": _BUCKET,
            "FOLDSTACK_VIEW_TABLES": json.dumps({"products": "shop-products", "purchases": "shop-purchases"}),
            "FOLDSTACK_ROAD": bus,
            "FOLDSTACK_PARKED_QUEUE": parked,
            "FOLDSTACK_SECRETS": json.dumps({"paymentProviderKey": secret["ARN"]}),
            "FOLDSTACK_TIMERS": json.dumps({"group": _TIMERS, "role": role, "queue": arn, "dead_letters": arn}),
            "FOLDSTACK_ANONYMOUS": "true",
            "PAYMENT_PROVIDER_URL": provider_url,
            "POWERTOOLS_SERVICE_NAME": "shop",
            "POWERTOOLS_METRICS_NAMESPACE": "Foldstack",
        }


def role_variables(emulator: Emulator) -> dict[str, str]:
    """What a function of the emulator's cloud finds of itself: where AWS is, and a role's credentials."""
    iam = emulator.client("iam")
    role = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="functions", PolicyName="rights", PolicyDocument=json.dumps(_RIGHTS))
    given = emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="benchmark")["Credentials"]
    return {
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_DEFAULT_REGION": emulator.region,
        "AWS_REGION": emulator.region,
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextlib.contextmanager
def loaded(variables: Mapping[str, str], *functions: str) -> Iterator[None]:
    """A sandbox: while it lasts, these are the variables, and `function` loads those functions anew."""
    before = dict(os.environ)
    os.environ.update(variables)
    _forget(functions)
    try:
        yield
    finally:
        _forget(functions)
        os.environ.clear()
        os.environ.update(before)


def function(name: str) -> Any:
    """The module of a handler."""
    with silence():
        return importlib.import_module(f"foldstack.handlers.{name}")


def silence() -> contextlib.AbstractContextManager[Any]:
    """Functions write their logs and metrics as in Lambda, to where nobody looks."""
    return contextlib.redirect_stdout(_nowhere())


def tenant_role(emulator: Emulator, tables: Iterable[str], bucket: str) -> str:
    """The ARN of a role as the components make it: each item that it reaches has a key that begins with the session's
    tenant."""
    iam, prefix = emulator.client("iam"), f"arn:aws:dynamodb:{emulator.region}:{emulator.account}:table"
    trust = {**_TRUST["Statement"][0], "Action": ["sts:AssumeRole", "sts:TagSession"]}
    own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{_TENANT}#*"]}}
    present = {"Null": {"dynamodb:LeadingKeys": "false", "aws:PrincipalTag/tenant": "false"}}
    actions = [f"dynamodb:{each}" for each in ("BatchWriteItem", "GetItem", "PutItem", "Query")]
    items = {"Action": actions, "Resource": [f"{prefix}/{name}" for name in tables], "Condition": {**own, **present}}
    bodies = {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/{_TENANT}/*"}
    statements = [{"Effect": "Allow", **each} for each in (items, bodies)]
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="tenants", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="tenants", PolicyName="own", PolicyDocument=document)
    return role


@contextlib.contextmanager
def _told(variables: Mapping[str, str]) -> Iterator[None]:
    """What only some functions of a sandbox are told: they read it when they are loaded."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


@cache
def _nowhere() -> TextIO:
    """One for the process: Powertools keeps a service's logger, and with it the stream of the first stage."""
    return open(os.devnull, "w")


def _forget(functions: tuple[str, ...]) -> None:
    """The modules and clients of an earlier sandbox are bound to its emulator."""
    for name in functions:
        sys.modules.pop(f"foldstack.handlers.{name}", None)
    for kept in (clients.client, clients.session, clients.tenant_sessions):
        kept.cache_clear()
