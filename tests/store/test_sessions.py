"""Sessions of tenants: how often STS is asked, what signs a request, and what happens when STS does not answer."""

import json
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from foldstack.aws import clients
from foldstack.aws.sessions import EARLY_SECONDS, LIFE_SECONDS, MOST, NoSession, Sessions
from foldstack.kernel.errors import Unavailable
from foldstack.kernel.keys import Tenant

ROLE = "arn:aws:iam::123456789012:role/tenants"
ACME, ZETA = Tenant("acme"), Tenant("zeta")


class Sts:
    """Gives out numbered sessions of an hour; or fails as it is told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.asked: list[dict[str, Any]] = []
        self.fails: Exception | None = None

    def assume_role(self, **parameters: Any) -> dict[str, Any]:
        self.asked.append(parameters)
        if self.fails:
            raise self.fails
        number = len(self.asked)
        ends = datetime.fromtimestamp(self.now + parameters["DurationSeconds"], UTC)
        keys = {"AccessKeyId": f"key-{number}", "SecretAccessKey": "secret", "SessionToken": "token"}
        return {"Credentials": {**keys, "Expiration": ends}}


@pytest.fixture
def sts() -> Sts:
    return Sts()


@pytest.fixture
def sessions(sts: Sts) -> Sessions:
    return Sessions(sts, ROLE, now=lambda: sts.now)


def throttled(code: str = "Throttling") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "AssumeRole")


def test_a_session_is_asked_for_with_the_tenants_tag(sessions: Sessions, sts: Sts) -> None:
    sessions.credentials(ACME)
    assert sts.asked == [
        {
            "RoleArn": ROLE,
            "RoleSessionName": "@acme",
            "DurationSeconds": LIFE_SECONDS,
            "Tags": [{"Key": "tenant", "Value": "acme"}],
        }
    ]


@pytest.mark.parametrize("tenant", ["a", "a" * 63])
def test_every_tenants_session_has_a_name_that_aws_takes(sessions: Sessions, sts: Sts, tenant: str) -> None:
    sessions.credentials(Tenant(tenant))
    assert 2 <= len(sts.asked[0]["RoleSessionName"]) <= 64


def test_within_its_life_a_session_is_asked_for_once(sessions: Sessions, sts: Sts) -> None:
    first = sessions.credentials(ACME)
    sts.now += LIFE_SECONDS - EARLY_SECONDS - 1
    assert sessions.credentials(ACME) is first
    assert sessions.credentials(ZETA) is not first
    assert len(sts.asked) == 2


def test_it_is_renewed_before_it_ends(sessions: Sessions, sts: Sts) -> None:
    first = sessions.credentials(ACME)
    sts.now += LIFE_SECONDS - EARLY_SECONDS
    assert sessions.credentials(ACME) != first
    assert len(sts.asked) == 2


def test_a_chained_role_gives_an_hour_at_most() -> None:
    assert LIFE_SECONDS <= 3600


def test_so_many_are_kept_and_the_least_recently_used_goes(sts: Sts) -> None:
    sessions = Sessions(sts, ROLE, most=2, now=lambda: sts.now)
    for tenant in (ACME, ZETA, ACME, Tenant("new"), ACME):
        sessions.credentials(tenant)
    assert len(sts.asked) == 3
    sessions.credentials(ZETA)
    assert len(sts.asked) == 4
    assert MOST >= 100


@pytest.mark.parametrize("fault", [throttled(), ConnectTimeoutError(endpoint_url="u")])
def test_without_sts_a_new_tenant_is_told_to_come_again(sessions: Sessions, sts: Sts, fault: Exception) -> None:
    sts.fails = fault
    with pytest.raises(NoSession) as caught:
        sessions.credentials(ACME)
    assert isinstance(caught.value, Unavailable)
    assert caught.value.retry_after >= 1
    sts.fails = None
    assert sessions.credentials(ACME)


def test_without_sts_a_session_is_used_to_its_end_and_sts_left_alone(sessions: Sessions, sts: Sts) -> None:
    first = sessions.credentials(ACME)
    sts.now += LIFE_SECONDS - EARLY_SECONDS
    sts.fails = throttled()
    for _ in range(5):
        assert sessions.credentials(ACME) is first
    assert len(sts.asked) == 2, "each request would wait for it"
    sts.now += EARLY_SECONDS - 1
    assert sessions.credentials(ACME) is first
    sts.now += 1
    with pytest.raises(NoSession):
        sessions.credentials(ACME)


def test_a_role_that_refuses_is_a_fault_and_no_outage(sessions: Sessions, sts: Sts) -> None:
    sts.fails = throttled("AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        sessions.credentials(ACME)


def test_threads_wait_for_one_request(sts: Sts) -> None:
    sessions = Sessions(sts, ROLE, now=lambda: sts.now)
    together = threading.Barrier(8)

    def ask(_: int) -> Any:
        together.wait()
        return sessions.credentials(ACME)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(sts.asked) == 1


# ---- what signs a request


@pytest.fixture
def held(emulator: Any, monkeypatch: pytest.MonkeyPatch):
    """The runtime's own clients on the emulator, as a role that may assume another for tenants."""
    iam, trust = emulator.client("iam"), {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    own, tenants = f"own-{uuid.uuid4().hex}", f"tenants-{uuid.uuid4().hex}"
    arns = {}
    for name in (own, tenants):
        actions = ["sts:AssumeRole", "sts:TagSession"]
        document = json.dumps({"Version": "2012-10-17", "Statement": [{**trust, "Action": actions}]})
        arns[name] = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": arns[tenants]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName=own, PolicyName="tenants", PolicyDocument=document)
    given = emulator.client("sts").assume_role(RoleArn=arns[own], RoleSessionName="own")["Credentials"]
    for name, value in {
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }.items():
        monkeypatch.setenv(name, value)
    forget()
    yield clients.tenant_sessions(arns[tenants]), own, tenants
    forget()


def forget() -> None:
    for each in (clients.client, clients.session, clients.tenant_sessions):
        each.cache_clear()


def who(client: Any) -> str:
    return client.get_caller_identity()["Arn"].split("assumed-role/")[1]


@pytest.mark.emulator
def test_a_request_is_signed_for_the_tenant_and_the_next_for_the_function(held: Any) -> None:
    sessions, own, tenants = held
    sts = clients.client("sts")
    assert who(sts) == f"{own}/own"
    assert who(sessions.client(sts, ACME)) == f"{tenants}/@acme"
    assert who(sessions.client(sts, ZETA)) == f"{tenants}/@zeta"
    assert who(sts) == f"{own}/own"
    with pytest.raises(ClientError):
        sessions.client(sts, ACME).assume_role(RoleArn="arn:aws:iam::1:role/none", RoleSessionName="none")
    assert who(sts) == f"{own}/own", "an error leaves nothing behind"


@pytest.mark.emulator
def test_threads_sign_each_for_their_tenant(held: Any) -> None:
    sessions, _, tenants = held
    sts = clients.client("sts")

    def ask(tenant: Tenant) -> bool:
        return who(sessions.client(sts, tenant)) == f"{tenants}/@{tenant}"

    many = [Tenant(f"t{random.Random(n).randrange(6)}") for n in range(60)]
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, many))


@pytest.mark.emulator
def test_all_tenants_share_a_client_and_a_warm_one_asks_sts_nothing(held: Any) -> None:
    sessions, _, _ = held
    asked: list[str] = []
    sts, dynamodb = clients.client("sts"), clients.client("dynamodb")
    sts.meta.events.register("before-send.sts", lambda **_: asked.append("sts"))
    dynamodb.meta.events.register("before-send.dynamodb", lambda **_: asked.append("dynamodb"))

    def scan(tenant: Tenant) -> None:
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions.client(dynamodb, tenant).scan(TableName="none")

    scan(ACME)
    assert asked == ["sts", "dynamodb"]
    scan(ACME)
    assert asked == ["sts", "dynamodb", "dynamodb"]
    scan(ZETA)
    assert asked[3:] == ["sts", "dynamodb"]
