"""The whole of it on the laptop cloud: roles, KMS, queues, files; and a person erased by the operators' command."""

import base64
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from foldstack.aws import composition
from foldstack.aws.commit_item import _unpacked
from foldstack.aws.environment import Environment
from foldstack.kernel.codec import inflate
from foldstack.kernel.keyring import reference
from foldstack.kernel.keys import Tenant
from foldstack.lake.columnar import read
from typer.testing import CliRunner

from local.cloud import LaptopCloud
from local.commands import app
from local.operations.connection import Connection
from tests.e2e.conftest import Client

HERE = Path(__file__).resolve().parent
TENANT = "acme"
ADA = {"customerId": "ada", "name": "Ada-Lovelace-1815", "email": "ada-1815@example.org", "born": "1815-12-10"}
BOB = {"customerId": "bob", "name": "Robert-Boole-1864", "email": "bob-1864@example.org", "born": "1864-12-08"}
SECRETS = [
    ADA["name"],
    ADA["email"],
    ADA["born"],
    "new-mail-of-ada",
    "second-mail-of-ada",
    BOB["name"],
    BOB["email"],
    BOB["born"],
    "HUGE-MAIL",
]

LOGIN = "login-of-ada@example.org"


@pytest.fixture(scope="module", params=["dynamodb", pytest.param("postgres", marks=pytest.mark.long)])
def read_model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, read_model: str) -> Iterator[LaptopCloud]:
    with LaptopCloud(HERE, stack="local", home=tmp_path_factory.mktemp("customers")) as cloud:
        cloud.up(config={"readModel": read_model})
        yield cloud


@pytest.fixture(scope="module")
def tap(cloud: LaptopCloud) -> str:
    """A queue that gets all that travels on the bus."""
    queue = cloud.client("sqs").create_queue(QueueName="tap")["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    bus = cloud.client("events").list_event_buses()["EventBuses"]
    name = next(each["Name"] for each in bus if each["Name"] != "default")
    pattern = json.dumps({"source": ["customers"]})
    cloud.client("events").put_rule(Name="tap", EventBusName=name, EventPattern=pattern)
    cloud.client("events").put_targets(Rule="tap", EventBusName=name, Targets=[{"Id": "tap", "Arn": arn}])
    return queue


@pytest.fixture(scope="module")
def program(cloud: LaptopCloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a program whose cloud is the one that runs."""
    program = tmp_path_factory.mktemp("program")
    (program / ".foldstack").symlink_to(cloud.home)
    shutil.copy(HERE / "domain.py", program / "domain.py")
    return program


@pytest.fixture(scope="module")
def client(cloud: LaptopCloud, program: Path) -> Client:
    """With tokens of the cloud's own user pool."""
    return Client(cloud.outputs["apiUrl"], TENANT, Connection(program, None).tokens)


@pytest.fixture(scope="module")
def command(program: Path) -> Callable[..., Any]:
    """Runs `foldstack` in the program's folder."""

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--program", str(program)], catch_exceptions=False)
        assert done.exit_code == status, done.output
        return done.output

    return run


def at_rest(cloud: LaptopCloud, tap: str) -> bytes:
    """All that any service holds, as it is, and unpacked: items, objects and their versions, messages, timers,
    accounts."""
    parts: list[bytes] = []
    dynamodb, s3, sqs = (cloud.client(name) for name in ("dynamodb", "s3", "sqs"))
    for table in dynamodb.list_tables()["TableNames"]:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for item in page["Items"]:
                parts.append(repr(item).encode())
                parts += [_unpacked_bytes(bytes(value["B"])) for value in item.values() if "B" in value]
    for bucket in s3.list_buckets()["Buckets"]:
        for each in s3.list_object_versions(Bucket=bucket["Name"]).get("Versions", ()):
            parts.append(each["Key"].encode())
            found = s3.get_object(Bucket=bucket["Name"], Key=each["Key"], VersionId=each["VersionId"])
            content = found["Body"].read()
            parts += [content, *map(_unpacked_bytes, filter(None, _unpacked(content)))]
            if each["Key"].endswith(".parquet"):
                parts.append(repr(read(content).to_pylist()).encode())
    for url in sqs.list_queues()["QueueUrls"]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            parts += [message["Body"].encode() for message in messages]
            if url != tap:
                break
    scheduler, cognito = cloud.client("scheduler"), cloud.client("cognito-idp")
    for each in scheduler.list_schedules()["Schedules"]:
        parts.append(scheduler.get_schedule(GroupName=each["GroupName"], Name=each["Name"])["Target"]["Input"].encode())
    for pool in cognito.list_user_pools(MaxResults=10)["UserPools"]:
        parts.append(repr(cognito.list_users(UserPoolId=pool["Id"])["Users"]).encode())
    return b"\n".join(parts)


def sealed_and_queued(cloud: LaptopCloud, command: str, data: dict[str, str]) -> None:
    """Sends a command to its queue, as a sender who may invoke the commands function does."""
    document = {"tenant": TENANT, "command": command, "data": data, "key": "queued"}
    answer = json.loads(cloud.invoke("customers-commands", {"seal": document}).payload)
    queues = cloud.client("sqs").list_queues()["QueueUrls"]
    queue = next(each for each in queues if "commands" in each and "dead" not in each)
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(answer["document"]))


def on_disk(home: Path) -> bytes:
    """All files of the cloud: logs of functions, PostgreSQL's own, its write-ahead log too."""
    return b"\n".join(
        file.read_bytes()
        for file in home.rglob("*")
        if file.is_file() and not file.is_symlink() and "functions" not in file.parts
    )


def asked(command: Callable[..., str], sql: str) -> list[dict[str, str]]:
    """The lake's answer."""
    return json.loads(command("lake", "query", sql, "--json"))


def _unpacked_bytes(content: bytes) -> bytes:
    try:
        return inflate(content)
    except zlib.error:
        return b""


def found(secrets: list[str], where: bytes) -> list[str]:
    """Those that are there, also in the base64 that events of DynamoDB and messages carry bytes in."""
    forms = {secret: [secret.encode(), base64.b64encode(secret.encode())[:-4]] for secret in secrets}
    return [secret for secret, looks in forms.items() if any(look in where for look in looks)]


@pytest.mark.emulator
def test_a_person_is_erased(cloud, tap, client, command, read_model, monkeypatch):
    command("tenant", "add", TENANT)
    command("user", "invite", LOGIN, "--tenant", TENANT, "--role", "viewer")
    registered = client.post("/customers", ADA, idempotency_key="ada-registers")
    assert (registered.status, registered.json["name"]) == (201, ADA["name"])
    assert client.post("/customers", BOB).status == 201
    changed = client.send("PUT", "/customers/ada/email", {"email": "new-mail-of-ada@example.org"})
    assert changed.json["email"] == "new-mail-of-ada@example.org"
    if read_model == "dynamodb":  # a row of PostgreSQL holds less
        huge = {"customerId": "huge", "name": "Huge", "email": "HUGE-MAIL" * 20_000 + "@example.org"}
        assert client.post("/customers", huge).status == 201
        assert cloud.client("s3").list_objects_v2(Bucket=_bodies(cloud))["KeyCount"] == 1
    for _ in range(18):
        assert client.post("/customers/ada/points", {"points": 1}).status == 200
    read = client.get("/customers/ada", **changed.token).json
    assert (read["name"], read["email"], read["born"]) == (ADA["name"], "new-mail-of-ada@example.org", ADA["born"])
    sealed_and_queued(cloud, "ChangeEmail", {"customer_id": "ada", "email": "second-mail-of-ada@example.org"})
    cloud.wait_idle(60)
    assert client.get("/customers/ada").json["email"] == "second-mail-of-ada@example.org"
    before = at_rest(cloud, tap)
    assert b"foldstack.commit" in before, "the tap is dry"
    assert before.count(b'"command":"Congratulate"') == (3 if read_model == "dynamodb" else 2), "timers wait"
    assert found([*SECRETS, LOGIN], before) == [LOGIN], "Cognito has who signs in"
    shown = command("events", "show", f"{TENANT}#customer#ada")
    assert "[personal]" in shown
    assert found(SECRETS, shown.encode()) == []

    kept = asked(command, "SELECT name, email, born, points FROM customers WHERE tenant = 'acme' AND id = 'ada'")
    assert [row["points"] for row in kept] == ["18"]
    assert all(len(kept[0][field]) > 20 for field in ("name", "email", "born")), "ciphertext"

    refusal = command("erase", "eve", "--tenant", TENANT, "--why", "asked", status=1)
    assert "has never kept anything personal of 'eve' in tenant acme" in refusal
    assert "Register.customer_id" in refusal
    assert "1 to 128 of" in command("erase", ADA["email"], "--tenant", TENANT, "--why", "asked", status=1)
    said = command("erase", "ada", "--tenant", TENANT, "--why", "ticket 7", "--who", "jo")
    assert "ada of acme is erased" in said
    assert "no function can have the key in hand after" in said
    report = json.loads(command("erase", "ada", "--tenant", TENANT, "--why", "once more", "--who", "al", "--json"))
    assert (report["who"], report["why"], report["erasedBefore"], report["proven"]) == ("jo", "ticket 7", True, True)
    left = report["ciphertext"]
    assert left["streams"] == [f"{TENANT}#customer#ada"]
    assert (left["commits"], left["snapshots"], left["rows"]) == (21, 1, {"customers": 1})
    assert (left["readable"], left["foldedStreams"]) == (0, 1)
    assert report["finalFrom"] > report["erasedAt"][:10]
    assert "`foldstack user remove EMAIL`" in report["notErased"][0]
    command("user", "remove", LOGIN)

    cloud.up(config={"readModel": read_model, "round": "2"})
    read = client.get("/customers/ada").json
    assert (read["name"], read["email"], read["born"]) == ("[erased]", "[erased]", "0001-01-01")
    assert read["points"] == 18
    real = composition.rebuild
    monkeypatch.setattr(composition, "rebuild", lambda *args, **more: real(*args, **more, readers_gone=1.0))
    rebuilt = command("projection", "rebuild", "customers", "--switch")
    assert client.get("/customers/ada").json == read, rebuilt
    listed = {row["customer_id"]: row["name"] for row in client.get("/customers").json["items"]}
    assert (listed["ada"], listed["bob"]) == ("[erased]", BOB["name"])
    earned = client.post("/customers/ada/points", {"points": 1})
    assert (earned.status, earned.json["name"], earned.json["erased"]) == (200, "[erased]", True)
    again = client.post("/customers", ADA, idempotency_key="ada-registers")
    assert (again.status, again.json["customerId"], again.json["name"]) == (201, "ada", "[erased]")
    refused = client.send("PUT", "/customers/ada/email", {"email": "another-of-ada@example.org"})
    assert (refused.status, refused.json["code"]) == (409, "subject-erased")
    assert client.send("DELETE", "/customers/ada").status == 200
    assert client.send("PUT", "/customers/bob/email", {"email": "second-of-bob@example.org"}).status == 200
    cloud.wait_idle(60)
    merged = json.loads(command("lake", "compact", "--tenant", TENANT, "--json"))
    assert (merged["merged"] > 0, merged["failed"]) == (True, [])
    assert json.loads(command("lake", "restore", "--view", "customers", "--json"))["parked"] == 0
    (row,) = asked(command, "SELECT name, email, born, points FROM customers WHERE tenant = 'acme' AND id = 'ada'")
    assert row["points"] == "19"
    named = asked(command, "SELECT name FROM event_closed WHERE tenant = 'acme' AND customer_id = 'ada'")
    assert named == [{"name": "[erased]"}], "an event of after the erasure"
    secrets = [*SECRETS, "another-of-ada", "second-of-bob", LOGIN]
    assert found(secrets, at_rest(cloud, tap)) == []
    logs = b"\n".join(file.read_bytes() for file in cloud.logs.rglob("*") if file.is_file())
    assert b"command cost" in logs
    assert found(secrets, logs) == []
    assert b"ERROR" not in logs
    if read_model == "postgres":
        files = on_disk(cloud.home)
        assert b"customers_v1" in files, "this looks at other files"
        assert found(secrets, files) == []


@pytest.mark.emulator
def test_no_functions_role_can_erase_and_the_erasers_can_do_nothing_else(cloud):
    variables = cloud.outputs["operated"]["service"]["variables"]
    table, erase_role = Environment(variables).key_table, variables["FOLDSTACK_ERASE_ROLE"]
    key = {"p": {"S": f"{TENANT}#{reference(Tenant(TENANT), 'bob')}"}}
    functions = cloud.client("lambda").list_functions()["Functions"]
    assert len(functions) >= 6
    for role in {each["Role"] for each in functions}:
        for ask in (
            lambda dynamodb: dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE k"),
            lambda dynamodb: dynamodb.delete_item(TableName=table, Key=key),
            lambda dynamodb: dynamodb.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key}}]}),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                ask(_as(cloud, role, "dynamodb"))
    eraser = _as(cloud, erase_role, "dynamodb")
    assert eraser.get_item(TableName=table, Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ClientError, match="AccessDenied"):
        eraser.scan(TableName=table)
    with pytest.raises(ClientError, match="AccessDenied"):
        eraser.delete_item(TableName=table, Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        _as(cloud, erase_role, "kms").generate_data_key(KeyId=variables["FOLDSTACK_KMS_KEY"], KeySpec="AES_256")


@pytest.mark.emulator
def test_a_session_of_one_tenant_has_no_key_of_another(cloud, client):
    client.post("/customers", {**BOB, "customerId": "eve"})
    variables = cloud.outputs["operated"]["service"]["variables"]
    table, wrapping = Environment(variables).key_table, variables["FOLDSTACK_KMS_KEY"]
    ref = reference(Tenant(TENANT), "eve")
    key = {"p": {"S": f"{TENANT}#{ref}"}}
    wrapped = cloud.client("dynamodb").get_item(TableName=table, Key=key)["Item"]["k"]["B"]
    functions = [each for each in cloud.functions if "FOLDSTACK_TENANT_ROLE" in each.environment]
    assert len(functions) == 4
    about, items = {"tenant": TENANT, "subject": ref}, {table: {"Keys": [key]}}
    blob = {"KeyId": wrapping, "CiphertextBlob": wrapped}
    for function in functions:
        role, by = function.environment["FOLDSTACK_TENANT_ROLE"], function.role_arn
        own = _as(cloud, role, "kms", TENANT, by)
        assert _as(cloud, role, "dynamodb", TENANT, by).batch_get_item(RequestItems=items)["Responses"][table]
        assert own.decrypt(**blob, EncryptionContext=about)["Plaintext"]
        with pytest.raises(ClientError, match="AccessDenied"):
            own.decrypt(**blob)
        for tenant in (f"{TENANT}-2", "globex"):
            dynamodb, kms = (_as(cloud, role, each, tenant, by) for each in ("dynamodb", "kms"))
            with pytest.raises(ClientError, match="AccessDenied"):
                dynamodb.batch_get_item(RequestItems=items)
            with pytest.raises(ClientError, match="AccessDenied"):
                kms.decrypt(**blob, EncryptionContext=about)
            with pytest.raises(ClientError, match="InvalidCiphertext"):
                kms.decrypt(**blob, EncryptionContext={**about, "tenant": tenant})


def _as(cloud: LaptopCloud, role: str, service: str, tenant: str = "", by: str = "") -> Any:
    """A client with a role's rights; of a role for tenants, in the session of one that the role `by` has made."""
    from boto3.session import Session

    from local.emulator import client_config

    sts = _as(cloud, by, "sts") if by else cloud.client("sts")
    tags = {"Tags": [{"Key": "tenant", "Value": tenant}]} if tenant else {}
    held = sts.assume_role(RoleArn=role, RoleSessionName="test", **tags)["Credentials"]
    access = json.loads((cloud.home / "access.json").read_text())
    access.update(
        aws_access_key_id=held["AccessKeyId"],
        aws_secret_access_key=held["SecretAccessKey"],
        aws_session_token=held["SessionToken"],
    )
    return Session().client(service, config=client_config(), **access)


def _bodies(cloud: LaptopCloud) -> str:
    return Environment(cloud.outputs["operated"]["service"]["variables"]).bodies_bucket
