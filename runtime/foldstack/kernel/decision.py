"""What a decider answers: events, nothing, or a rejection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .errors import DefinitionError
from .messages import Event

PROBLEM_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "code", "errors"})
Kind = Literal["not-found", "conflict", "invalid", "forbidden"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """The domain says no. A value: nothing was stored.

    `code` is for programs (`out-of-stock`), `detail` for people, `kind` picks the HTTP status
    (not-found 404, conflict 409, invalid 422, forbidden 403), `facts` become members of the problem document,
    under names other than its own. Raises DefinitionError for one of those.
    """

    code: str
    detail: str
    kind: Kind = "conflict"
    facts: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if taken := PROBLEM_MEMBERS & self.facts.keys():
            raise DefinitionError(f"rejection {self.code}: a problem document has {sorted(taken)} of its own")


Decision = Event | Sequence[Event] | Rejection | None
