"""The two functions as Lambda calls them: what they take, give back, refuse and are told by their environment."""

import json
from typing import Any

import pytest
from foldstack.aws import cascades, composition
from foldstack.aws.removals_queue import RemovalsQueue, work_of
from foldstack.kernel.cascade_index import Entity
from foldstack.kernel.cascading import Work
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import ConfigurationError, DefinitionError, StoreThrottled

from tests.consumers.functions import Context, bus_message, failed, kinesis_record, load, message
from tests.e2e.programs.blog import blogging
from tests.e2e.programs.blog.blogging.authors import DeleteAuthor
from tests.e2e.programs.blog.blogging.posts import LockPost, post

from .world import ACME, World, blog

ENVIRONMENT = {
    "DOMAIN": "tests.e2e.programs.blog.blogging:service",
    "SERVICE": "blog",
    "CONSUMER": "blog-cascade",
    "CASCADE_PAGE": "2",
}
TYPES = ["AuthorDeleted", "CommentWritten", "PostMoved", "PostRemoved", "PostWritten"]


class Functions:
    """Over a blog in memory; what they send waits as messages of SQS."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World, **more: str) -> None:
        self.world = world
        monkeypatch.setattr(composition, "commit_store", lambda env: world.store)
        monkeypatch.setattr(cascades, "index", lambda env: world.index)
        monkeypatch.setattr(cascades, "send", lambda env: RemovalsQueue(self, "queue"))
        self.messages: list[str] = []
        self.refusing = False
        self.collector = load(monkeypatch, "cascade_collector", {**ENVIRONMENT, **more})
        self.remover = load(monkeypatch, "cascade_remover", {**ENVIRONMENT, **more})

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        if self.refusing:
            raise StoreThrottled("no")
        self.messages.append(MessageBody)

    def collect(self, *records: dict[str, Any]) -> list[str]:
        return failed(self.collector.handler({"Records": list(records)}, Context()))

    def remove(self, *messages: dict[str, Any], milliseconds: int = 60_000) -> list[str]:
        return failed(self.remover.handler({"Records": list(messages)}, Context(milliseconds)))

    def drain(self) -> None:
        while self.world.events or self.messages:
            if self.world.events:
                assert self.collect(bus_message(self.world.events.pop(0))) == []
            else:
                assert self.remove(message(self.messages.pop(0))) == []
                self.world.publish()


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> Functions:
    """Ann is, and has five posts; nobody has been told yet."""
    world = blog(posts=5)
    world.do(DeleteAuthor(id="ann"))
    return Functions(monkeypatch, world)


def test_from_the_events_to_the_report(deleted):
    deleted.drain()
    deleted.world.assert_at_rest()
    assert deleted.world.reported("acme#author#ann@2") == [5]


def test_records_of_kinesis_and_commits_that_travel_by_reference(deleted):
    for n, commit in enumerate(deleted.world.events):
        envelope = Envelope.of(commit, with_events=n % 2 == 0)
        assert deleted.collect(kinesis_record(envelope, str(n))) == []
    deleted.world.events.clear()
    deleted.drain()
    deleted.world.assert_at_rest()


def test_a_replay_for_others_is_left_alone(deleted):
    commit = deleted.world.events[-1]
    entity = Entity(ACME, "author-cleanup", "ann")
    assert deleted.collect(bus_message(commit, replay="effects")) == []
    assert deleted.world.index.marked(entity) is None
    assert deleted.collect(bus_message(commit, replay="blog-cascade")) == []
    assert deleted.world.index.marked(entity) is not None


def test_what_could_not_be_sent_is_delivered_again(deleted):
    record = bus_message(deleted.world.events[-1])
    deleted.refusing = True
    assert deleted.collect(record) == [record["messageId"]]
    deleted.refusing = False
    assert deleted.collect(record) == []
    assert len(deleted.messages) == 1


def test_what_is_refused_is_delivered_again_and_the_others_are_not(deleted):
    world = deleted.world
    world.do(*(LockPost(id=f"p{n}", locked=True) for n in range(5)))
    world.drain_events()
    (refused,) = world.work
    undone = Work(refused.cascade, refused.deletion, refused.at - 1)
    messages = [message(json.dumps(_body(each))) for each in (refused, undone)]
    odd = message(json.dumps({"cascade": "of nobody here"}))
    passed = [deleted.remove(messages[0]) for _ in range(5)]
    assert [messages[0]["messageId"]] in passed, "a pass that was in vain"
    assert deleted.remove(*messages, odd) == [messages[0]["messageId"], odd["messageId"]]
    world.do(*(LockPost(id=f"p{n}", locked=False) for n in range(5)))
    assert deleted.remove(messages[0]) == []
    assert work_of(deleted.messages[0]) == refused


def test_the_time_of_a_function_is_shared_by_its_messages(deleted):
    """With none left each page is of one stream."""
    world = deleted.world
    world.drain_events()
    (work,) = world.work
    assert deleted.remove(message(json.dumps(_body(work))), milliseconds=0) == []
    assert sum(bool(world.state(post, f"p{n}").author) for n in range(5)) == 4


def test_what_was_deleted_before_a_restore_is_dropped(deleted):
    work = Work("author-cleanup", "acme#author#ann@2", 2)
    assert deleted.remove(message(json.dumps(_body(work)))) == []


def test_each_deployment_sees_that_it_is_told_of_all_it_needs(deleted):
    check = deleted.collector.handler
    assert check({"check": TYPES}, Context()) == {"checked": 5}
    assert check({"check": []}, Context()) == {"checked": 0}
    with pytest.raises(DefinitionError, match=r"the cascades of blog need PostMoved, PostWritten, .* name them in"):
        check({"check": ["AuthorDeleted", "CommentWritten", "PostRemoved"]}, Context())


def test_each_deployment_sees_that_there_are_cascades(deleted, monkeypatch):
    monkeypatch.setattr(blogging.service, "cascades", {})
    with pytest.raises(DefinitionError, match=r"blog declares no cascade, .* `cascades=\[Cascade"):
        deleted.collector.handler({"check": []}, Context())


def test_a_page_is_a_number(monkeypatch):
    with pytest.raises(ConfigurationError, match="FOLDSTACK_CASCADE_PAGE must be a whole number from 1 on; it is '0'"):
        Functions(monkeypatch, World(), CASCADE_PAGE="0")


def _body(work: Work) -> dict[str, Any]:
    return {"cascade": work.cascade, "deletion": work.deletion, "at": work.at, "reference": work.reference}
