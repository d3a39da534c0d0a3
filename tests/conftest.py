"""What any suite may ask for."""

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.emulator import Emulator
    from local.postgres import Postgres
    from tests.sql.support import Database


def pytest_configure() -> None:
    # A shell's background jobs are born deaf to the interrupt, and so would be the commands that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests record as "figures" is part of what they say: how much was tried."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Emulator]":
    """The laptop cloud's emulator, on a free port: one for each test process, shared by its tests."""
    # Suites that never ask for it do not pay for the SDK.
    from local.emulator import Emulator

    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Postgres]":
    """The laptop cloud's PostgreSQL: one for each test process, shared by its tests."""
    from local.postgres import Postgres

    home = tmp_path_factory.mktemp("postgres") / "server"
    with Postgres(home, master="owner", password="owner's", database="views") as running:
        yield running


@pytest.fixture(scope="session")
def database(postgres: "Postgres") -> "Iterator[Database]":
    """View stores on that PostgreSQL, as its roles."""
    from tests.sql.support import Database

    database = Database(postgres)
    yield database
    database.close()
