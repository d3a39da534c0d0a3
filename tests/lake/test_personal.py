"""Personal fields in the lake: ciphertext in every file and in the archive, written by who has no keys."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from foldstack.aws import view_rows
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId
from foldstack.kernel.upcasting import StoredEvent
from foldstack.lake.archive import restore
from foldstack.lake.columnar import read
from foldstack.lake.compaction import Compactor
from foldstack.lake.compaction_run import CompactionRun
from foldstack.lake.types import columns_of
from foldstack.lake.writer import LakeWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.erasure.domain import ChangeEmail, Close, CustomerRow, Earn, Party, Registered, Send, customers, parcel
from tests.erasure.support import TENANT, somebody
from tests.lake.people import Gather, Gathered, Household, Person, household, service
from tests.lake.personal_lake import BORN, CLEAR, TABLES, VIEWS, Lake, assert_ciphertext, rows
from tests.lake.support import TIME, Bucket, Parked
from tests.package.support import ROOT

TOKEN = "b2Y.c2VhbGVk"

texts = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: CLEAR + text)
people = st.builds(
    Person,
    person=st.sampled_from(["c1", "c2", "c3"]),
    name=texts,
    born=st.sampled_from([None, BORN]),
    nick=st.just("none") | texts,
    likes=st.sampled_from([None, ["tea"], {"more": 1}]),
)
ids = st.sampled_from(["c1", "c2", "c3"])
emails = st.text("abc", min_size=1, max_size=5).map(lambda text: f"{CLEAR}{text}@example.org")
commands = st.one_of(
    st.builds(somebody, id=ids, name=texts, email=emails, born=st.sampled_from([None, BORN])),
    st.builds(ChangeEmail, customer_id=ids, email=emails),
    st.builds(Earn, customer_id=ids, points=st.integers(0, 9)),
    st.builds(Close, customer_id=ids),
    st.builds(
        Send,
        parcel_id=st.sampled_from(["p1", "p2"]),
        sender=st.builds(Party, person=ids, street=texts),
        recipient=st.builds(Party, person=ids, street=texts),
    ),
    st.builds(
        Gather,
        household_id=st.sampled_from(["h1", "h2"]),
        head=people,
        others=st.lists(people, max_size=3).map(tuple),
        roles=st.dictionaries(st.sampled_from(["a", "b", ""]), people, max_size=2),
        guest=st.none() | people,
    ),
)


def owner(command: Any) -> dict[str, Any]:
    return {"aggregate": {Send: parcel, Gather: household}[type(command)]} if isinstance(command, Send | Gather) else {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(commands, min_size=1, max_size=8), st.lists(commands, max_size=5))
def test_every_file_holds_tokens_and_nothing_in_the_clear_before_the_erasure_and_after(before, after):
    lake = Lake()
    for command in before:
        lake.sandbox.do(command, **owner(command))
    lake.deliver()
    assert_ciphertext(lake, lake.bucket)
    old = dict(lake.bucket.contents)
    for id in ("c1", "c2"):
        lake.world.erase(id)
    for command in after:  # what tells something new of the erased is rejected
        lake.sandbox.do(command, **owner(command))
    lake.deliver()
    assert_ciphertext(lake, lake.bucket)
    assert old.items() <= lake.bucket.contents.items(), "no file is touched by an erasure"
    assert_ciphertext(lake, lake.rebuilt())


def gather(id: str = "h1", **more: Any) -> Gather:
    ada = Person(person="c1", name=f"{CLEAR}Ada", born=BORN, nick=f"{CLEAR}A", likes=["tea"])
    bob = Person(person="c2", name=f"{CLEAR}Bob")
    return Gather(household_id=id, head=ada, others=(bob, ada), roles={"cook": bob}, guest=None, **more)


def filled() -> Lake:
    """Everybody with everything, and an event that was decided after the erasure of c1."""
    lake = Lake()
    for id in ("c1", "c2"):
        lake.sandbox.done(somebody(id, name=f"{CLEAR}{id}", email=f"{CLEAR}{id}@example.org", born=BORN))
    lake.sandbox.done(ChangeEmail(customer_id="c1", email=f"{CLEAR}new@example.org"))
    parties = {who: Party(person=who, street=f"{CLEAR}{who}") for who in ("c1", "c2")}
    lake.sandbox.done(Send(parcel_id="p1", sender=parties["c1"], recipient=parties["c2"]), aggregate=parcel)
    lake.sandbox.done(gather(), aggregate=household)
    return lake


def test_columns_hold_what_the_key_opens_until_it_is_gone():
    lake = filled()
    lake.deliver()
    assert_ciphertext(lake, lake.bucket)
    (ada, bob) = rows(lake.bucket, "event_registered")
    (home,) = rows(lake.bucket, "event_gathered")
    (row, _) = rows(lake.bucket, "customers")
    (entity,) = rows(lake.bucket, "households")
    assert lake.opened(ada["name"]) == f"{CLEAR}c1"
    assert lake.opened(ada["born"]) == str(BORN)
    assert lake.opened(row["email"]) == f"{CLEAR}new@example.org"
    assert lake.opened(home["others"][0]["name"]) == f"{CLEAR}Bob"
    assert lake.opened(dict(home["roles"])["cook"]["name"]) == f"{CLEAR}Bob"
    assert lake.opened(entity["others"][1]["nick"]) == f"{CLEAR}A"
    assert (home["others"][0]["nick"], home["others"][0]["born"], home["guest"]) == ("none", None, None)
    assert home["head"]["likes"] == '["tea"]'
    lake.world.erase("c1")
    for token in (ada["name"], ada["born"], row["email"], home["head"]["name"], entity["others"][1]["nick"]):
        assert lake.opened(token) == "[erased]"
    assert lake.opened(bob["name"]) == f"{CLEAR}c2"


def test_what_is_decided_after_the_erasure_says_so_and_is_not_parked():
    lake = filled()
    lake.deliver()
    lake.world.erase("c1")
    lake.sandbox.done(Close(customer_id="c1"))
    lake.sandbox.done(Earn(customer_id="c1", points=3))
    lake.deliver()
    assert_ciphertext(lake, lake.bucket)
    assert [row["name"] for row in rows(lake.bucket, "event_closed")] == ["[erased]"]
    (row, _) = rows(lake.bucket, "customers")
    assert (row["points"], lake.opened(row["name"])) == (3, "[erased]")


def test_a_lake_restored_from_its_archive_has_the_same_files():
    lake = filled()
    lake.deliver()
    lake.world.erase("c1")
    restored = Bucket()
    restored.contents["archive/a.gz"] = lake.archive()
    done = restore(restored, "archive/", lake.writer(restored), lambda envelope: envelope)
    del restored.contents["archive/a.gz"]
    views = tuple(f"tables/{TENANT}/{view}/" for view in VIEWS)
    events = {key: content for key, content in lake.bucket.contents.items() if not key.startswith(views)}
    assert restored.contents == events
    assert (done.commits, done.parked) == (len(lake.world.road), 0)
    assert_ciphertext(lake, lake.rebuilt())


def test_compaction_keeps_tokens():
    lake = Lake()
    for id in ("c1", "c2", "c3"):
        lake.sandbox.done(somebody(id, name=f"{CLEAR}{id}", email=f"{CLEAR}{id}@example.org", born=BORN))
        lake.sandbox.done(gather(f"h-{id}"), aggregate=household)
        lake.deliver()
    lake.world.erase("c1")
    before = len(lake.bucket.files(TABLES["event_registered"], TENANT))
    clock = [datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 21, 3, tzinfo=UTC)]
    for now in clock:
        compactor = Compactor(lake.bucket, clock=lambda now=now: now)
        done = CompactionRun(lake.bucket, compactor, TABLES.values())(lambda: True)
        assert done.failed == ()
    after = len(lake.bucket.files(TABLES["event_registered"], TENANT))
    assert (before, after) == (3, 1)
    lake.bucket.contents = {key: each for key, each in lake.bucket.contents.items() if key.endswith(".parquet")}
    assert_ciphertext(lake, lake.bucket)


def written(*events: tuple[str, int, dict[str, Any]], category: str = "customer") -> tuple[Bucket, Parked]:
    bucket, parked = Bucket(), Parked()
    stored = tuple(StoredEvent(type, schema, 1 + n, data) for n, (type, schema, data) in enumerate(events))
    stream, types = StreamId.of(TENANT, category, "x"), tuple(event.type for event in stored)
    envelope = Envelope(stream, 1, 1 + len(stored), {}, types, TIME, 1, stored, "", "")
    LakeWriter(bucket.put, service, TABLES.values(), parked).write([envelope])
    return bucket, parked


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"~": TOKEN}, TOKEN),
        ({"~": ""}, "[erased]"),
        ("clear:Ada", "[personal]"),
        ({"~": '="clear:Ada"'}, "[personal]"),
        ("none", "none"),
        ({"~": '="none"'}, "none"),
        ({"clear:Ada": "of no shape"}, "[personal]"),
        (5, "[personal]"),
        (None, None),
    ],
)
def test_what_a_column_says(value, shown):
    """From before the field was marked, too: typed columns hold nothing that can be read."""
    person = {"person": "c1", "name": {"~": TOKEN}, "nick": value}
    data = {"head": person, "others": [person], "roles": {"a": person}, "guest": person, "all": []}
    bucket, parked = written(("Gathered", 2, data), category="household")
    (row,) = rows(bucket, "event_gathered")
    for each in (row["head"], row["others"][0], dict(row["roles"])["a"], row["guest"]):
        assert (each["nick"], each["name"]) == (shown, TOKEN)
    assert parked == []
    for content in bucket.files(TABLES["event_gathered"], TENANT).values():
        assert CLEAR not in content.decode("latin-1") + repr(read(content).to_pylist())


def test_events_of_an_older_schema_are_upcast_without_keys():
    person = {"person": "c1", "name": {"~": TOKEN}}
    bucket, parked = written(
        ("Gathered", 1, {"head": person, "others": [person]}),
        ("Renamed", 1, {"person": "c1", "full": {"~": TOKEN}}),
        ("Renamed", 1, {"person": "c1", "full": {"~": ""}}),
        ("Renamed", 1, {"person": "c1", "full": "clear:Ada"}),
        category="household",
    )
    assert parked == []
    (home,) = rows(bucket, "event_gathered")
    assert (home["head"]["name"], dict(home["roles"])["first"]["name"], home["head"]["nick"]) == (TOKEN, TOKEN, "none")
    found = [(row["name"], row["title"]) for row in rows(bucket, "event_renamed")]
    assert found == [(name, "[personal]") for name in (TOKEN, "[erased]", "[personal]")]


def test_an_upcaster_that_reads_what_is_personal_parks_its_event_alone(monkeypatch):
    monkeypatch.setattr(household.upcasters, "decode", lambda event, reading: [in_the_clear(event)])
    bucket, parked = written(("Renamed", 1, {}), category="household")
    (told,) = parked
    assert told["reason"] == "its upcaster raised PydanticSerializationError"
    assert len(rows(bucket, "events")) == 1


def in_the_clear(event: Any) -> Any:
    """With a text of its own, where a sealed one belongs."""
    return TABLES["event_renamed"].model.model_construct(person="c1", name="clear:Ada", title="none")


def test_what_only_the_model_can_read_keeps_its_tokens():
    """A number that is text, another look at which goes through the model."""
    sealed, bucket, parked = {"~": TOKEN}, Bucket(), Parked()
    lead = view_rows.LeadRow(
        2, 1, {"customer_id": "c1", "name": sealed, "email": {"~": ""}, "born": sealed, "points": "7"}, {}
    )
    lake = Lake()
    lake.world.rows.write(customers, StreamId.of(TENANT, "customer", "c1"), None, lead, {})
    changes, _, _ = lake.entities().of_table(lake.world.rows, "customers", None, datetime.now(UTC))
    LakeWriter(bucket.put, service, TABLES.values(), parked).write([], changes)
    (row,) = rows(bucket, "customers")
    assert (row["name"], row["email"], row["born"], row["points"]) == (TOKEN, "[erased]", TOKEN, 7)
    assert parked == []


def test_what_fits_no_table_for_another_reason_is_parked_without_anything_of_it():
    sealed = {"~": TOKEN}
    good = {"customer_id": "c1", "name": sealed, "email": sealed}
    bucket, parked = written(
        ("Registered", 1, good), ("Registered", 1, good | {"more": "clear:Ada"}), ("Registered", 1, {"name": sealed})
    )
    assert [each["version"] for each in parked] == [2, 3]
    assert "clear:" not in str(parked)
    assert TOKEN not in str(parked)
    assert [row["version"] for row in rows(bucket, "event_registered")] == [1]


def test_a_personal_column_is_text_whatever_the_field_is():
    assert {column.name: column.athena for column in columns_of(Registered)} == {
        "customer_id": "string",
        "name": "string",
        "email": "string",
        "born": "string",
    }
    assert {column.name: column.athena for column in columns_of(CustomerRow)}["points"] == "bigint"
    person = "struct<person:string,name:string,born:string,nick:string,likes:string>"
    assert {column.name: column.athena for column in columns_of(Gathered)} == {
        "head": person,
        "others": f"array<{person}>",
        "roles": f"map<string,{person}>",
        "guest": person,
        "all": "string",
    }
    assert [column.athena for column in columns_of(Household)] == [person]


PROGRAM = """
import os, sys
os.environ.update(FOLDSTACK_DOMAIN=sys.argv[1], FOLDSTACK_SERVICE="x", FOLDSTACK_COMMIT_TABLE="c",
    FOLDSTACK_BODIES_BUCKET="b", FOLDSTACK_PARKED_QUEUE="https://queue", AWS_DEFAULT_REGION="us-east-1",
    FOLDSTACK_VIEW_TABLES='{"%s": "t"}' % sys.argv[2], FOLDSTACK_LAKE_BUCKET="l", POWERTOOLS_SERVICE_NAME="x")
import foldstack.handlers.lake_writer
print(*sys.modules)
"""


def loaded(domain: str, view: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, domain, view], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_writer_has_no_keys_and_no_cipher():
    modules = loaded("tests.lake.people:service", "customers")
    assert "foldstack.kernel.personal" in modules
    assert not modules & {"foldstack.kernel.keyring", "foldstack.aws.key_table", "foldstack.aws.cipher", "cryptography"}


def test_of_a_domain_without_personal_fields_it_loads_nothing_of_them():
    assert "foldstack.kernel.personal" not in loaded("tests.lake.domain:service", "accounts")
