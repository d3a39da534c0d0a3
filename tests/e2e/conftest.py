"""The project's own program, deployed once to the laptop cloud, and a client that only knows its URL."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from components import roads
from local.cloud import LaptopCloud
from local.commands import app
from local.operations.connection import Connection
from local.tokens import Tokens
from tests.e2e.leaks import found_in, known_secrets

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def token(self) -> dict[str, str]:
        return {"x-consistency-token": self.headers["x-consistency-token"]}


class Client:
    """Requests of one tenant's user, as any HTTP client would send them. Without a tenant they carry no token; without
    `tokens` they name their tenant, as an anonymous API wants it."""

    def __init__(self, url: str, tenant: str | None, tokens: Tokens | None = None, role: str = "admin") -> None:
        self.url, self.tenant, self.tokens, self.role = url, tenant, tokens, role

    def in_role(self, role: str) -> "Client":
        return Client(self.url, self.tenant, self.tokens, role)

    def authorization(self) -> dict[str, str]:
        if self.tenant is None:
            return {}
        if self.tokens is None:
            return {"x-tenant-id": self.tenant}
        return {"authorization": f"Bearer {self.tokens.of(self.tenant, self.role, self.role)['access_token']}"}

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """`body` as bytes is sent as it is, anything else as JSON."""
        parts = urlsplit(self.url)
        sent = self.authorization()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent["content-type"] = "application/json"
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=40)
        try:
            connection.request(method, parts.path + path, data, {**sent, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Asks again where the answer says so: a view in PostgreSQL may be behind a token for a moment."""
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        for _ in range(PATIENCE):
            answer = self.send("GET", path, headers=sent)
            if answer.status != 503 or "retry-after" not in answer.headers:
                break
        return answer

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def product(self, stock: int = 10, amount: str = "19.90", **fields: Any) -> str:
        """A new product's id."""
        body = {"name": "Pen", "price": {"amount": amount, "currency": "EUR"}, "stock": stock, **fields}
        answer = self.post("/products", body)
        assert answer.status == 201, answer.raw
        return answer.json["productId"]

    def reservation(self, product_id: str, quantity: int = 1) -> str:
        answer = self.post("/reservations", {"productId": product_id, "quantity": quantity})
        assert answer.status == 201, answer.raw
        return answer.json["reservationId"]

    def buy(self, reservation_id: str, token: str = "tok_ok", **headers: str) -> Answer:
        return self.post("/purchase", {"reservationId": reservation_id, "payment": {"token": token}}, **headers)


READ_MODELS = ("dynamodb", "postgres")
DEFAULT, *OTHERS = itertools.product(roads.NAMES, READ_MODELS)
IN_CI = {("kinesis", "postgres"), ("sns", "dynamodb")}
"""Besides the default, which CI runs in full: there the tests marked `contract` are run, and the rest are long."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        combination = item.callspec.params.get("combination") if hasattr(item, "callspec") else None
        contract = combination in IN_CI and item.get_closest_marker("contract")
        if combination not in (None, DEFAULT) and not contract:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", params=[DEFAULT, *OTHERS], ids="-".join)
def combination(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A road and a store of views. The whole suite runs on each; `-k kinesis-postgres` chooses one."""
    return request.param


@pytest.fixture(scope="session")
def road(combination: tuple[str, str]) -> str:
    return combination[0]


@pytest.fixture(scope="session")
def read_model(combination: tuple[str, str]) -> str:
    return combination[1]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, road: str, read_model: str) -> Iterator[LaptopCloud]:
    with LaptopCloud(ROOT, stack="local", home=tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.up(config={"road": road, "readModel": read_model, "lake": False})
        yield cloud
        logs = [*cloud.logs.iterdir(), cloud.home / "emulator" / "emulator.log"]
        assert found_in(logs, known_secrets(cloud)) == [], "the suite left secrets in its logs"


def tokens_of(cloud: LaptopCloud) -> Tokens:
    return Connection(ROOT, None, cloud.home).tokens


@pytest.fixture(scope="session")
def tokens(cloud: LaptopCloud) -> Tokens:
    """Real ones, of the cloud's user pool; each is kept while it lives."""
    return tokens_of(cloud)


_tenants = itertools.count()


@pytest.fixture
def client(cloud: LaptopCloud, tokens: Tokens) -> Client:
    """A tenant of its own for every test."""
    return Client(cloud.outputs["apiUrl"], f"t{next(_tenants)}-{uuid.uuid4().hex[:8]}", tokens)


@pytest.fixture
def other(cloud: LaptopCloud, tokens: Tokens) -> Client:
    return Client(cloud.outputs["apiUrl"], f"o{next(_tenants)}-{uuid.uuid4().hex[:8]}", tokens)


@pytest.fixture
def charges(cloud: LaptopCloud):
    """What the payment provider has charged for a purchase."""
    provider = Client(cloud.outputs["paymentProviderUrl"], None)

    def of(purchase_id: str) -> list[dict[str, str]]:
        return [c for c in provider.get("/charges").json["items"] if c["reference"] == purchase_id]

    return of


Run = Callable[..., str]


@pytest.fixture
def program(cloud, tmp_path: Path) -> Path:
    """A program's folder whose cloud is the one that runs."""
    (tmp_path / ".foldstack").symlink_to(cloud.home)
    return tmp_path


@pytest.fixture
def run(program: Path) -> Run:
    """Runs a command to its end; answers what it printed."""

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--program", str(program)], catch_exceptions=False)
        assert done.exit_code == status, done.output
        return done.output

    return run
