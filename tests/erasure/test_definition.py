"""What a domain with personal fields may not declare, and what the refusal teaches."""

from datetime import date
from typing import Annotated, Any

import pytest
from foldstack import Aggregate, Command, DefinitionError, Event, Personal, Projection, Service, State
from pydantic import BaseModel, Field, StringConstraints

Theirs = Annotated[str, Personal(subject="who")]


def service(
    event: type[Event], command: type[Command] | None = None, state: type[State] = State, by: str = "id"
) -> tuple[Service, Aggregate]:
    """A service of these models alone."""
    aggregate = Aggregate("thing", state)
    aggregate.evolves(event)(lambda state, event: state)
    if command is not None:
        aggregate.decides(command, by=by)(lambda command, state: None)
    return Service("things", aggregates=[aggregate]), aggregate


def refused(*models: Any, **options: Any) -> str:
    with pytest.raises(DefinitionError) as error:
        service(*models, **options)
    return str(error.value)


@pytest.mark.parametrize("kind", [str, date, str | None, date | None, Annotated[str, StringConstraints(max_length=9)]])
def test_texts_and_dates_may_be_personal(kind):
    class Noted(Event):
        who: str
        value: Annotated[kind, Personal(subject="who")]

    assert service(Noted)[0].personal


@pytest.mark.parametrize("kind", [int, bool, bytes, list[str], dict[str, str], str | date, BaseModel, Any, int | None])
def test_other_types_are_refused_and_told_why(kind):
    with pytest.raises(DefinitionError, match=r"a personal field is str, date, or one of them \| None, because"):

        class Noted(Event):
            who: str
            value: Annotated[kind, Personal(subject="who")]


def test_the_mark_is_not_inside_a_list():
    class Noted(Event):
        who: str
        names: list[Theirs]

    assert "Noted.names: Personal marks a whole field, not what is in it" in refused(Noted)


def test_a_model_in_a_list_has_fields_of_its_own():
    class Guest(BaseModel):
        who: str
        name: Theirs

    class Invited(Event):
        guests: list[Guest]

    assert service(Invited)[0].personal


def test_the_mark_stands_last():
    class Noted(Event):
        who: str
        name: Annotated[str, Personal(subject="who"), Field(min_length=3)]

    assert "Personal stands last in Annotated, after MinLen(min_length=3)" in refused(Noted)


@pytest.mark.parametrize("subject", ["whom", "number", "name", "other"])
def test_the_subject_is_a_text_of_the_same_model_that_is_not_personal(subject):
    class Noted(Event):
        who: str
        number: int
        other: Theirs
        name: Annotated[str, Personal(subject=subject)]

    said = refused(Noted)
    assert "Noted.name" in said
    assert (
        "there are who" in said or "is personal itself" in said or "which is no field" in said or "no field of" in said
    )


def test_a_streams_id_is_not_personal():
    class Noted(Event):
        who: str
        email: Theirs

    class Note(Command):
        who: str
        email: Theirs

    assert "Note.email is personal, and thing takes it for the stream's id" in refused(Noted, Note, by="email")


def test_rows_are_not_found_by_what_is_personal():
    class Noted(Event):
        who: str
        email: Theirs

    class Row(State):
        who: str
        email: Theirs

    _, aggregate = service(Noted)
    rows = Projection("rows", of=aggregate, row=Row, indexed=["who", "email"])
    with pytest.raises(DefinitionError, match="can't be found or ordered by email, which is personal"):
        Service("things", aggregates=[aggregate], projections=[rows])


def test_a_copy_of_a_personal_field_is_marked_too():
    """Else the state's snapshot, the row or the stored answer would keep it in the clear."""

    class Noted(Event):
        who: str
        name: Theirs

    class Note(Command):
        id: str
        who: str
        name: str

    class Kept(State):
        name: str = ""

    class Part(BaseModel):
        name: str | None = None

    class Nested(State):
        parts: tuple[Part, ...] = ()

    class Row(State):
        name: str

    assert "thing: Note.name is not personal, and Noted.name is" in refused(Noted, Note)
    assert "thing: Kept.name is not personal, and Noted.name is" in refused(Noted, state=Kept)
    assert "thing: Part.name is not personal, and Noted.name is" in refused(Noted, state=Nested)
    _, aggregate = service(Noted)
    with pytest.raises(DefinitionError, match=r"projection rows: Row.name is not personal.*subject=\"who\""):
        Service("things", aggregates=[aggregate], projections=[Projection("rows", of=aggregate, row=Row)])


def test_what_is_personal_is_in_no_repr_and_no_validation_error():
    class Noted(Event):
        who: str
        name: Annotated[str, StringConstraints(max_length=4), Personal(subject="who")]

    service(Noted)
    assert "Ada" not in repr(Noted(who="c1", name="Ada"))
    with pytest.raises(ValueError, match="at most 4") as error:
        Noted(who="c1", name="Lovelace")
    assert "Lovelace" not in str(error.value)
