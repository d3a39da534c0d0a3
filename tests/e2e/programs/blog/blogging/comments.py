"""Comments: by an author, on a post."""

from foldstack import Aggregate, Command, Event, Projection, State


class Comment(State):
    there: bool = False


class CommentWritten(Event):
    author: str
    post: str


class CommentRemoved(Event):
    pass


class WriteComment(Command):
    id: str
    author: str
    post: str


class RemoveComment(Command):
    id: str


class CommentRow(State):
    author: str
    post: str


comment = Aggregate("comment", Comment)


@comment.decides(WriteComment, by="id", creates=True)
def write(command, state):
    return None if state.there else CommentWritten(author=command.author, post=command.post)


@comment.decides(RemoveComment, by="id")
def remove(command, state):
    return CommentRemoved() if state.there else None


@comment.evolves(CommentWritten)
def written(state, event):
    return Comment(there=True)


@comment.evolves(CommentRemoved)
def removed(state, event):
    return Comment()


comments = Projection("comments", of=comment, row=CommentRow)


@comments.on(CommentWritten)
def row_written(row, event, meta):
    return CommentRow(author=event.author, post=event.post)


@comments.on(CommentRemoved)
def row_removed(row, event, meta):
    return None
