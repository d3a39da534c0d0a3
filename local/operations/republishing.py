"""One run of `events republish`: what it reads, where it goes, and the note from which a stopped one goes on."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from foldstack.aws import composition
from foldstack.aws.commit_scan import CommitTableScan, Scanned
from foldstack.aws.republish import Republish, Republished
from foldstack.kernel.errors import InvalidValue, OperationRefused
from rich.console import Console

from ..private_files import HOME, write_private
from .connection import Connection
from .given import moment, stream_id, tenant_of
from .progress import Bar


def run(
    program: Path,
    outputs: Path | None,
    what: dict[str, Any],
    *,
    rate: float,
    resume: bool,
    stop: threading.Event,
    console: Console,
) -> Republished:
    """`what` is as it was typed: it names the note. Raises FoldstackError; what was published is noted before."""
    connection = Connection(program, outputs)
    _check_consumer(connection, what["to"])
    note = _Note(program, connection, what)
    start, since = note.read() if resume else (None, moment(what["since"], "--since") if what["since"] else "")
    scan = CommitTableScan(
        connection.client("dynamodb"),
        connection.environment.commit_table,
        composition.bodies(connection.environment, connection.client),
    )
    one = stream_id(what["stream"], what["tenant"]) if what["stream"] else None
    tenant = tenant_of(what["tenant"]) if one is None else None

    def read(position: Any) -> Scanned:
        if one is not None:
            return scan.stream(one, what["types"], position, since)
        return scan.items(None, what["types"], position, since=since, tenant=tenant)

    estimate = 0 if one or since or what["types"] or tenant else scan.estimate()
    relay = composition.relay(connection.environment, connection.client, what["to"])
    at = start or Republished(None)

    def tell(so_far: Republished) -> None:
        nonlocal at
        at = so_far
        bar.show("publishing", so_far.published, estimate)

    with Bar(console) as bar:
        try:
            at = Republish(read, relay, rate=rate, tell=tell).run(start, stop)
        finally:
            note.keep(at, since)
    return at


def _check_consumer(connection: Connection, name: str) -> None:
    if name not in connection.consumers:
        raise InvalidValue("--to", f"names one consumer of {', '.join(connection.consumers)}; got {name!r}")


class _Note:
    """Kept beside the outputs, under the name of what was asked for and of whom."""

    def __init__(self, program: Path, connection: Connection, what: dict[str, Any]) -> None:
        whole = json.dumps([connection.environment.commit_table, what], sort_keys=True)
        name = hashlib.sha256(whole.encode()).hexdigest()[:12]
        self._file = program.resolve() / HOME / f"republish-{name}.json"

    def read(self) -> tuple[Republished, str]:
        """Where it stopped, and `since` as it was then."""
        try:
            content = json.loads(self._file.read_text())
        except FileNotFoundError:
            raise OperationRefused("nothing like this was stopped here: leave --resume out to begin") from None
        return Republished(content["position"], content["published"], content["seen"]), content["since"]

    def keep(self, at: Republished, since: str) -> None:
        """None left to do, none kept."""
        if at.position is None:
            self._file.unlink(missing_ok=True)
        else:
            write_private(self._file, json.dumps({**at._asdict(), "since": since}))
