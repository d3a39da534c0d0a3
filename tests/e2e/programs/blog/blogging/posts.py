"""Posts. One may be handed to another author, and one that is locked is not removed."""

from foldstack import Aggregate, Command, Event, Projection, Rejection, State


class Post(State):
    author: str = ""
    locked: bool = False


class PostWritten(Event):
    author: str
    title: str


class PostMoved(Event):
    author: str


class PostLocked(Event):
    locked: bool


class PostRemoved(Event):
    pass


class PostRemovalFinished(Event):
    removed: int


class WritePost(Command):
    id: str
    author: str
    title: str = "untitled"


class MovePost(Command):
    id: str
    author: str


class LockPost(Command):
    id: str
    locked: bool


class RemovePost(Command):
    """`author`: only while it is theirs; of whoever it is, where that is left out."""

    id: str
    author: str = ""


class FinishPostRemoval(Command):
    id: str
    removed: int


class PostRow(State):
    author: str
    title: str


post = Aggregate("post", Post)


@post.decides(WritePost, by="id", creates=True)
def write(command, state):
    return None if state.author else PostWritten(author=command.author, title=command.title)


@post.decides(MovePost, by="id")
def move(command, state):
    return PostMoved(author=command.author) if state.author else None


@post.decides(LockPost, by="id")
def lock(command, state):
    return PostLocked(locked=command.locked) if state.author else None


@post.decides(RemovePost, by="id")
def remove(command, state):
    if not state.author:
        return Rejection("no-such-post", command.id, kind="not-found")
    if command.author not in ("", state.author):
        return None
    return Rejection("locked", f"{command.id} is locked") if state.locked else PostRemoved()


@post.decides(FinishPostRemoval, by="id")
def finish(command, state):
    return PostRemovalFinished(removed=command.removed)


@post.evolves(PostWritten)
@post.evolves(PostMoved)
def belongs(state, event):
    return state.model_copy(update={"author": event.author})


@post.evolves(PostLocked)
def locked(state, event):
    return state.model_copy(update={"locked": event.locked})


@post.evolves(PostRemoved)
def removed(state, event):
    return Post()


@post.evolves(PostRemovalFinished)
def finished(state, event):
    return state


posts = Projection("posts", of=post, row=PostRow)


@posts.on(PostWritten)
def row_written(row, event, meta):
    return PostRow(author=event.author, title=event.title)


@posts.on(PostMoved)
def row_moved(row, event, meta):
    return row.model_copy(update={"author": event.author})


@posts.on(PostRemoved)
def row_removed(row, event, meta):
    return None
