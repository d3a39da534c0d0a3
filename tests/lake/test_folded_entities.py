"""Rows that the lake folds from commits: in whatever order they come, to any sandbox, the fold of the store."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from foldstack.aws.commit_scan import Scanned
from foldstack.kernel.errors import DefinitionError, StoreThrottled, Unavailable
from foldstack.kernel.keys import StreamId
from foldstack.lake.folded_entities import FoldedEntities

from tests.lake.domain import accounts
from tests.lake.folds import entities_in, rows_of
from tests.lake.histories import OTHER, History, history, shuffled
from tests.lake.support import ACME, TABLES, Bucket, envelope, read_view, writer

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Commits:
    """The store: it has `known` of the commits, which is all by default, and answers two at a time."""

    def __init__(self, made: History) -> None:
        self.made = made
        self.known = len(made.envelopes)
        self.asked = 0
        self.throttled = False

    def since(self, stream: StreamId, cursor: int, limit: int, consistent: bool = False) -> Any:
        assert consistent
        self.asked += 1
        if self.throttled:
            raise StoreThrottled("slower")
        found = [each for each in self.made.envelopes[: self.known] if each.stream == stream and each.first >= cursor]
        return SimpleNamespace(commits=found[: min(limit, 2)], more=len(found) > min(limit, 2))

    def days(self, streams: Any) -> dict[StreamId, str]:
        return {stream: self.made.days[stream] for stream in streams if stream in self.made.days}

    def page(self, category: str, types: Any, after: Any, segment: int, segments: int) -> Scanned:
        assert (category, segment, segments) == ("account", 0, 1)
        start = after or 0
        found = self.made.envelopes[start : start + 5]
        return Scanned(found, len(found), start + 5 if start + 5 < len(self.made.envelopes) else None)


def sandbox(commits: Commits) -> FoldedEntities:
    return FoldedEntities([accounts], commits, commits.days, 1)  # pyright: ignore[reportArgumentType]


def rows(made: History, bucket: Bucket, folded: bool) -> dict[Any, Any]:
    """Without the version: commits that touch no row count where the store is read, and else do not."""
    found = [entities_in(bucket, tenant) if folded else rows_of(made, tenant) for tenant in (ACME, OTHER)]
    return {id: row[1:] for each in found for id, row in each.items()}


@pytest.mark.parametrize("seed", range(25))
def test_duplicates_in_any_order_to_any_sandbox_leave_the_fold_of_the_store(seed: int) -> None:
    made, rng, bucket = history(seed, commits=40, ids=3), random.Random(seed), Bucket()
    commits = Commits(made)
    sandboxes, batches = [sandbox(commits) for _ in range(2)], shuffled(rng, made.envelopes)
    places = {id(each): place for place, each in enumerate(made.envelopes, 1)}
    commits.known = 0
    while batches:
        batch = batches.pop(0)
        # What is delivered is in the store, and some more may be.
        furthest = max(places[id(each)] for each in batch)
        commits.known = rng.randrange(max(furthest, commits.known), len(made.envelopes) + 1)
        if rng.randrange(5) == 0:
            sandboxes[rng.randrange(2)] = sandbox(commits)
        folded = rng.choice(sandboxes).of_commits(batch, NOW)
        assert folded.unusable == []
        if rng.randrange(4) == 0:  # it dies, or S3 refuses: the batch comes again
            batches.append(batch)
            continue
        writer(bucket).write([], folded.changes)
    assert rows(made, bucket, True) == rows(made, bucket, False)


def test_a_stream_that_is_known_is_not_read_again() -> None:
    commits = Commits(history(3, commits=30, ids=2))
    warm = sandbox(commits)
    for each in commits.made.envelopes:
        warm.of_commits([each], NOW)
    assert commits.asked == 0
    sandbox(commits).of_commits(commits.made.envelopes[-1:], NOW)
    assert commits.asked > 0


def test_all_rows_are_folded_on_demand() -> None:
    made, bucket, after, pages = history(7, commits=40, ids=9), Bucket(), None, 0
    commits = Commits(made)
    while pages == 0 or after is not None:
        folded = sandbox(commits).of_store(commits, "accounts", after, NOW)  # pyright: ignore[reportArgumentType]
        writer(bucket).write([], folded.changes)
        after, pages = folded.after, pages + 1
    assert pages == 8
    assert rows(made, bucket, True) == rows(made, bucket, False)
    with pytest.raises(DefinitionError, match="no entities of 'carts'; it has those of accounts"):
        sandbox(commits).of_store(commits, "carts", None, NOW)  # pyright: ignore[reportArgumentType]


def test_what_the_projection_cannot_take_is_told_once_and_hurts_nobody() -> None:
    bad = envelope("bad", ("Opened", 2, {"owner": "x"}), ("Paid", 1, {"amount": "no number"}))
    later = replace(envelope("bad", ("Closed", 1, {}), first=bad.next), prev={"Opened": 2, "Paid": 3})
    good = envelope("good", ("Opened", 2, {"owner": "y", "limit": "1"}))
    made = History([bad, later, good], days={bad.stream: "2026-11-20", good.stream: "2026-11-20"})
    folded = sandbox(Commits(made)).of_commits([bad, good], NOW)
    assert [change.id for change in folded.changes] == ["good"]
    ((pointer, reason),) = folded.unusable
    assert (pointer["view"], pointer["stream"], pointer["version"]) == ("accounts", "account#bad", 1)
    assert "no number" not in reason
    ((pointer, _),) = sandbox(Commits(made)).of_commits([later], NOW).unusable
    assert pointer["version"] == 1, "an old commit that today's code cannot take is told of by a newer one"
    assert sandbox(Commits(made)).of_commits([later], NOW).changes == []


def test_what_comes_before_poison_is_a_row() -> None:
    """As the view has it, which stops there."""
    good = envelope("a", ("Opened", 2, {"owner": "y", "limit": "1"}))
    bad = replace(envelope("a", ("Paid", 1, {"amount": "x"}), first=2), prev={"Opened": 2})
    commits = Commits(History([good, bad], days={good.stream: "2026-11-20"}))
    for folded in (
        sandbox(commits).of_commits([good, bad], NOW),
        sandbox(commits).of_store(commits, "accounts", None, NOW),  # pyright: ignore[reportArgumentType]
    ):
        assert [(change.id, change.version) for change in folded.changes] == [("a", 2)]
        assert len(folded.unusable) == 1


def test_rows_of_code_that_was_mended_win_over_those_of_the_same_version() -> None:
    made, bucket, table = history(3, commits=9, ids=1), Bucket(), TABLES["accounts"]
    folded = sandbox(Commits(made)).of_commits(made.envelopes, NOW).changes
    assert any(change.row for change in folded)
    mended = [
        change._replace(at=f"{NOW + timedelta(days=1)}", row={**change.row, "owner": "mended"})
        for change in folded
        if change.row
    ]
    for changes in (mended, folded):
        writer(bucket).write([], changes)
    rows = [row for tenant in (ACME, OTHER) for row in read_view(bucket, table, tenant)]
    assert {row["owner"] for row in rows} == {"mended"}


def test_a_function_older_than_a_restore_waits_for_its_successor() -> None:
    made = history(3, commits=2)
    with pytest.raises(Unavailable, match="of epoch 2, and this function of 1"):
        sandbox(Commits(made)).of_commits([replace(made.envelopes[0], epoch=2)], NOW)


def test_what_the_store_no_longer_has_is_told() -> None:
    lost = envelope("lost", ("Paid", 1, {"amount": "1", "at": "2026-11-20T00:00:00Z"}), first=5)
    lost = replace(lost, prev={"Paid": 5})
    ((pointer, reason),) = sandbox(Commits(History())).of_commits([lost], NOW).unusable
    assert (pointer["stream"], pointer["version"]) == ("account#lost", 5)
    assert "was published, and the store ends at" in reason
    begun = envelope("begun", ("Opened", 2, {"owner": "y", "limit": "1"}))
    ((_, reason),) = sandbox(Commits(History([begun]))).of_commits([begun], NOW).unusable
    assert "no first commit" in reason


def test_a_store_that_is_throttled_fails_the_batch() -> None:
    commits = Commits(history(5))
    commits.throttled = True
    with pytest.raises(StoreThrottled):
        sandbox(commits).of_commits(commits.made.envelopes[-3:], NOW)
