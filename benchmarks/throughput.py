"""How many commands a second the kernel decides: load, decide, save, on an in-memory store, ten events before.

The peer is the `eventsourcing` library on its POPO store, with the same events (`eventsourcing_peer`). Cold reads and
folds the stream for every command on both sides; warm finds it in the cache of each. Time is processor time.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from foldstack.kernel.executor import Executor
from foldstack.kernel.store import MemoryCommitStore

from .eventsourcing_peer import CACHE, SINGLE_WRITER, ZLIB, DefaultShop, ModelShop, Settings
from .measure import Comparison, Sample, compare
from .stock import fill, hold_one, run

PRIOR = 10
GOAL = 2.0
_WORK = (
    "foldstack validates and compresses what it stores, keeps command ids, and changes no state in place; "
    "of the peer's settings, pydantic + zlib does as much with the events"
)


def cold(commands: int = 300, rounds: int = 15) -> Comparison:
    """Every command on a stream that nobody holds."""
    return compare(
        f"Commands on a stream of {PRIOR} events, read and folded each time",
        {
            "foldstack": lambda: _ours(commands, warm=False),
            "eventsourcing, pydantic + zlib": _peer(ModelShop, ZLIB, commands),
            "eventsourcing, pydantic": _peer(ModelShop, {}, commands),
            "eventsourcing, default": _peer(DefaultShop, {}, commands),
        },
        unit="µs a command",
        rounds=rounds,
        faster=True,
        peer="eventsourcing, pydantic + zlib",
        goal=GOAL,
        notes=(_WORK,),
    )


def warm(commands: int = 300, rounds: int = 15) -> Comparison:
    """Every command on a stream that the cache holds."""
    return compare(
        f"Commands on a stream of {PRIOR} events, held in the cache",
        {
            "foldstack": lambda: _ours(commands, warm=True),
            "eventsourcing, pydantic + zlib, cache": _peer(ModelShop, CACHE | ZLIB, commands),
            "eventsourcing, pydantic + zlib, single writer": _peer(ModelShop, SINGLE_WRITER | ZLIB, commands),
            "eventsourcing, pydantic, single writer": _peer(ModelShop, SINGLE_WRITER, commands),
        },
        unit="µs a command",
        rounds=rounds,
        faster=True,
        peer="eventsourcing, pydantic + zlib, cache",
        goal=GOAL,
        notes=(
            _WORK,
            "the peer's cache as it comes looks for newer events and copies; as its documentation says for a single "
            "writer, it does neither: then a second process loses every command on what the first has changed, and "
            "a command that raises half-way spoils the cache. foldstack's is right with many writers",
        ),
    )


def _ours(commands: int, warm: bool) -> float:
    ids = [f"oak-{n}" for n in range(commands)]
    history = MemoryCommitStore()
    executor = Executor(history, cache=commands)
    fill(executor, ids, PRIOR)
    store = MemoryCommitStore()
    for commits in history.streams().values():
        for commit in commits:
            store.append(replace(commit))  # as bytes alone: nothing that was decoded when it was made
    if warm:
        executor.store = store
    else:
        executor = Executor(store, cache=0)
    began = time.process_time()
    for id in ids:
        run(executor, hold_one(id))
    taken = time.process_time() - began
    assert all(len(commits) == PRIOR + 1 for commits in store.streams().values())
    return taken / commands * 1e6


def _peer(shop: Callable[[Settings], DefaultShop], settings: Settings, commands: int) -> Sample:
    def sample() -> float:
        application = shop(settings)
        ids = [application.create(PRIOR) for _ in range(commands)]
        began = time.process_time()
        for id in ids:
            application.hold(id)
        taken = time.process_time() - began
        assert application.events_of(ids) == commands * (PRIOR + 1)
        return taken / commands * 1e6

    return sample
