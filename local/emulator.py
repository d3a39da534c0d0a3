"""The emulator of AWS's services: one child process on loopback, identity policies enforced."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import botocore.session
from boto3.session import Session
from botocore.config import Config

ACCOUNT = "000000000000"
REGION = "us-east-1"
PATCHES = (
    "loopback",
    "stream-arn",
    "batches",
    "secure-transport",
    "leading-keys",
    "encryption-context",
    "partiql",
    "policy-variables",
    "session-tags",
    "stream-records",
    "data-api",
    "schedule-arn",
    "pass-role",
    "service-roles",
    "schedules",
    "token-triggers",
    "athena",
    "deliveries",
    "partiql-streams",
)

# The folder that this package is imported from: the repository, or the environment it is installed in.
_ROOT = Path(__file__).resolve().parents[__name__.count(".")]
_ENTRY = f"import sys; sys.path.append({str(_ROOT)!r}); from {__package__}.emulator_patches import main; main()"
_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken")
_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_TRIES = 3


class EmulatorError(RuntimeError):
    """The emulator did not start, or has gone."""


class Emulator:
    """`home` is private to this emulator: log, temporary files and, with `persist`, its data.

    Data is written at a graceful stop only: a killed emulator forgets what it held since its start.
    """

    def __init__(
        self,
        home: Path,
        *,
        port: int = 0,
        persist: bool = False,
        patches: Iterable[str] = PATCHES,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.port = port
        self.region = REGION
        self.account = ACCOUNT
        self.persist = persist
        self._fixed_port = port
        self._patches = tuple(patches)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._root_key = f"ROOT{secrets.token_hex(8).upper()}"
        self._mark = secrets.token_hex(8)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def access(self) -> dict[str, str]:
        """What an AWS client of the account's root is made with, as boto3 calls it; another after each start."""
        return {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": self._root_key,
            "aws_secret_access_key": "root",
        }

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        return self.home / "emulator.log"

    @property
    def databases(self) -> Path:
        """The file that says which PostgreSQL a database cluster is."""
        return self.home / "databases.json"

    def start(self) -> "Emulator":
        """Start and wait until it answers. A free port is taken by another now and then: then try the next."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in range(_TRIES):
            self.port = self._fixed_port or _free_port()
            self._process = self._launch()
            try:
                self._wait_until_ready()
            except EmulatorError:
                self.stop()
                if self._fixed_port or attempt == _TRIES - 1:
                    raise
                continue
            return self
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Stop gracefully, then sweep the temporary files."""
        process, self._process = self._process, None
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()
        shutil.rmtree(self.home / "tmp", ignore_errors=True)

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """A boto3 client: the account's root, or whoever holds `credentials` (as AssumeRole answers them)."""
        with self._lock:
            if credentials is not None:
                return self._client(service, **{name: credentials[name] for name in _KEYS})
            if service not in self._clients:
                self._clients[service] = self._client(service, self._root_key, "root")
            return self._clients[service]

    def __enter__(self) -> "Emulator":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _client(self, service: str, AccessKeyId: str, SecretAccessKey: str, SessionToken: str | None = None) -> Any:
        if self._session is None:
            self._session = Session(botocore_session=private_session())
        return self._session.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            config=client_config(),
            aws_access_key_id=AccessKeyId,
            aws_secret_access_key=SecretAccessKey,
            aws_session_token=SessionToken,
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        scratch = self.home / "tmp"
        scratch.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-c", _ENTRY, *self._patches],
                cwd=self.home,
                env=self._surroundings(scratch),
                # It stops itself when this pipe closes: no emulator outlives the process that started it.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o077,
                start_new_session=True,
            )

    def _surroundings(self, scratch: Path) -> dict[str, str]:
        kept = {
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.home / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.home / "s3"),
        }
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "SFTP_HOST": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            # Its health tells this, so that another emulator on the port is not taken for this one.
            "MINISTACK_EDITION": self._mark,
            "MINISTACK_ACCOUNT_ID": self.account,
            "MINISTACK_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self._root_key,
            "AWS_SECRET_ACCESS_KEY": "root",
            # It would sweep and start containers where a Docker daemon is at hand.
            "DOCKER_HOST": f"unix://{scratch / 'no-docker.sock'}",
            # A token without its claims would be worse than none.
            "MINISTACK_COGNITO_PRETOKEN_STRICT": "1",
            "FOLDSTACK_DATABASES": str(self.databases),
            **(kept if self.persist else {}),
            **self._environment,
        }

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._healthy():
                return
            try:
                code = self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise EmulatorError(f"the emulator ended with {code} before it was ready; {self._last_words()}")
        raise EmulatorError(f"the emulator did not answer within {_READY_SECONDS:.0f} s; {self._last_words()}")

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/_ministack/health")
            answer = connection.getresponse()
            return answer.status == 200 and json.loads(answer.read()).get("edition") == self._mark
        except (OSError, http.client.HTTPException, ValueError):
            return False  # nobody there yet, or somebody else
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-8:]
        return f"its log {self.log} ends:\n" + "\n".join(lines)


def private_session() -> botocore.session.Session:
    """A session of the SDK that knows nothing of the profiles of this machine's user."""
    nowhere = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")}
    return botocore.session.Session(session_vars={"profile": (None, None, None, None), **nowhere})


def client_config() -> Config:
    """What every client of the emulator needs: no host prefixes, path-style buckets, no hidden retries."""
    return Config(
        inject_host_prefix=False,
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        max_pool_connections=32,
        connect_timeout=5,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
