"""Sources over a stream and a queue of the laptop cloud, stopped when the test ends."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.credentials import Credentials
from local.emulator import Emulator
from local.event_sources import EventSource, Faults, QueueOptions, QueueSource, StreamOptions, StreamSource, stop_all

from .consuming import FUNCTION_ARN
from .origins import Consume, DataStream, Queue, Stream


@pytest.fixture
def started() -> Iterator[list[EventSource]]:
    running: list[EventSource] = []
    yield running
    stop_all(running)


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> str:
    name = f"failures-{uuid.uuid4().hex}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["table", "kinesis"])
def stream(
    request: pytest.FixtureRequest, emulator: Emulator, credentials: Credentials, table: str, bucket: str
) -> Stream | DataStream:
    """Both kinds are read, and fail, by the same rules."""
    if request.param == "table":
        return Stream(emulator, credentials, table, bucket)
    return DataStream(emulator, credentials, bucket)


@pytest.fixture
def read(stream: Stream, started: list[EventSource]) -> Callable[..., StreamSource]:
    """Starts a source over `stream`; the options are those of StreamOptions."""

    def start(invoke: Any, **more: Any) -> StreamSource:
        around = {name: more.pop(name) for name in ("checkpoint", "faults", "mapping_id") if name in more}
        source = StreamSource(
            f"stream-{len(started)}",
            function_arn=FUNCTION_ARN,
            stream_arn=stream.arn,
            clients=stream.clients,
            invoke=invoke,
            options=StreamOptions(**more),
            retry_pause=0.001,
            **around,
        )
        source.start()
        started.append(source)
        return source

    return start


@pytest.fixture
def queue(emulator: Emulator, credentials: Credentials) -> Queue:
    return Queue(emulator, credentials)


@pytest.fixture
def consume(queue: Queue, started: list[EventSource]) -> Consume:
    """Starts a source over `queue`, or another; the options are those of QueueOptions."""

    def start(invoke: Any, of: Queue = queue, faults: Faults | None = None, **options: Any) -> QueueSource:
        source = QueueSource(
            f"queue-{len(started)}",
            queue_url=of.url,
            queue_arn=of.arn,
            clients=of.clients,
            invoke=invoke,
            options=QueueOptions(**options),
            faults=faults,
        )
        source.start()
        started.append(source)
        return source

    return start
