"""The laptop cloud's parts, with roles and functions made on the spot."""

import json
import textwrap
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.credentials import Credentials
from local.emulator import Emulator
from local.function_host import FunctionHost, FunctionSpec, Invocation
from local.gateway import Gateway

from .gateway_api import Api, opened

if TYPE_CHECKING:
    from .deploying import Laptop

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def allow(actions: list[str], resources: list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def make_role(emulator: Emulator, *statements: dict[str, Any]) -> str:
    """A role that Lambda may assume, with these statements; answers its ARN."""
    iam, name = emulator.client("iam"), f"role-{uuid.uuid4().hex}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    return arn


def make_table(emulator: Emulator, **more: Any) -> str:
    """A table with the partition key `pk` and a stream; answers its name."""
    name = f"table-{uuid.uuid4().hex}"
    emulator.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            *more.pop("attributes", []),
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        **more,
    )
    return name


@pytest.fixture
def role(emulator: Emulator) -> Callable[..., str]:
    return lambda *statements: make_role(emulator, *statements)


@pytest.fixture
def table(emulator: Emulator) -> str:
    return make_table(emulator)


@pytest.fixture(scope="session")
def credentials(emulator: Emulator) -> Credentials:
    return Credentials(emulator)


@pytest.fixture
def host(emulator: Emulator, credentials: Credentials, tmp_path: Path) -> Iterator[FunctionHost]:
    with FunctionHost(tmp_path / "host", endpoint_url=emulator.url, credentials=credentials.of) as running:
        yield running


@dataclass
class Function:
    """A registered function; call it with an event."""

    host: FunctionHost
    spec: FunctionSpec

    def __call__(self, event: Any = None, **more: Any) -> Invocation:
        return self.host.invoke(self.spec.name, json.dumps(event).encode(), **more)

    def answer(self, event: Any = None) -> Any:
        done = self(event)
        assert done.ok, done
        return json.loads(done.payload)

    @property
    def log(self) -> str:
        return (self.host.logs / f"{self.spec.name}.log").read_text()


@pytest.fixture
def function(host: FunctionHost, emulator: Emulator, tmp_path: Path) -> Callable[..., Function]:
    """Registers a function made of the source of its module; settings are those of FunctionSpec."""

    def make(source: str, *statements: dict[str, Any], name: str = "", **settings: Any) -> Function:
        name = name or f"fn-{uuid.uuid4().hex[:8]}"
        task = tmp_path / f"task-{uuid.uuid4().hex}"
        task.mkdir()
        (task / "app.py").write_text(textwrap.dedent(source))
        spec = FunctionSpec(
            name=name,
            arn=f"arn:aws:lambda:{emulator.region}:{emulator.account}:function:{name}",
            handler=settings.pop("handler", "app.handler"),
            task_dir=task,
            layer_dirs=settings.pop("layer_dirs", []),
            environment=settings.pop("environment", {}),
            role_arn=make_role(emulator, *statements),
            **settings,
        )
        host.register(spec)
        return Function(host, spec)

    return make


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(account="123456789012") as running:
        yield running


@pytest.fixture
def api(gateway: Gateway) -> Api:
    return opened(gateway)


@pytest.fixture
def laptop(emulator: Emulator, tmp_path: Path) -> "Iterator[Laptop]":
    # Suites that deploy nothing do not pay for Pulumi.
    from .deploying import Laptop

    laptop = Laptop(emulator, tmp_path / "home", project=tmp_path.name.replace("_", "-")[-20:])
    yield laptop
    laptop.up(lambda: None, replace_data=True)
