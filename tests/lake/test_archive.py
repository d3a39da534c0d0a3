"""A lake rebuilt from its archive, in AWS's form and in the laptop's."""

import gzip
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from foldstack.kernel.errors import StoreThrottled, UndecodableEvent
from foldstack.lake.archive import Restored, envelopes_in, restore
from foldstack.lake.entities import Unusable
from foldstack.lake.envelopes import whole

from tests.lake.folds import assert_lake_is
from tests.lake.histories import history
from tests.lake.support import ACME, TABLES, Bucket, Parked, envelope, read_view, writer

MADE = history(21)
DOCUMENTS = [each.to_dict("bank") for each in MADE.envelopes]
BARE = [json.dumps(each).encode() for each in DOCUMENTS]
WRAPPED = [json.dumps({"detail-type": "commit", "source": "bank", "detail": each}).encode() for each in DOCUMENTS]

FORMS: dict[str, dict[str, bytes]] = {
    "one object a record": {f"{n:03}": each for n, each in enumerate(WRAPPED)},
    "one after the other": {"a": b"".join(WRAPPED[:9]), "b": b"".join(WRAPPED[9:])},
    "lines": {"a": b"\n".join(BARE[:9]) + b"\n", "b": b"\n".join(BARE[9:])},
    "gzip": {"a.gz": gzip.compress(b"\n".join(WRAPPED))},
    "gzip of several members": {"a.gz": b"".join(map(gzip.compress, WRAPPED))},
}


def as_is(envelope: Any) -> Any:
    return envelope


@pytest.mark.parametrize("form", FORMS)
def test_a_lake_is_rebuilt_from_its_archive(form):
    bucket = Bucket()
    for name, content in FORMS[form].items():
        bucket.contents[f"archive/2026/{name}"] = content
    done = restore(bucket, "archive/", writer(bucket), as_is)
    assert (done.objects, done.commits, done.parked) == (len(FORMS[form]), len(DOCUMENTS), 0)
    writer(bucket).write([], MADE.changes())
    assert_lake_is(MADE, bucket)


def test_what_is_there_already_is_read_once():
    bucket = Bucket()
    writer(bucket).write(MADE.envelopes[:20], MADE.changes())
    bucket.contents["archive/a"] = b"".join(BARE)
    restore(bucket, "archive/", writer(bucket), as_is)
    assert_lake_is(MADE, bucket)


def test_some_tenants_alone():
    bucket = Bucket()
    bucket.contents["archive/a"] = b"".join(BARE)
    restore(bucket, "archive/", writer(bucket), as_is, ["acme"])
    assert {key.split("/")[1] for key in bucket.contents if key.startswith("tables/")} == {"acme"}


def test_what_is_no_record_is_parked_and_all_else_restored():
    bucket, parked = Bucket(), Parked()
    bucket.contents["archive/a"] = BARE[0] + b'{"other": 1}' + BARE[1] + b"garbage"
    bucket.contents["archive/b"] = b"\xff\xfe"
    bucket.contents["archive/c"] = gzip.compress(BARE[2])[:-9]
    done = restore(bucket, "archive/", writer(bucket, parked), as_is)
    assert (done.objects, done.commits, done.parked) == (3, 2, 4)
    assert [each["object"] for each in parked] == ["archive/a", "archive/a", "archive/b", "archive/c"]
    assert parked[1]["at"] == len(BARE[0] + b'{"other": 1}' + BARE[1])


def test_a_refused_put_fails_the_restore():
    bucket = Bucket(lambda put: True)
    bucket.contents["archive/a"] = BARE[0]
    with pytest.raises(StoreThrottled):
        restore(bucket, "archive/", writer(bucket), as_is)


def test_events_that_did_not_travel_are_read_from_the_store():
    kept = envelope("a", ("Closed", 1, {"reason": "large"}))

    class Store:
        def since(self, stream, version, limit=100, consistent=True):
            from foldstack.kernel.store import Page

            commits = [kept] if (stream.key, version) == (kept.stream.key, 1) else []
            return Page(commits, False)  # type: ignore[arg-type]

    bucket, parked = Bucket(), Parked()
    for n, sent in enumerate((kept, replace(kept, epoch=0), envelope("b", ("Closed", 1, {})))):
        document = {**replace(sent, stored=None).to_dict("bank")}
        bucket.contents[f"archive/{n}"] = json.dumps(document).encode()
    done = restore(bucket, "archive/", writer(bucket, parked), partial(whole, store=Store()))
    assert done == Restored(3, 1, 2, 2)
    assert [row["reason"] for row in read_view(bucket, TABLES["event_closed"], ACME)] == ["large"]
    assert all("of the store no more" in each["reason"] for each in parked)
    with pytest.raises(UndecodableEvent):
        whole(replace(kept, stored=None, epoch=0), Store())  # type: ignore[arg-type]


def test_an_empty_object_holds_nothing():
    assert list(envelopes_in(b"", "a")) == []
    assert list(envelopes_in(b" \n", "a")) == []
    (told,) = envelopes_in(b"[1]", "a")
    assert isinstance(told, Unusable)
