"""What goes with an author, and with a post."""

from foldstack import Cascade

from .authors import AuthorDeleted, FinishAuthorDeletion, author
from .comments import CommentWritten, RemoveComment, comment
from .posts import FinishPostRemoval, PostMoved, PostRemoved, PostWritten, RemovePost, post

author_cleanup = Cascade("author-cleanup", of=author, on=AuthorDeleted)


@author_cleanup.refers(post, on=PostWritten)
@author_cleanup.refers(post, on=PostMoved)
@author_cleanup.refers(comment, on=CommentWritten)
def by(event):
    return event.author


@author_cleanup.removes(post)
def remove_post(id, deletion):
    return RemovePost(id=id, author=deletion.id)


@author_cleanup.removes(comment)
def remove_comment(id, deletion):
    return RemoveComment(id=id)


@author_cleanup.reports
def author_is_gone(deletion, removed):
    return FinishAuthorDeletion(id=deletion.id, removed=removed)


post_cleanup = Cascade("post-cleanup", of=post, on=PostRemoved)


@post_cleanup.refers(comment, on=CommentWritten)
def on_post(event):
    return event.post


@post_cleanup.removes(comment)
def remove_comment_on_post(id, deletion):
    return RemoveComment(id=id)


@post_cleanup.reports
def post_is_gone(deletion, removed):
    return FinishPostRemoval(id=deletion.id, removed=removed)
