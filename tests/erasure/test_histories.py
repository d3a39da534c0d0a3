"""Random histories of several people, with erasures, deliveries and time between them: nothing of anybody is at rest in
the clear, who is erased reads as erased, who is not reads as before, and no stream or row gets stuck."""

from datetime import date

import pytest
from foldstack import Erased, Rejection
from foldstack.kernel.errors import KeyReuse
from foldstack.kernel.keyring import LIFE
from hypothesis import given, settings
from hypothesis import strategies as st

from .domain import ChangeEmail, Close, Earn, Party, Register, Send, customers, parcel
from .support import TENANT
from .world import World

PEOPLE = ("c1", "c2", "c3")
people = st.sampled_from(PEOPLE)
steps = st.one_of(
    st.tuples(st.just("register"), people, st.integers(0, 5)),
    st.tuples(st.just("email"), people, st.integers(0, 5)),
    st.tuples(st.just("earn"), people, st.integers(1, 25)),
    st.tuples(st.just("close"), people, st.just(0)),
    st.tuples(st.just("send"), people, people),
    st.tuples(st.just("erase"), people, st.just(0)),
    st.tuples(st.just("later"), people, st.sampled_from([1, LIFE / 2, LIFE])),
    st.tuples(st.just("deliver"), people, st.just(0)),
    st.tuples(st.just("cold"), people, st.just(0)),
)


class Telling:
    """Carries a history out, and remembers every plain value that was ever sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets: list[str] = []
        self.names: dict[str, str] = {}
        self.erased: set[str] = set()
        self.parcels = 0

    def step(self, what: str, who: str, more) -> None:
        sandbox = self.world.sandbox
        match what:
            case "register":
                name, email = self._secret("Name"), f"{self._secret('mail')}@example.org"
                command = Register(customer_id=who, name=name, email=email, born=date(1931, 7, 13))
                if not isinstance(self._do(command, f"register-{who}-{more}"), Rejection | None):
                    self.names.setdefault(who, name)
            case "email":
                self._do(ChangeEmail(customer_id=who, email=f"{self._secret('mail')}@example.org"), f"{who}-{more}")
            case "earn":
                for n in range(more):
                    self._do(Earn(customer_id=who, points=1), f"earn-{who}-{more}-{n}")
            case "close":
                self._do(Close(customer_id=who), f"close-{who}")
            case "send":
                self.parcels += 1
                parties = [Party(person=each, street=self._secret("Street")) for each in (who, more)]
                sandbox.do(
                    Send(parcel_id=f"p{self.parcels}", sender=parties[0], recipient=parties[1]), aggregate=parcel
                )
            case "erase":
                sandbox.keys.erase(TENANT, who)
                self.erased.add(who)
            case "later":
                sandbox.clock.pass_by(more)
            case "deliver":
                self.world.deliver()
            case "cold":
                self.world.sandbox = sandbox.another()

    def _do(self, command, key):
        try:
            return self.world.sandbox.do(command, key, repeated=True)
        except KeyReuse:
            return None

    def _secret(self, kind: str) -> str:
        self.secrets.append(f"{kind}-{len(self.secrets):04}-of-somebody")
        return self.secrets[-1]


@pytest.mark.parametrize("store", ["dynamodb", "postgres"])
@settings(max_examples=60)
@given(history=st.lists(steps, max_size=30))
def test_every_history(request, store, history):
    world = World(request.getfixturevalue("database") if store == "postgres" else None)
    told = Telling(world)
    for step in history:
        told.step(*step)
    world.deliver()
    at_rest = world.at_rest()
    assert not [secret for secret in told.secrets if secret.encode() in at_rest]
    assert b"1931" not in at_rest
    world.sandbox.clock.pass_by(LIFE)
    for sandbox in (world.sandbox, world.sandbox.another()):
        for who in PEOPLE:
            state = sandbox.state(who)
            if not state.customer_id:
                continue
            assert isinstance(state.name, Erased) is (who in told.erased)
            assert isinstance(state.born, Erased) is (who in told.erased)
            if who not in told.erased:
                assert state.name == told.names[who]
            assert sandbox.done(Earn(customer_id=who, points=1)).result.keys() > {"name", "email"}
            sandbox.done(Close(customer_id=who))
    world.deliver()
    assert world.parked == []
    rows = {row.customer_id: row for row in world.views().page(customers, 10, None).rows}
    for who, row in rows.items():
        state = world.sandbox.state(who)
        assert (row.name, row.email, row.born, row.points) == (state.name, state.email, state.born, state.points)
