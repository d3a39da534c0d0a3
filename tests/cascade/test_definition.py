"""What is refused when a domain's module loads, and what a cascade is made of."""

import pytest
from foldstack import Aggregate, Cascade, Command, DefinitionError, Event, InvalidValue, Service, State


class Nothing(State):
    pass


class Gone(Event):
    pass


class Referred(Event):
    to: list[str]


class Renamed(Event, version=2):
    to: str


class Remove(Command):
    id: str


class Finish(Command):
    id: str
    removed: int


def aggregate(category, *events, commands=()):
    made = Aggregate(category, Nothing)
    for event in events:
        made.evolves(event)(lambda state, event: state)
    for command in commands:
        made.decides(command, by="id")(lambda command, state: None)
    return made


shelf = aggregate("shelf", Gone, commands=[Finish])
book = aggregate("book", Referred, Renamed, commands=[Remove])
book.upcasts("Renamed", 1)(lambda data: data)
book.upcasts("Named", 1, makes=[Renamed])(lambda data: [("Renamed", 2, data)])


def cleanup(*parts, on: type[Event] = Gone):
    made = Cascade("cleanup", of=shelf, on=on)
    for part in parts:
        part(made)
    return made


def refers(made):
    made.refers(book, on=Referred)(lambda event: event.to)


def renames(made):
    made.refers(book, on=Renamed)(lambda event: event.to or None)


def removes(made):
    made.removes(book)(lambda id, deletion: Remove(id=id))


def reports(made):
    made.reports(lambda deletion, removed: Finish(id=deletion.id, removed=removed))


def service(*cascades, aggregates=(shelf, book)):
    return Service("library", aggregates=aggregates, cascades=cascades)


def test_what_it_needs_to_be_told_of():
    made = cleanup(refers, renames, removes, reports)
    assert service(made).cascades == {"cleanup": made}
    assert made.stored_types == {"Gone", "Referred", "Renamed", "Named"}, "old names of events, too"


def test_a_stream_refers_to_one_to_several_or_to_nothing():
    made = cleanup(refers, renames)
    assert made.referred(book, Referred(to=["a", "b", "a"])) == ("a", "b")
    assert made.referred(book, Renamed(to="a")) == ("a",)
    assert made.referred(book, Renamed(to="")) == ()
    assert made.referred(shelf, Gone()) == ()
    with pytest.raises(InvalidValue, match="cascade cleanup: 1 to 128 of"):
        made.referred(book, Referred(to=["no id"]))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: service(cleanup(removes, reports)), "nothing refers to shelf; .* @cleanup.refers"),
        (lambda: service(cleanup(refers, reports)), "book must have both, `refers` .*, and `removes`"),
        (
            lambda: service(cleanup(refers, removes)),
            "reports to nobody: declare with `reports`",
        ),
        (lambda: service(cleanup(refers, refers)), "Referred of book refers twice"),
        (lambda: service(cleanup(removes, removes)), "book is removed in two ways"),
        (lambda: service(cleanup(reports, reports)), "reports is declared twice"),
        (lambda: service(cleanup(refers, removes, reports, on=Referred)), "Referred is no event of shelf"),
        (
            lambda: service(cleanup(refers, removes, reports), aggregates=[shelf]),
            "Referred is no event of book, as the service has it",
        ),
        (
            lambda: service(cleanup(refers, removes, reports), cleanup(refers, removes, reports)),
            "library: two cascades have one name; there are cleanup, cleanup",
        ),
        (lambda: Cascade("Clean up", of=shelf, on=Gone), "1 to 32 of a-z, 0-9 and -, a letter first; got 'Clean up'"),
    ],
)
def test_what_is_no_cascade(make, said):
    with pytest.raises(DefinitionError, match=said):
        make()
