"""What a decider answers: events, nothing, or a rejection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .messages import Event

Kind = Literal["not-found", "conflict", "invalid", "forbidden"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """The domain says no. A value: nothing was stored.

    `code` is for programs (`out-of-stock`), `detail` for people, `kind` picks the HTTP status
    (not-found 404, conflict 409, invalid 422, forbidden 403), `facts` go into the problem document.
    """

    code: str
    detail: str
    kind: Kind = "conflict"
    facts: dict[str, object] = field(default_factory=dict)


Decision = Event | Sequence[Event] | Rejection | None
