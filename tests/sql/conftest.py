from collections.abc import Iterator

import pytest

from tests.consumers.domain import POISONED


@pytest.fixture(autouse=True)
def no_poison() -> Iterator[None]:
    POISONED.clear()
    yield
    POISONED.clear()
