"""The journal's domain. The view stumbles over the text that POISON names, until that is mended."""

import os

from foldstack import Aggregate, Command, Event, Projection, Reactions, Service, State


class Entry(State):
    there: bool = False


class Written(Event):
    text: str


class Rated(Event):
    stars: int


class Seen(Event):
    """Not in the views, and not on their road: versions they leave out are no gaps."""


class Burnt(Event):
    pass


class Write(Command):
    id: str
    text: str


class Rate(Command):
    id: str
    stars: int


class Review(Command):
    """Two events in one commit."""

    id: str
    text: str
    stars: int


class See(Command):
    id: str
    times: int


class Burn(Command):
    id: str


class Row(State):
    """`changes` counts the events: what is applied twice shows."""

    text: str
    stars: int = 0
    changes: int = 0


class Ratings(State):
    count: int = 0
    stars: int = 0


entry = Aggregate("entry", Entry)


@entry.decides(Write, by="id")
def write(command, state):
    return Written(text=command.text)


@entry.decides(Rate, by="id")
def rate(command, state):
    return Rated(stars=command.stars) if state.there else None


@entry.decides(Review, by="id")
def review(command, state):
    return [Written(text=command.text), Rated(stars=command.stars)]


@entry.decides(See, by="id")
def see(command, state):
    return [Seen() for _ in range(command.times)]


@entry.decides(Burn, by="id")
def burn(command, state):
    return Burnt() if state.there else None


@entry.evolves(Written)
def written(state, event):
    return Entry(there=True)


@entry.evolves(Rated)
@entry.evolves(Seen)
def unchanged(state, event):
    return state


@entry.evolves(Burnt)
def burnt(state, event):
    return Entry()


entries = Projection("entries", of=entry, row=Row)


@entries.on(Written)
def row_written(row, event, meta):
    if event.text == os.environ["POISON"]:
        raise ValueError("the view can't take this text")
    row = row or Row(text="")
    return row.model_copy(update={"text": event.text, "changes": row.changes + 1})


@entries.on(Rated)
def row_rated(row, event, meta):
    return row.model_copy(update={"stars": event.stars, "changes": row.changes + 1})


@entries.on(Burnt)
def row_burnt(row, event, meta):
    return None


@entries.contributes
def sums(row):
    """Of all entries, and of those with as many stars: a row leaves one sum for another."""
    return {
        "all": {"entries": 1, "stars": row.stars, "changes": row.changes},
        f"stars-{row.stars}": {"entries": 1},
    }


ratings = Projection("ratings", of=entry, row=Ratings)


@ratings.on(Rated)
def rating_counted(row, event, meta):
    """Never deleted, and blind for all other events."""
    row = row or Ratings()
    return Ratings(count=row.count + 1, stars=row.stars + event.stars)


@ratings.contributes
def rated(row):
    return {"all": {"count": row.count, "stars": row.stars}}


reactions = Reactions()


@reactions.automation(on=Burnt, of=entry)
def remember(event, context):
    """One more change of another entry: done twice, it shows."""
    return Write(id=f"late-{context.stream_id}", text="burnt")


service = Service("journal", aggregates=[entry], projections=[entries, ratings], reactions=reactions)
