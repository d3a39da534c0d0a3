"""Authors. A deletion begins with one event, and another one says that it is done."""

from foldstack import Aggregate, Command, Event, Projection, Rejection, State


class Author(State):
    there: bool = False


class AuthorRegistered(Event):
    name: str


class AuthorDeleted(Event):
    pass


class AuthorDeletionFinished(Event):
    removed: int


class RegisterAuthor(Command):
    id: str
    name: str


class DeleteAuthor(Command):
    id: str


class FinishAuthorDeletion(Command):
    id: str
    removed: int


class DeletionRow(State):
    status: str
    removed: int | None = None


author = Aggregate("author", Author)


@author.decides(RegisterAuthor, by="id", creates=True)
def register(command, state):
    return None if state.there else AuthorRegistered(name=command.name)


@author.decides(DeleteAuthor, by="id")
def delete(command, state):
    return AuthorDeleted() if state.there else Rejection("no-such-author", command.id, kind="not-found")


@author.decides(FinishAuthorDeletion, by="id")
def finish(command, state):
    return AuthorDeletionFinished(removed=command.removed)


@author.evolves(AuthorRegistered)
def registered(state, event):
    return Author(there=True)


@author.evolves(AuthorDeleted)
def deleted(state, event):
    return Author()


@author.evolves(AuthorDeletionFinished)
def finished(state, event):
    return state


deletions = Projection("deletions", of=author, row=DeletionRow)


@deletions.on(AuthorDeleted)
def running(row, event, meta):
    return DeletionRow(status="running")


@deletions.on(AuthorDeletionFinished)
def done(row, event, meta):
    return DeletionRow(status="done", removed=event.removed)
