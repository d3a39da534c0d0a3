"""A door's memory of who belongs where: how late it may be, what it costs, and that it forgets nothing wrongly."""

import pytest
from foldstack.aws.tenants import LOOK_SECONDS, Standings
from foldstack.kernel.access import Caller
from foldstack.kernel.errors import AccessRefused, StoreThrottled, StoreTimeout, Unavailable
from foldstack.kernel.keys import Tenant

pytestmark = pytest.mark.emulator

PROMISED_SECONDS = 60


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def requests(dynamodb):
    """Counts what is asked of DynamoDB."""
    asked = []

    class Counting:
        def batch_get_item(self, RequestItems):
            asked.append(sorted(key["p"]["S"] for wanted in RequestItems.values() for key in wanted["Keys"]))
            return dynamodb.batch_get_item(RequestItems=RequestItems)

    return Counting(), asked


@pytest.fixture
def standings(requests, auth, clock):
    return Standings(lambda: requests[0], auth.tenants_table, clock=clock)


@pytest.fixture
def ann(members):
    members.add_tenant("acme")
    return Caller(Tenant("acme"), members.invite("ann@acme.example", "acme", "buyer", send=False), "buyer")


def refusal(standings, caller):
    try:
        standings.check(caller)
    except AccessRefused as error:
        return error.status, error.code
    return None


def test_the_promise_is_kept_with_room():
    assert LOOK_SECONDS * 2 <= PROMISED_SECONDS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.set_tenant("acme", "suspended"), (403, "tenant-suspended")),
        (lambda m: m.set_user("ann@acme.example", "suspended"), (403, "member-suspended")),
        (lambda m: m.remove_user("ann@acme.example"), (403, "member-suspended")),
        (lambda m: m.set_role("ann@acme.example", "viewer"), (401, "stale-token")),
        (lambda m: m.set_role("ann@acme.example", "admin"), (401, "stale-token")),
    ],
    ids=["tenant suspended", "user suspended", "user removed", "role taken", "role given"],
)
def test_a_token_that_no_longer_holds_is_refused_within_the_time(standings, members, ann, clock, change, told):
    began = clock.now
    assert refusal(standings, ann) is None
    change(members)
    clock.now = began + LOOK_SECONDS - 0.001
    assert refusal(standings, ann) is None, "what is known is not asked for again"
    clock.now = began + LOOK_SECONDS
    assert refusal(standings, ann) == told


def test_whoever_is_let_in_again_is_within_the_time(standings, members, ann, clock):
    members.set_tenant("acme", "suspended")
    assert refusal(standings, ann) == (403, "tenant-suspended")
    members.set_tenant("acme", "active")
    clock.now += LOOK_SECONDS
    assert refusal(standings, ann) is None


def test_a_clock_that_went_back_is_not_trusted(standings, members, ann, clock):
    assert refusal(standings, ann) is None
    members.set_tenant("acme", "suspended")
    clock.now -= 3600
    assert refusal(standings, ann) == (403, "tenant-suspended")


def test_claims_that_the_table_does_not_bear_out_are_refused(standings, members, ann):
    members.add_tenant("other")
    assert refusal(standings, Caller(Tenant("other"), ann.subject, "buyer")) == (401, "stale-token")
    assert refusal(standings, Caller(Tenant("acme"), ann.subject, "admin")) == (401, "stale-token")
    assert refusal(standings, Caller(Tenant("acme"), "nobody", "buyer")) == (403, "member-suspended")
    assert refusal(standings, Caller(Tenant("gone"), ann.subject, "buyer")) == (403, "tenant-suspended")
    assert refusal(standings, Caller(Tenant("acme"), ann.subject, "buyer", machine=True)) == (403, "member-suspended")


def test_it_costs_one_request_a_caller_and_half_minute(standings, members, ann, clock, requests):
    bob = Caller(Tenant("acme"), members.invite("bob@acme.example", "acme", "viewer", send=False), "viewer")
    for _ in range(100):
        assert refusal(standings, ann) is None
    assert requests[1] == [["tenant#acme", f"user#{ann.subject}"]]
    for _ in range(100):
        assert refusal(standings, bob) is None
    assert requests[1][1:] == [[f"user#{bob.subject}"]], "the tenant is known"
    clock.now += LOOK_SECONDS
    assert refusal(standings, ann) is None
    assert len(requests[1]) == 3


def test_a_tenants_limit_comes_with_its_standing_and_as_late(standings, members, ann, clock, requests):
    assert standings.check(ann) is None
    members.set_limit("acme", 40)
    clock.now += LOOK_SECONDS
    assert standings.check(ann) == 40
    members.set_limit("acme", None)
    assert standings.check(ann) == 40, "remembered"
    clock.now += LOOK_SECONDS
    assert standings.check(ann) is None
    assert len(requests[1]) == 3, "and costs no request of its own"


def test_memory_is_bounded(requests, auth, clock, ann):
    standings = Standings(lambda: requests[0], auth.tenants_table, clock=clock, most=3)
    for n in range(50):
        refusal(standings, Caller(Tenant("acme"), f"nobody-{n}", "buyer"))
    assert refusal(standings, ann) is None
    assert len(standings._known) <= 3


def test_what_is_not_known_is_not_allowed(auth, clock, ann):
    class Lost:
        def batch_get_item(self, **_):
            return {"Responses": {}, "UnprocessedKeys": {auth.tenants_table: {}}}

    with pytest.raises(StoreThrottled) as error:
        Standings(Lost, auth.tenants_table, clock=clock).check(ann)
    assert isinstance(error.value, Unavailable)
    assert issubclass(StoreTimeout, Unavailable)
