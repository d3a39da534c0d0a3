"""The journal's domain. The view stumbles over the text that POISON names, until that is mended."""

import os

from foldstack import Aggregate, Command, Event, Projection, Service, State


class Entry(State):
    burnt: bool = False


class Written(Event):
    text: str


class Rated(Event):
    stars: int


class Seen(Event):
    """Not in the view, and not on its road: versions it leaves out are no gaps."""


class Burnt(Event):
    pass


class Write(Command):
    id: str
    text: str


class Rate(Command):
    id: str
    stars: int


class See(Command):
    id: str
    times: int


class Burn(Command):
    id: str


class Row(State):
    text: str
    stars: int = 0


entry = Aggregate("entry", Entry)


@entry.decides(Write, by="id")
def write(command, state):
    return None if state.burnt else Written(text=command.text)


@entry.decides(Rate, by="id")
def rate(command, state):
    return None if state.burnt else Rated(stars=command.stars)


@entry.decides(See, by="id")
def see(command, state):
    return [Seen() for _ in range(command.times)]


@entry.decides(Burn, by="id")
def burn(command, state):
    return None if state.burnt else Burnt()


@entry.evolves(Written)
@entry.evolves(Rated)
@entry.evolves(Seen)
def unchanged(state, event):
    return state


@entry.evolves(Burnt)
def burnt(state, event):
    return Entry(burnt=True)


entries = Projection("entries", of=entry, row=Row)


@entries.on(Written)
def row_written(row, event, meta):
    if event.text == os.environ["POISON"]:
        raise ValueError("the view can't take this text")
    return Row(text=event.text, stars=row.stars if row else 0)


@entries.on(Rated)
def row_rated(row, event, meta):
    return row.model_copy(update={"stars": event.stars}) if row else Row(text="", stars=event.stars)


@entries.on(Burnt)
def row_burnt(row, event, meta):
    return None


@entries.contributes
def stars(row):
    return {"all": {"entries": 1, "stars": row.stars}}


service = Service("journal", aggregates=[entry], projections=[entries])
