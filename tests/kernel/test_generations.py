"""The states of a view under rebuild, and what each step of a person's does to them."""

import json

import pytest
from foldstack.kernel.errors import OperationRefused
from foldstack.kernel.generations import Control, Rebuilding

STATE = Rebuilding("me", 1, "code", ({}, {}), 0, 10)


def at(*steps: str) -> Control:
    control = Control()
    for n, step in enumerate(steps):
        if step == "begin":
            control = control.begin(STATE, n + 1.0)
        elif step in ("built",):
            control = control.built()
        else:
            control = getattr(control, step)(n + 1.0)
    return control


@pytest.mark.parametrize(
    ("steps", "live", "other", "stage"),
    [
        ((), 1, None, ""),
        (("begin",), 1, 2, "building"),
        (("begin", "built"), 1, 2, "built"),
        (("begin", "built", "switch"), 2, 1, "switched"),
        (("begin", "built", "switch", "rollback"), 1, 2, "built"),
        (("begin", "built", "switch", "rollback", "switch"), 2, 1, "switched"),
        (("begin", "built", "switch", "retire"), 2, None, ""),
        (("begin", "retire"), 1, None, ""),
        (("begin", "retire", "begin"), 1, 3, "building"),
    ],
)
def test_steps(steps, live, other, stage):
    control = at(*steps)
    assert (control.live, control.other, control.stage) == (live, other, stage)
    assert control.fed == ((live,) if other is None else (live, other))
    assert control.revision == len(steps)
    assert (control.rebuilding is not None) is (stage == "building")
    assert Control.from_dict(json.loads(json.dumps(control.to_dict()))) == control


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ((), ["built", "switch", "rollback", "retire", "progress"]),
        (("begin",), ["begin", "switch", "rollback"]),
        (("begin", "built"), ["begin", "built", "rollback", "progress"]),
        (("begin", "built", "switch"), ["begin", "built", "switch", "progress"]),
    ],
)
def test_what_does_not_fit_is_refused(steps, refused):
    control = at(*steps)
    for step in refused:
        arguments = {"begin": (STATE, 9.0), "built": (), "progress": (STATE,)}.get(step, (9.0,))
        with pytest.raises(OperationRefused):
            getattr(control, step)(*arguments)


def test_only_what_is_read_or_fed_counts_as_changed():
    assert at("begin").changed == 1.0
    assert at("begin").progress(STATE).changed == 1.0
    assert at("begin", "built").changed == 1.0
    assert at("begin", "built", "switch").changed == 3.0


def test_the_turn_counts_how_often_readers_got_another_generation():
    turns = [
        at("begin", "built", *steps).turn for steps in ((), ("switch",), ("switch", "rollback"), ("switch", "retire"))
    ]
    assert turns == [0, 1, 2, 1]
    switched = at("begin", "built", "switch")
    kept = switched.to_dict()
    assert Control.from_dict(kept) == switched
    del kept["turn"]  # as it was kept before there was one
    assert Control.from_dict(kept).turn == 0
