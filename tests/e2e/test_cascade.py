"""Who deletes an author deletes what the author wrote: in the views, in the lake and in its files, and it is told when
that is done."""

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest

from components.roads import NAMES
from local.event_sources import Faults

from .blog import Blog, opened
from .programs.blog.blogging.authors import DeleteAuthor, RegisterAuthor
from .programs.blog.blogging.comments import WriteComment
from .programs.blog.blogging.posts import LockPost, MovePost, RemovePost, WritePost

SEED = int(os.environ.get("FOLDSTACK_SEED", "2026"))
POSTS = 250


@pytest.fixture(scope="module")
def blog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    with opened(tmp_path_factory.mktemp("blog")) as blog:
        blog.up()
        yield blog


def write(blog: Blog, tenant: str, posts: int) -> None:
    """Ann's posts and one of Bob's, who comments on all of them."""
    blog.do(tenant, RegisterAuthor(id="ann", name="Ann"), RegisterAuthor(id="bob", name="Bob"))
    blog.do(tenant, *(WritePost(id=f"p{n}", author="ann", title=f"secret {n}") for n in range(posts)))
    blog.do(tenant, WritePost(id="bobs", author="bob", title="kept"))


def test_an_author_of_250_posts(blog):
    write(blog, "acme", POSTS)
    write(blog, "zeta", 2)
    comments = [WriteComment(id=f"c{n}", author="bob", post=f"p{n}") for n in range(5)]
    blog.do("acme", *comments, WriteComment(id="stays", author="bob", post="bobs"))
    blog.rest()
    asked = "SELECT id, title FROM posts WHERE tenant = ?"
    assert len(blog.rows("acme", "posts")) == len(blog.asked(asked, "acme")) == POSTS + 1

    blog.do("acme", DeleteAuthor(id="ann"))
    blog.rest()
    assert blog.rows("acme", "posts").keys() == {"bobs"}
    assert blog.rows("acme", "comments").keys() == {"stays"}
    assert blog.rows("zeta", "posts").keys() == {"p0", "p1", "bobs"}
    row = blog.rows("acme", "deletions")["ann"]
    assert (row.status, row.removed) == ("done", POSTS)
    assert blog.removed("acme", "author", "ann") == [POSTS]
    assert [blog.removed("acme", "post", f"p{n}") for n in (0, 4, 5)] == [[1], [1], [0]]
    assert blog.asked(asked, "acme") == [{"id": "bobs", "title": "kept"}]
    assert len(blog.asked(asked, "zeta")) == 3
    (told,) = blog.asked("SELECT removed FROM event_author_deletion_finished WHERE tenant = ?", "acme")
    assert told == {"removed": str(POSTS)}
    assert blog.left_over() == {}

    blog.compact(timedelta())
    blog.compact(timedelta(minutes=61))
    left = [row for row in blog.files("acme", "posts") if not row["deleted"]]
    assert [(row["id"], row["title"]) for row in left] == [("bobs", "kept")]
    assert not any(row["title"] for row in blog.files("acme", "posts") if row["deleted"])
    assert blog.asked(asked, "acme") == [{"id": "bobs", "title": "kept"}]


def test_a_refusal_is_a_dead_letter_and_the_deletion_is_reported_when_it_is_redriven(blog):
    write(blog, "stuck", 7)
    blog.do("stuck", LockPost(id="p3", locked=True))
    blog.rest()
    blog.do("stuck", DeleteAuthor(id="ann"))
    dead = blog.dead_letters()
    blog.rest()
    assert blog.rows("stuck", "posts").keys() == {"p3", "bobs"}
    assert blog.rows("stuck", "deletions")["ann"].status == "running"
    assert blog.removed("stuck", "author", "ann") == []
    blog.do("stuck", LockPost(id="p3", locked=False))
    blog.redrive(dead)
    blog.rest()
    assert blog.rows("stuck", "posts").keys() == {"bobs"}
    assert blog.removed("stuck", "author", "ann") == [7]
    assert blog.left_over() == {}


def test_a_cascade_that_comes_later_is_told_of_everything_by_republishing(blog):
    """As if there had been none: what it has collected is lost."""
    write(blog, "late", 3)
    blog.do("late", WriteComment(id="c", author="ann", post="bobs"))
    blog.do("late", MovePost(id="p2", author="bob"))
    blog.rest()
    dynamodb, table = blog.cloud.client("dynamodb"), blog.cloud.outputs["cascadeTable"]

    def forget() -> None:
        for item in dynamodb.scan(TableName=table)["Items"]:
            if item["p"]["S"].startswith("late#"):
                dynamodb.delete_item(TableName=table, Key={"p": item["p"], "s": item["s"]})

    forget()
    blog.do("late", DeleteAuthor(id="ann"))
    blog.rest()
    assert blog.rows("late", "posts").keys() == {"p0", "p1", "p2", "bobs"}
    forget()
    blog.run("events", "republish", "--to", "blog-cascade", "--tenant", "late")
    blog.rest()
    assert blog.rows("late", "posts").keys() == {"p2", "bobs"}
    assert blog.rows("late", "comments") == {}
    assert blog.removed("late", "author", "ann") == [0], "it was reported before, and is not again"


def test_each_tenants_references_are_its_own(blog):
    write(blog, "one", 1)
    write(blog, "two", 1)
    blog.rest()
    dynamodb = blog.cloud.client("dynamodb")
    items = dynamodb.scan(TableName=blog.cloud.outputs["cascadeTable"])["Items"]
    assert {item["p"]["S"] for item in items if item["s"]["S"] == "post#p0"} >= {
        "one#author-cleanup#ann",
        "two#author-cleanup#ann",
    }


@pytest.mark.parametrize(
    "road", [pytest.param(each, marks=[pytest.mark.long] if each != NAMES[0] else []) for each in NAMES]
)
def test_under_faults_nothing_is_left_and_nothing_is_counted_twice(tmp_path, road, record_property):
    """Deliveries are repeated, late and out of order, calls refused, functions killed; pages are small. Posts are
    written, moved and removed while their authors are deleted."""
    faults = Faults(SEED, duplicate=0.3, delay=0.3, delay_seconds=0.5, shuffle=0.5, throttle=0.05, crash=0.05)
    with opened(tmp_path) as blog:
        blog.up(faults, road=road, page=7, attempts=50, lake=False)
        tenants = [f"t{n}" for n in range(3)]
        for tenant in tenants:
            write(blog, tenant, 20)
            blog.do(tenant, *(WriteComment(id=f"c{n}", author="ann", post="bobs") for n in range(10)))
            blog.do(tenant, RemovePost(id="p0"), MovePost(id="p1", author="bob"))
            blog.do(tenant, DeleteAuthor(id="ann"))
            blog.do(tenant, *(WritePost(id=f"late{n}", author="ann") for n in range(5)))
            blog.do(tenant, MovePost(id="bobs", author="ann"))
        blog.rest()
        for tenant in tenants:
            assert blog.rows(tenant, "posts").keys() == {"p1"}, tenant
            assert blog.rows(tenant, "comments") == {}, tenant
            (removed,) = blog.removed(tenant, "author", "ann")
            assert removed == blog.rows(tenant, "deletions")["ann"].removed
            assert 0 <= removed <= 18 + 10 + 5 + 1
        assert not any("cascade" in name for name in blog.left_over())
    record_property("figures", f"{len(tenants)} deletions; faults: {faults.injected}")
