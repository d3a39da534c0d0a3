"""A small domain that shows every rule of the store: shelves with units on them."""

import hashlib

from foldstack import Aggregate, Command, Event, Rejection, State


class ShelfOpened(Event):
    units: int


class UnitTaken(Event):
    by: str


class UnitsReturned(Event):
    units: int


class ShelfCounted(Event):
    left: int


class NotePosted(Event):
    text: str


class ShelfClosed(Event):
    pass


class NameClaimed(Event):
    name: str


class Shelf(State):
    """`trace` depends on every event and on their order: two folds agree in it only if they saw the same."""

    opened: bool = False
    closed: bool = False
    left: int = 0
    name: str = ""
    trace: str = ""


class OpenShelf(Command):
    shelf: str
    units: int


class TakeUnit(Command):
    shelf: str
    by: str


class ReturnUnits(Command):
    shelf: str
    units: int


class PostNote(Command):
    shelf: str
    text: str


class CloseShelf(Command):
    shelf: str


class ClaimName(Command):
    shelf: str
    name: str


shelf = Aggregate("shelf", Shelf)


@shelf.decides(OpenShelf, by="shelf", creates=True)
def open_shelf(command: OpenShelf, state: Shelf):
    if state.opened:
        return Rejection("shelf-exists", "there is one already")
    return ShelfOpened(units=command.units)


@shelf.decides(TakeUnit, by="shelf")
def take_unit(command: TakeUnit, state: Shelf):
    if not state.opened:
        return Rejection("no-shelf", "there is none", kind="not-found")
    if state.left == 0:
        return Rejection("none-left", "all units are taken")
    return UnitTaken(by=command.by)


@shelf.decides(ReturnUnits, by="shelf")
def return_units(command: ReturnUnits, state: Shelf):
    return UnitsReturned(units=command.units), ShelfCounted(left=state.left + command.units)


@shelf.decides(PostNote, by="shelf")
def post_note(command: PostNote, state: Shelf):
    return NotePosted(text=command.text)


@shelf.decides(CloseShelf, by="shelf")
def close_shelf(command: CloseShelf, state: Shelf):
    return None if state.closed else ShelfClosed()


@shelf.decides(ClaimName, by="shelf", strict=True)
def claim_name(command: ClaimName, state: Shelf):
    if state.name == command.name:
        return Rejection("named-so", "it has that name")
    return NameClaimed(name=command.name)


@shelf.evolves(ShelfOpened)
@shelf.evolves(UnitTaken)
@shelf.evolves(UnitsReturned)
@shelf.evolves(ShelfCounted)
@shelf.evolves(NotePosted)
@shelf.evolves(ShelfClosed)
@shelf.evolves(NameClaimed)
def happened(state: Shelf, event: Event) -> Shelf:
    changes: dict = {}
    match event:
        case ShelfOpened():
            changes = {"opened": True, "left": event.units}
        case UnitTaken():
            changes = {"left": state.left - 1}
        case UnitsReturned():
            changes = {"left": state.left + event.units}
        case ShelfClosed():
            changes = {"closed": True}
        case NameClaimed():
            changes = {"name": event.name}
    text = f"{state.trace}|{event.type_name}|{event.model_dump_json()}"
    trace = hashlib.sha256(text.encode()).hexdigest()[:12]
    return state.model_copy(update={**changes, "trace": trace})
