"""An HTTP answer, before any gateway knows of it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is plain JSON or a model; None sends no body. Header names are lower-case."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
