"""The process dies before and after every call of a command to the store; the same request comes again."""

import pytest
from foldstack.kernel.store import MemoryCommitStore

from .domain import ClaimName, CloseShelf, OpenShelf, ReturnUnits, TakeUnit
from .faults import Crash, FaultyStore
from .support import Sandbox, folded, history, new_id, plant, stream_id

COMMANDS = {
    "create": (0, lambda id: OpenShelf(shelf=id, units=5)),
    "cold": (3, lambda id: TakeUnit(shelf=id, by="me")),
    "two events": (3, lambda id: ReturnUnits(shelf=id, units=2)),
    "strict": (3, lambda id: ClaimName(shelf=id, name="n")),
    "snapshot": (19, lambda id: CloseShelf(shelf=id)),
    "eviction": (79, lambda id: CloseShelf(shelf=id)),
    "overflowed": (85, lambda id: CloseShelf(shelf=id)),
    "rejected": (101, lambda id: OpenShelf(shelf=id, units=5)),
    "eviction, strict": (79, lambda id: ClaimName(shelf=id, name="n")),
}


def grown(store, id, commits):
    memory = MemoryCommitStore()
    sandbox = Sandbox(memory)
    if commits:
        sandbox.done(OpenShelf(shelf=id, units=1000), "open")
        for n in range(1, commits):
            sandbox.done(TakeUnit(shelf=id, by=str(n)), f"key {n}")
    plant(store, memory)
    return history(memory, stream_id(id))


def answer(outcome):
    return getattr(outcome, "result", outcome), getattr(outcome, "next", None)


def calls_of(store, id, command, key, rival):
    """How the undisturbed command goes: its calls, its answer, and the events of the stream after it."""
    faulty = FaultyStore(store)
    outcome = send(Sandbox(faulty), faulty, command, key, rival)
    return faulty.taken(), answer(outcome), events(store, id)


def send(sandbox, faulty, command, key, rival):
    if rival:
        faulty.around = once_before("append", rival)
    return sandbox.do(command, key)


def once_before(call, job):
    done = []

    def around(name):
        if name.startswith(call) and not done:
            done.append(name)
            job()

    return around


def events(store, id):
    return [(event.type, event.data) for commit in history(store, stream_id(id)) for event in commit.stored]


@pytest.mark.parametrize(
    ("racing_store", "contended"),
    [
        ("memory", False),
        ("memory", True),
        pytest.param("emulator", False, marks=pytest.mark.emulator),
        pytest.param("emulator", True, marks=[pytest.mark.emulator, pytest.mark.long]),
    ],
    indirect=["racing_store"],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_dying_around_every_call_loses_nothing_and_doubles_nothing(racing_store, name, contended):
    store = racing_store
    size, make = COMMANDS[name]

    def world():
        id = new_id()
        grown(store, id, size)
        rival = (lambda: Sandbox(store).done(ReturnUnits(shelf=id, units=7), "rival")) if contended else None
        return id, make(id), f"my key {id}", rival

    calls, undisturbed, expected = calls_of(store, *world())
    assert calls
    for step in range(len(calls)):
        for moment in ("die_before", "die_after"):
            id, command, key, rival = world()
            faulty = FaultyStore(store)
            setattr(faulty, moment, step)
            with pytest.raises(Crash):
                send(Sandbox(faulty), faulty, command, key, rival)
            if rival and not has(store, id, "rival"):
                rival()  # it comes all the same
            retried = Sandbox(store).do(command, key, repeated=True)
            assert answer(retried) == undisturbed, f"{moment} {calls[step]}"
            assert events(store, id) == expected, f"{moment} {calls[step]}"
            assert Sandbox(store).state(id) == folded(history(store, stream_id(id)))


def has(store, id, command_id):
    return any(commit.command_id == command_id for commit in history(store, stream_id(id)))
