"""Commands and sagas with personal fields: in the queue of commands, in timers, among the dead letters, in what is
recorded of a step that can't be done; each before and after the erasure."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from foldstack.aws import clients, composition
from foldstack.kernel.keyring import LIFE
from foldstack.kernel.keys import StreamId
from foldstack.kernel.personal import erased as erased_of
from foldstack.kernel.personal import tokens

from tests.consumers.functions import Context, bus_message, failed, load, message

from .support import TENANT, Sandbox
from .visits import Forget, Planned, Remind, Visit, phone, visit

ENVIRONMENT = {"DOMAIN": "tests.erasure.visits:service", "SERVICE": "visits"}
TIMERS = {"group": "timers", "role": "role", "queue": "queue", "dead_letters": "dead"}
STREAM = StreamId.of(TENANT, "visit", "v1")
SOON = datetime.now(UTC) + timedelta(days=1)
PLAN = {
    "visit_id": "v1",
    "patient": "ada",
    "name": "Ada Lovelace",
    "remind_at": SOON.isoformat(),
    "ends_at": (SOON + timedelta(days=1)).isoformat(),
}
ATTEMPTS = 4


class Clinic:
    """The functions of the domain on one store; `kept` is all that a service of AWS was given to keep."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox, self.kept = Sandbox(), []
        monkeypatch.setattr(composition, "commit_store", lambda env: self.sandbox.store)
        monkeypatch.setattr(composition, "keyring", lambda env, service: self.sandbox.keyring)
        monkeypatch.setattr(clients, "client", lambda service, **options: self)
        queue = {"url": "https://queue", "attempts": ATTEMPTS, "hidden_seconds": 360}
        environment = {**ENVIRONMENT, "QUEUE": json.dumps(queue), "TIMERS": json.dumps(TIMERS)}
        self._start = lambda name: load(monkeypatch, name, environment)
        self.commands, self.effects = self._start("commands"), self._start("effects")
        phone.called, phone.fault, phone.answer = [], "", "yes"

    def __getattr__(self, name: str) -> Any:
        """Scheduler's and SQS's client."""

        def ask(**asked: Any) -> dict[str, Any]:
            self.kept.append((name, asked))
            return {}

        return ask

    def command(self, event: dict[str, Any]) -> dict[str, Any]:
        return self.commands.handler(event, Context())

    def queued(self, document: dict[str, Any], receives: int = 1) -> bool:
        """Whether the message is done, and so out of the queue."""
        sent = {**message(document, receives), "receiptHandle": "r"}
        return not failed(self.command({"Records": [sent]}))

    def plan(self) -> Any:
        sealed = self.command({"seal": document()})["document"]
        assert self.queued(sealed)
        return self.commits()[0]

    def react(self, commit: Any, receives: int = 1) -> bool:
        sent = bus_message(commit, "visits")
        sent["attributes"]["ApproximateReceiveCount"] = str(receives)
        return not failed(self.effects.handler({"Records": [{**sent, "receiptHandle": "r"}]}, Context()))

    def timers(self) -> list[dict[str, Any]]:
        return [json.loads(asked["Target"]["Input"]) for name, asked in self.kept if name == "create_schedule"]

    def timer(self, command: str) -> dict[str, Any]:
        return next(each for each in self.timers() if each["command"] == command)

    def commits(self) -> Any:
        return self.sandbox.store.streams().get(STREAM.key, [])

    def types(self) -> list[str]:
        return [event.type for commit in self.commits() for event in commit.stored]

    def state(self) -> Visit:
        return self.sandbox.another().executor.load(STREAM, visit, consistent=True).state

    def erase(self) -> None:
        self.sandbox.keys.erase(TENANT, "ada")
        self.sandbox.clock.pass_by(LIFE)

    def everywhere(self) -> str:
        return self.sandbox.at_rest().decode("latin-1") + repr(self.kept)


@pytest.fixture
def clinic(monkeypatch: pytest.MonkeyPatch) -> Clinic:
    return Clinic(monkeypatch)


def document(data: dict[str, Any] = PLAN, **more: Any) -> dict[str, Any]:
    return {"tenant": "acme", "command": "Plan", "data": data, "key": "k1", **more}


def test_a_command_waits_in_the_queue_encrypted(clinic):
    answer = clinic.command({"seal": document(correlation="c7")})
    assert answer["status"] == "sealed"
    sealed = answer["document"]
    assert "Lovelace" not in json.dumps(sealed)
    assert list(tokens(sealed["data"]["name"]))
    assert {**sealed, "data": {**sealed["data"], "name": "Ada Lovelace"}} == {
        **document(correlation="c7"),
        "data": {**PLAN, "remind_at": sealed["data"]["remind_at"], "ends_at": sealed["data"]["ends_at"]},
    }
    assert clinic.commits() == [], "it is not executed"
    assert clinic.queued(sealed)
    assert clinic.state().name == "Ada Lovelace"
    assert "Lovelace" not in clinic.everywhere()


def test_it_is_known_by_what_it_says_and_not_by_its_ciphertext(clinic):
    clinic.plan()
    again = clinic.command({"seal": document()})["document"]
    assert clinic.queued(again, receives=2)
    assert clinic.command(document())["status"] in ("committed", "rejected")
    assert clinic.types() == ["Planned"]
    other = clinic.command({"seal": document({**PLAN, "name": "Augusta"})})["document"]
    assert not clinic.queued(other), "the key is another command's"


def test_in_the_clear_it_is_refused_and_does_not_stay_among_the_dead_letters(clinic, caplog):
    assert clinic.queued(document())
    assert clinic.queued(document({**PLAN, "name": {"~": '="Ada Lovelace"'}}))
    assert clinic.queued(document({**PLAN, "ends_at": "no moment"})), "not even where it is no valid command"
    assert clinic.commits() == []
    assert 'invoke this function with {"seal": DOCUMENT}' in caplog.text
    assert "Lovelace" not in caplog.text
    assert clinic.command(document())["status"] == "committed", "an invocation rests nowhere"


def test_what_says_nothing_of_anybody_need_not_be_encrypted(clinic):
    clinic.plan()
    assert clinic.queued(
        {**document({"visit_id": "v1", "patient": "ada", "name": ""}), "command": "Remind", "key": "2"}
    )
    assert clinic.types() == ["Planned", "Reminded"]


def test_a_command_about_somebody_who_was_erased_meanwhile(clinic):
    sealed = clinic.command({"seal": document()})["document"]
    clinic.erase()
    assert clinic.queued(sealed)
    assert clinic.queued(clinic.command({"seal": document({**PLAN, "visit_id": "v2"}, key="k2")})["document"])
    assert (clinic.state().name, clinic.state().status) == ("[erased]", "planned")
    assert clinic.queued(sealed, receives=2), "and once more"
    assert clinic.types() == ["Planned"]
    assert "Lovelace" not in clinic.everywhere()


def test_a_timer_waits_encrypted_and_executes_what_it_was_given(clinic):
    assert clinic.react(clinic.plan())
    assert {each["command"] for each in clinic.timers()} == {"Remind"}, "the saga ended before its timeout was set"
    waiting = clinic.timer("Remind")
    assert list(tokens(waiting["data"]["name"]))
    assert "Lovelace" not in clinic.everywhere()
    assert clinic.queued(waiting)
    assert clinic.state().reminded == "Ada Lovelace"


def test_a_timer_of_somebody_who_was_erased_meanwhile(clinic):
    planned = clinic.plan()
    assert clinic.react(planned)
    waiting = clinic.timer("Remind")
    assert clinic.queued(waiting)
    clinic.erase()
    assert clinic.queued(waiting, receives=2), "fired twice, it is no other command"
    assert clinic.react(planned, receives=2)
    assert clinic.types() == ["Planned", "Confirmed", "Reminded"]
    assert clinic.state().reminded == "[erased]"


def test_one_that_fires_after_the_erasure_reminds_nobody_by_name(clinic):
    assert clinic.react(clinic.plan())
    clinic.erase()
    assert clinic.queued(clinic.timer("Remind"))
    assert clinic.state().reminded == "[erased]"
    assert clinic.queued(clinic.timer("Remind"), receives=2)
    assert clinic.types() == ["Planned", "Confirmed", "Reminded"]


def test_a_timer_from_before_the_field_was_marked_is_executed(clinic):
    assert clinic.react(clinic.plan())
    waiting = clinic.timer("Remind")
    assert clinic.queued({**waiting, "data": {**waiting["data"], "name": "Ada Lovelace"}})
    assert clinic.state().reminded == "Ada Lovelace"


def test_a_command_that_was_made_of_what_is_erased_now_is_the_same_command(clinic):
    """A reaction that is run again makes it of what it can still read."""
    sandbox = clinic.sandbox
    clinic.plan()
    sandbox.done(Forget(visit_id="of-nobody"), "n1", aggregate=visit)
    context = {"key": "r1", "aggregate": visit}
    first = sandbox.done(Remind(visit_id="v1", patient="ada", name="Ada Lovelace"), body={}, **context)
    stored = clinic.commits()[0].stored[0]
    clinic.erase()
    opener = sandbox.keyring.opener(TENANT, stored.data)
    event = Planned.__pydantic_validator__.validate_python(stored.data, strict=False, context=opener)
    again = Remind(visit_id="v1", patient="ada", name=event.name)
    for each in (sandbox, sandbox.another()):
        outcome = each.done(again, body={}, repeated=True, **context)
        assert (outcome.replayed, outcome.first) == (True, first.first)


def test_a_sandbox_with_the_key_in_hand_meets_what_another_has_made_without_it(clinic):
    warm, name = clinic.sandbox, "Ada Lovelace"
    clinic.plan()
    clinic.sandbox.keys.erase(TENANT, "ada")
    erased = erased_of(Remind(visit_id="v1", patient="ada", name=name))
    assert not warm.another().done(erased, "r1", body={}, aggregate=visit).replayed
    assert warm.done(
        Remind(visit_id="v1", patient="ada", name=name), "r1", body={}, aggregate=visit, repeated=True
    ).replayed


def test_an_outcome_that_is_there_already_is_answered_as_it_can_be_read(clinic):
    planned = clinic.plan()
    assert clinic.react(planned)
    assert phone.called == ["Ada Lovelace"]
    clinic.erase()
    assert clinic.react(planned, receives=2)
    assert phone.called == ["Ada Lovelace"]


@pytest.mark.parametrize("fault", ["no answer from {name}", ""])
def test_what_is_recorded_of_a_stuck_step_names_nobody(clinic, fault, caplog):
    phone.fault, phone.answer = fault, "no"
    planned = clinic.plan()
    for receives in range(1, ATTEMPTS):
        done = clinic.react(planned, receives)
    assert done
    assert clinic.types() == ["Planned", "visit.SagaStuck"]
    recorded = clinic.commits()[1].stored[0].data["error"]
    assert recorded == ("RuntimeError: what it said is in the log" if fault else "rejected: unwilling: [personal]")
    assert ("Lovelace" in caplog.text) == bool(fault), (
        "a log is deleted by itself: an error's text is in no other place"
    )
    assert "Lovelace" not in clinic.everywhere()
    shown = clinic.effects.handler({"saga": {"order": "show", "stream": STREAM.key}}, Context())
    assert {each["step"]: each["status"] for each in shown["steps"]} == {"ask": "stuck", "over": "scheduled"}
    assert "Lovelace" not in json.dumps(shown)


def test_a_step_that_tells_something_new_of_who_is_erased_is_stuck_until_it_is_skipped(clinic):
    phone.fault = "no answer"
    planned = clinic.plan()
    for receives in range(1, ATTEMPTS):
        clinic.react(planned, receives)
    clinic.erase()
    phone.fault, phone.answer = "", "yes"
    about = {"stream": STREAM.key, "by": "jo", "reason": "they are back", "step": "ask"}
    shown = clinic.effects.handler({"saga": {**about, "order": "retry", "key": "o1"}}, Context())
    assert phone.called[-1] == "[erased]", "the outside world hears nothing of them any more"
    stuck = next(each for each in shown["steps"] if each["step"] == "ask")
    assert (stuck["status"], stuck["error"]) == ("stuck", "rejected: subject-erased: [personal]")
    shown = clinic.effects.handler({"saga": {**about, "order": "skip", "key": "o2"}}, Context())
    assert shown["status"] == "running"
    assert {each["step"]: each["status"] for each in shown["steps"]} == {"ask": "skipped", "over": "scheduled"}


def test_a_warm_sandbox_asks_for_a_key_once_a_minute(clinic):
    planned = clinic.plan()
    clinic.sandbox.clock.pass_by(LIFE)
    for looks in (1, 2):
        before = clinic.sandbox.keys.reads
        for receives in range(1, 6):
            assert clinic.react(planned, receives)
            assert clinic.queued(clinic.timer("Remind"), receives)
        assert clinic.sandbox.keys.reads - before == 1, looks
        clinic.sandbox.clock.pass_by(LIFE)
