"""What follows a deletion: a cascade removes what refers to the deleted entity, and reports it when it is done.

A deletion is an event, and so is all that comes of it: what refers to the entity is removed by commands, and the report
is a command on the entity's own stream.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .aggregate import Aggregate
from .errors import DefinitionError
from .keys import CATEGORY_PATTERN, Tenant, check_id
from .messages import Command, Event

_name = re.compile(CATEGORY_PATTERN).fullmatch


@dataclass(frozen=True, slots=True)
class Deletion:
    """`event` deleted the entity with this `id`; `at` is the time of its commit."""

    id: str
    tenant: Tenant
    event: Any
    at: datetime


To = Callable[[Any], str | Sequence[str] | None]
Remove = Callable[[str, Deletion], Command]
Report = Callable[[Deletion, int], Command]


class Cascade:
    """Named `name`, of the deletion of an aggregate's entities by the event `on`.

        cleanup = Cascade("author-cleanup", of=author, on=AuthorDeleted)

        @cleanup.refers(post, on=PostWritten)
        def written_by(event): return event.author

        @cleanup.removes(post)
        def remove_post(id, deletion): return RemovePost(id=id, author=deletion.id)

        @cleanup.reports
        def finish(deletion, removed): return FinishDeletion(id=deletion.id, removed=removed)

    All three are pure. A stream refers to what `refers` answers: one id, several, or None. Whether it still does is for
    its decider to say, as for any command: an answer of no events, or a rejection of the kind `not-found`, means that
    there is nothing to remove. Any other rejection keeps the deletion from being reported.
    What was deleted stays deleted: what comes to refer to it later is removed as well.
    """

    def __init__(self, name: str, *, of: Aggregate, on: type[Event]) -> None:
        if not _name(name):
            raise DefinitionError(f"a cascade's name is 1 to 32 of a-z, 0-9 and -, a letter first; got {name!r}")
        self.name = name
        self.of = of
        self.on = on
        self._to: dict[tuple[str, type[Event]], To] = {}
        self._removes: dict[str, Remove] = {}
        self._referring: dict[str, Aggregate] = {}
        self._report: Report | None = None

    def refers(self, aggregate: Aggregate, *, on: type[Event]) -> Callable[[To], To]:
        """Registers `to(event)`: the ids of the entities that a stream refers to since this event. May be stacked, for
        several events."""

        def register(to: To) -> To:
            if (aggregate.category, on) in self._to:
                raise DefinitionError(f"cascade {self.name}: {on.__name__} of {aggregate.category} refers twice")
            self._to[aggregate.category, on] = to
            self._referring[aggregate.category] = aggregate
            return to

        return register

    def removes(self, aggregate: Aggregate) -> Callable[[Remove], Remove]:
        """Registers `remove(id, deletion)`: the command that removes a stream of this aggregate."""

        def register(remove: Remove) -> Remove:
            if aggregate.category in self._removes:
                raise DefinitionError(f"cascade {self.name}: {aggregate.category} is removed in two ways")
            self._removes[aggregate.category] = remove
            return remove

        return register

    def reports(self, report: Report) -> Report:
        """Registers `report(deletion, removed)`: the command on the deleted entity's own stream that says that all is
        done, and how many streams were removed. Its event is what views and the lake show."""
        if self._report is not None:
            raise DefinitionError(f"cascade {self.name}: reports is declared twice")
        self._report = report
        return report

    def referred(self, aggregate: Aggregate, event: Event) -> tuple[str, ...]:
        """The ids that an event of the aggregate refers to, each once. Raises InvalidValue for what is no id."""
        to = self._to.get((aggregate.category, type(event)))
        found = None if to is None else to(event)
        ids = () if found is None else (found,) if isinstance(found, str) else tuple(found)
        return tuple(check_id(id, f"cascade {self.name}") for id in dict.fromkeys(ids))

    def removal(self, category: str, id: str, deletion: Deletion) -> tuple[Aggregate, Command]:
        """What removes a stream that refers to the deleted entity."""
        if category not in self._removes:
            raise DefinitionError(
                f"cascade {self.name}: {category} {id} refers to {deletion.id}, and nothing `removes` it any more: "
                "declare that again until what referred so is gone"
            )
        aggregate = self._referring[category]
        return aggregate, self._on_stream(self._removes[category](id, deletion), aggregate, id, "removes")

    def report(self, deletion: Deletion, removed: int) -> Command:
        """What says that all is done."""
        assert self._report is not None
        return self._on_stream(self._report(deletion, removed), self.of, deletion.id, "reports")

    @property
    def stored_types(self) -> frozenset[str]:
        """The names of stored events that it must be told of."""
        names = self.of.upcasters.sources(frozenset({self.on.type_name}))
        for category, event in self._to:
            names |= self._referring[category].upcasters.sources(frozenset({event.type_name}))
        return names

    def check(self, aggregates: Mapping[str, Aggregate]) -> None:
        """Raises DefinitionError where the parts do not fit together; called when the service is made."""
        parts = [(self.of, self.on), *((self._referring[category], event) for category, event in self._to)]
        for aggregate, event in parts:
            if aggregates.get(aggregate.category) is not aggregate or event not in aggregate.events:
                raise DefinitionError(
                    f"cascade {self.name}: {event.__name__} is no event of {aggregate.category}, as the service has it"
                )
        if not self._to:
            raise DefinitionError(
                f"cascade {self.name}: nothing refers to {self.of.category}; say by which event something does: "
                f"@{self.name.replace('-', '_')}.refers(AGGREGATE, on=EVENT)"
            )
        if odd := self._referring.keys() ^ self._removes.keys():
            raise DefinitionError(
                f"cascade {self.name}: {', '.join(sorted(odd))} must have both, `refers` to say since which event it "
                "refers to what is deleted, and `removes` for the command that removes it"
            )
        if self._report is None:
            raise DefinitionError(
                f"cascade {self.name} reports to nobody: declare with `reports` the command on the "
                f"{self.of.category} whose event says that all is removed"
            )

    def _on_stream(self, command: Command, aggregate: Aggregate, id: str, what: str) -> Command:
        """Of another stream nobody would know whether it was done."""
        decided = type(command) in aggregate.commands
        if not decided or getattr(command, aggregate.rule(type(command)).by) != id:
            raise DefinitionError(
                f"cascade {self.name}: `{what}` must answer a command on {aggregate.category} {id}, and "
                f"{type(command).__name__} is on another, or none"
            )
        return command
