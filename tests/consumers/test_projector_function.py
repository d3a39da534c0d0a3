"""The projector's entry point: batches, the sweep, and a person's orders."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from foldstack.aws import composition
from foldstack.aws.sweep import Sweep
from foldstack.kernel.errors import DefinitionError, StoreThrottled
from foldstack.kernel.generations import Control, Rebuilding

from .domain import POISONED, Created, Priced, articles, trails
from .fakes import MemoryViewStore, Parked
from .functions import Context, bus_message, failed, load, message
from .library import Library, assert_equals_fold, stream
from .test_sweep import MemoryHeads

ENVIRONMENT = {
    "DOMAIN": "tests.consumers.domain:service",
    "SERVICE": "library",
    "VIEW_TABLES": '{"articles": "t1", "trails": "t2"}',
}


class Function:
    """The function over stores in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.library, self.views, self.park = Library(), MemoryViewStore(), Parked()
        monkeypatch.setattr(composition, "commit_store", lambda env: self.library.store)
        monkeypatch.setattr(composition, "fed_views", lambda env, service: self.views)
        monkeypatch.setattr(composition, "parking", lambda env: self.park)
        monkeypatch.setattr(composition, "sweep", self._sweep)
        self._monkeypatch = monkeypatch
        self._module: Any = None

    def __call__(self, event: dict) -> dict:
        if self._module is None:
            self._module = load(self._monkeypatch, "projector", ENVIRONMENT)
        return self._module.handler(event, Context())

    def _sweep(self, env, projector):
        return Sweep(projector, MemoryHeads(self.library.store), self.views)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(monkeypatch)


def test_a_batch_is_projected(function):
    commits = [function.library.commit(id, Created(price=Decimal(1), shelf="x")) for id in "ab"]
    commits.append(function.library.commit("a", Priced(price=Decimal(2))))
    assert function({"Records": [bus_message(c) for c in reversed(commits)]}) == {"batchItemFailures": []}
    assert_equals_fold(function.views, function.library.store)


@pytest.mark.parametrize("body", ["not json", "{}", '{"detail": {"specversion": "1.0", "type": "other"}}', "[]"])
def test_a_message_that_is_no_envelope_fails_alone(function, body):
    good = bus_message(function.library.commit("a", Created(price=Decimal(1), shelf="x")))
    bad = message(body)
    assert failed(function({"Records": [bad, good]})) == [bad["messageId"]]
    assert_equals_fold(function.views, function.library.store)


def test_a_stream_that_fails_fails_with_all_its_messages_and_alone(function, monkeypatch):
    commits = [function.library.commit(id, Created(price=Decimal(1), shelf="x")) for id in "abc"]
    commits.append(function.library.commit("b", Priced(price=Decimal(2))))
    messages = [bus_message(commit) for commit in commits]
    write = function.views.write

    def throttled(projection, stream, *rest):
        if stream.id == "b":
            raise StoreThrottled("not now")
        return write(projection, stream, *rest)

    monkeypatch.setattr(function.views, "write", throttled)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert failed(function({"Records": messages})) == [messages[1]["messageId"], messages[3]["messageId"]]
    monkeypatch.setattr(function.views, "write", write)
    assert failed(function({"Records": [messages[1], messages[3]]})) == []
    assert_equals_fold(function.views, function.library.store)


def test_a_fault_of_ours_fails_its_stream_alone(function, monkeypatch):
    commits = [function.library.commit(id, Created(price=Decimal(1), shelf="x")) for id in "ab"]
    messages = [bus_message(commit) for commit in commits]
    read = function.views.read

    def broken(projection, stream, consistent=True):
        if stream.id == "a":
            raise RuntimeError("a fault in the runtime")
        return read(projection, stream, consistent)

    monkeypatch.setattr(function.views, "read", broken)
    assert failed(function({"Records": messages})) == [messages[0]["messageId"]]
    assert read(articles, stream("b")) is not None
    assert function.park == []


def test_a_parked_stream_is_acknowledged_redriven_and_skipped(function):
    POISONED.add(("a", 2))
    commits = [function.library.commit("a", Created(price=Decimal(1), shelf="x"))]
    commits += [function.library.commit("a", Priced(price=Decimal(n))) for n in (2, 3)]
    assert failed(function({"Records": [bus_message(c) for c in commits]})) == []
    assert [p["first"] for p in function.park] == [2]
    order = {"projection": "articles", "stream": stream("a").key}
    assert function({"redrive": order}) == {"outcome": "parked"}
    assert function({"skip": {**order, "who": "jo", "why": "test"}}) == {"outcome": "written"}
    assert function.views.read(articles, stream("a")).skipped[0].who == "jo"
    assert function({"redrive": order}) == {"outcome": "unchanged"}


def begin_rebuild(views) -> None:
    assert views.keep_control(articles, Control(), Control().begin(Rebuilding("me", 1, "code", ({},)), 0.0))


def test_a_generation_that_is_built_is_fed_redriven_skipped_and_swept(function):
    begin_rebuild(function.views)
    green = articles.in_generation(2)
    POISONED.add(("a", 2))
    commits = [function.library.commit("a", Created(price=Decimal(1), shelf="x"))]
    commits += [function.library.commit("a", Priced(price=Decimal(n))) for n in (2, 3)]
    function({"Records": [bus_message(c) for c in commits]})
    assert [(p["projection"], p["first"]) for p in function.park] == [("articles", 2), ("articles@2", 2)]
    order = {"projection": "articles", "stream": stream("a").key}
    assert function({"redrive": order}) == {"outcome": "parked"}
    assert function({"skip": {**order, "who": "jo", "why": "test"}}) == {"outcome": "written"}
    assert [function.views.read(each, stream("a")).skipped[0].who for each in (articles, green)] == ["jo", "jo"]
    POISONED.clear()
    function.library.commit("b", Created(price=Decimal(1), shelf="x"))
    assert function({"sweep": True})["healed"] == 3, "two generations of articles, and trails"
    assert function.views.read(green, stream("b")) == function.views.read(articles, stream("b"))


def test_it_says_which_code_it_runs(function):
    code = function({"describe": True})["code"]
    assert code == {"articles": articles.fingerprint, "trails": trails.fingerprint}
    assert all(len(each) == 16 for each in code.values())


def test_what_is_republished_to_others_is_left_alone(function, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "CONSUMER", "library-views")
    commit = function.library.commit("a", Created(price=Decimal(1), shelf="x"))
    assert failed(function({"Records": [bus_message(commit, replay="effects")]})) == []
    assert function.views.read(articles, stream("a")) is None
    assert failed(function({"Records": [bus_message(commit, replay="library-views")]})) == []
    assert_equals_fold(function.views, function.library.store)


def test_the_lag_is_measured_from_the_commit(function, capsys):
    commit = function.library.commit("a", Created(price=Decimal(1), shelf="x"))
    now = datetime.now(UTC)
    message_of = [bus_message(commit, time=(now - timedelta(seconds=90)).isoformat()), bus_message(commit, replay="x")]
    function({"Records": message_of})
    (measured,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "ProjectionLag" in line]
    assert measured["ProjectionLag"][0] >= 90_000


def test_the_schedule_sweeps(function):
    function.library.commit("a", Created(price=Decimal(1), shelf="x"))
    assert function({"sweep": True}) == {"done": True, "checked": 2, "healed": 2, "parked": 0, "failed": 0}
    assert_equals_fold(function.views, function.library.store)


@pytest.mark.parametrize("event", [{}, {"other": 1}, {"redrive": {"projection": "nobody", "stream": "acme#article#a"}}])
def test_anything_else_is_refused_with_what_there_is(function, event):
    with pytest.raises(ValueError, match=r"sweep, redrive or skip|there are articles, trails"):
        function(event)


def test_a_table_of_no_projection_is_refused_when_the_function_starts(function, monkeypatch):
    with pytest.raises(DefinitionError, match=r"no projection books; it has articles, trails"):
        load(monkeypatch, "projector", {**ENVIRONMENT, "VIEW_TABLES": '{"books": "t"}'})


def test_a_projector_of_some_views_leaves_the_others(function, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "VIEW_TABLES", '{"trails": "t"}')
    commit = function.library.commit("a", Created(price=Decimal(1), shelf="x"))
    function({"Records": [bus_message(commit)]})
    assert list(function.views.items) == ["trails"]
