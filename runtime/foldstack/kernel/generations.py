"""Which generation of a view is read, and which are fed: what a rebuild changes, step by step.

    live 1 --begin--> live 1, building 2 --built--> live 1, built 2 --switch--> live 2, switched from 1
                            |                            |    ^                       |        |
                            +----------- retire ---------+    +------- rollback ------+      retire
                                          |                                                    |
                                       live 1                                                live 2

Each step is a value made of another; the store keeps the newest by one conditional put. A number is never used again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from .errors import OperationRefused

Stage = Literal["", "building", "built", "switched"]


class Rebuilding(NamedTuple):
    """How far a rebuild is. `positions` holds for each segment of the store where to go on, None where it is done.

    `runner` is the process that builds; `epoch` the store's and `code` the projection's fingerprint when it began.
    `scanned` counts commits seen so far; `estimate` what there were in the store, about.
    """

    runner: str
    epoch: int
    code: str
    positions: tuple[Any, ...]
    scanned: int = 0
    estimate: int = 0


@dataclass(frozen=True)
class Control:
    """The state of one view. `live` is what readers read; `other`, where there is one, is fed too.

    `changed` is when it was last changed what is read or fed, in seconds since 1970; `revision` counts all changes,
    `turn` those of `live`: what a copy of the rows that were read needs to tell the newer, after a rollback too.
    """

    live: int = 1
    other: int | None = None
    stage: Stage = ""
    latest: int = 1
    changed: float = 0.0
    revision: int = 0
    rebuilding: Rebuilding | None = field(default=None)
    turn: int = 0

    @property
    def fed(self) -> tuple[int, ...]:
        return (self.live,) if self.other is None else (self.live, self.other)

    def begin(self, rebuilding: Rebuilding, now: float) -> "Control":
        """A new generation is fed from now on."""
        if self.stage:
            raise OperationRefused(f"generation {self.other} is {self.stage}: {_NEXT[self.stage]}")
        new = self.latest + 1
        return self._next(other=new, stage="building", latest=new, changed=now, rebuilding=rebuilding)

    def progress(self, rebuilding: Rebuilding) -> "Control":
        """The rebuild has come further, or another process goes on with it."""
        self._expect("building", "there is no rebuild under way; `rebuild NAME` begins one")
        return self._next(rebuilding=rebuilding)

    def built(self) -> "Control":
        self._expect("building", "there is no rebuild under way; `rebuild NAME` begins one")
        return self._next(stage="built", rebuilding=None)

    def switch(self, now: float) -> "Control":
        """Readers go over to the new generation; the old one stays fed."""
        self._expect("built", "nothing is built that could be switched to; `rebuild NAME` builds it")
        return self._turn("switched", now)

    def rollback(self, now: float) -> "Control":
        """Readers go back to the old generation, which was fed all the time; the new one stays fed too."""
        self._expect("switched", "nothing was switched that could be taken back")
        return self._turn("built", now)

    def retire(self, now: float) -> "Control":
        """The generation that is not read is no longer fed."""
        if self.other is None:
            raise OperationRefused("only one generation is fed: there is nothing to end")
        return self._next(other=None, stage="", changed=now, rebuilding=None)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**self.__dict__, "rebuilding": self.rebuilding._asdict() if self.rebuilding else None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Control":
        found = content["rebuilding"]
        rebuilding = Rebuilding(**{**found, "positions": tuple(found["positions"])}) if found else None
        return cls(**{**content, "rebuilding": rebuilding})

    def _turn(self, stage: Stage, now: float) -> "Control":
        assert self.other is not None
        return self._next(live=self.other, other=self.live, stage=stage, changed=now, turn=self.turn + 1)

    def _next(self, **changes: Any) -> "Control":
        return replace(self, revision=self.revision + 1, **changes)

    def _expect(self, stage: Stage, otherwise: str) -> None:
        if self.stage != stage:
            raise OperationRefused(otherwise)


_NEXT = {
    "building": "`rebuild NAME` goes on with it, `rebuild NAME --cancel` gives it up",
    "built": "`rebuild NAME --switch` has it read, `rebuild NAME --cancel` gives it up",
    "switched": "`rebuild NAME --finish` ends the old one, `rebuild NAME --rollback` goes back to it",
}
