import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads what another run built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
