"""What any suite may ask for."""

from collections.abc import Iterator

import pytest

from local.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The laptop cloud's emulator, on a free port: one for each test process, shared by its tests."""
    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running
