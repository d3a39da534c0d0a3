"""Each request goes to the store of its tenant, and to no other."""

import json
from datetime import UTC, datetime

import pytest
from foldstack.aws.environment import Environment
from foldstack.aws.generations import Generations
from foldstack.aws.silos import SiloedCommitStore, SiloedGenerations, SiloedTimer
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.errors import ConfigurationError
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.store import IdRow, MemoryCommitStore
from foldstack.kernel.timer import MemoryTimer

from .domain import OpenShelf, shelf
from .support import Sandbox

BIG, ACME, NEAR = Tenant("big-corp"), Tenant("acme"), Tenant("big-corp-2")


def test_commits_are_kept_in_the_store_of_their_tenant():
    shared, big = MemoryCommitStore(), MemoryCommitStore()
    store = SiloedCommitStore(shared, {BIG: big})
    for tenant in (BIG, ACME, NEAR):
        Sandbox(store).done(OpenShelf(shelf="one", units=1), tenant=tenant)
    assert {key.split("#")[0] for key in big.streams()} == {BIG}
    assert {key.split("#")[0] for key in shared.streams()} == {ACME, NEAR}
    for tenant, mine, other in ((BIG, big, shared), (ACME, shared, big)):
        stream = StreamId.of(tenant, shelf.category, "one")
        assert store.newest(stream, 1) == mine.newest(stream, 1)
        assert store.since(stream, 1) == mine.since(stream, 1)
        assert not other.newest(stream, 1).commits


def test_ids_are_kept_in_the_store_of_their_tenant():
    shared, big = MemoryCommitStore(), MemoryCommitStore()
    store = SiloedCommitStore(shared, {BIG: big})
    streams = [StreamId.of(tenant, "shelf", "one") for tenant in (BIG, ACME, BIG)]
    store.keep_ids([IdRow(f"c{n}", "h", stream, 1) for n, stream in enumerate(streams)])
    for n, (stream, mine, other) in enumerate(zip(streams, (big, shared, big), (shared, big, shared), strict=True)):
        assert store.find_id(stream, f"c{n}") == mine.find_id(stream, f"c{n}") is not None
        assert other.find_id(stream, f"c{n}") is None


def test_what_is_due_later_is_kept_with_the_functions_of_its_tenants_store():
    shared, big = MemoryTimer(), MemoryTimer()
    timer = SiloedTimer(shared, {BIG: big})
    at = datetime(2026, 11, 20, tzinfo=UTC)
    for n, tenant in enumerate((BIG, ACME, NEAR)):
        timer.set(at, tenant, OpenShelf(shelf="one", units=1), CommandContext(f"c{n}", "h"))
    assert {each.tenant for each in big.waiting.values()} == {BIG}
    assert {each.tenant for each in shared.waiting.values()} == {ACME, NEAR}


def test_pointers_are_looked_up_where_the_tenants_views_are():
    shared, big = (Generations(lambda: pytest.fail("not yet"), 1.0) for _ in range(2))
    known = SiloedGenerations(shared, {BIG: big})
    assert known.of(BIG) is big
    assert known.of(NEAR) is known.of(ACME) is shared


SHARED = {
    "FOLDSTACK_COMMIT_TABLE": "c",
    "FOLDSTACK_ID_TABLE": "i",
    "FOLDSTACK_VIEW_TABLES": '{"rows": "v"}',
    "FOLDSTACK_SERVICE": "shop",
}


def silos(**of_big):
    return {**SHARED, "FOLDSTACK_SILOS": json.dumps({"big-corp": of_big})}


def test_a_silo_has_nothing_of_the_shared_store():
    environment = Environment.read(silos(COMMIT_TABLE="c2", VIEW_TABLES={"rows": "v2"}))
    big = environment.of(BIG)
    assert (big.commit_table, big.view_tables, big.service) == ("c2", {"rows": "v2"}, "shop")
    with pytest.raises(ConfigurationError, match="FOLDSTACK_ID_TABLE is not set"):
        _ = big.id_table
    assert environment.of(NEAR) is environment


def test_a_silo_may_have_a_database_where_the_others_have_tables():
    sql = {"cluster": "arn:c", "secret": "arn:s", "database": "d", "views": ["rows"]}
    environment = Environment.read(silos(COMMIT_TABLE="c2", SQL=sql))
    assert not environment.has_sql
    assert environment.of(BIG).sql.secret == "arn:s"
    assert environment.of(BIG).view_names == ("rows",)


@pytest.mark.parametrize("wrong", ["[]", "x", '{"big-corp": "c2"}'])
def test_what_are_no_silos_is_refused_at_the_start(wrong):
    with pytest.raises(ConfigurationError, match="FOLDSTACK_SILOS"):
        Environment.read({**SHARED, "FOLDSTACK_SILOS": wrong})
