"""Taking turns: A B C, B C A, … so that whatever else the machine does touches all sides alike."""

import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Sample = Callable[[], float]
"""One measurement, in the unit of the question."""


@dataclass(frozen=True)
class Goal:
    """`ratio` is what is aimed at; `at_least` says whether more is better."""

    ratio: float
    at_least: bool

    def met(self, reached: float) -> bool:
        return reached >= self.ratio if self.at_least else reached <= self.ratio


@dataclass(frozen=True)
class Comparison:
    """The sides of one question. `medians` are in `unit`, and so are the quartiles in `spread`.

    `ratios` holds, for each other side, how our side stands to it: the median over the rounds of one round's
    ratio. `faster` says which way round: their time by ours (how many times as fast), or ours by theirs.
    """

    question: str
    unit: str
    ours: str
    rounds: int
    medians: dict[str, float]
    spread: dict[str, tuple[float, float]]
    ratios: dict[str, float]
    judged_by: str
    goal: Goal | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "question": self.question,
            "unit": self.unit,
            "rounds": self.rounds,
            "medians": {side: round(value, 3) for side, value in self.medians.items()},
            "quartiles": {side: [round(value, 3) for value in both] for side, both in self.spread.items()},
            "ours": self.ours,
            "ratios": {side: round(value, 3) for side, value in self.ratios.items()},
            "peer": self.judged_by,
            "ratio": round(self.ratios[self.judged_by], 3),
            "notes": list(self.notes),
        }
        if self.goal is not None:
            document["goal"] = {"at_least" if self.goal.at_least else "at_most": self.goal.ratio}
            document["met"] = self.goal.met(self.ratios[self.judged_by])
        return document


@dataclass(frozen=True)
class Table:
    """Counts, and whatever else has no peer: rows under the same columns."""

    question: str
    rows: list[dict[str, Any]]
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        return {"question": self.question, "rows": self.rows, "notes": list(self.notes)}


def compare(
    question: str,
    sides: Mapping[str, Sample],
    *,
    unit: str,
    rounds: int,
    faster: bool,
    peer: str | None = None,
    goal: float | None = None,
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Measures all sides `rounds` times, the first of them being ours.

    `faster`: the ratio is how many times as fast we are, to be at least `goal`; else it is our cost by theirs,
    at most `goal`. Judged by `peer`, or by the hardest of the others.
    """
    ours, *others = sides
    taken = take_turns(sides, rounds)
    medians = {side: statistics.median(values) for side, values in taken.items()}
    ratios = {
        side: statistics.median(
            their / our if faster else our / their for our, their in zip(taken[ours], taken[side], strict=True)
        )
        for side in others
    }
    hardest = min if faster else max
    return Comparison(
        question,
        unit,
        ours,
        rounds,
        medians,
        {side: quartiles(values) for side, values in taken.items()},
        ratios,
        peer or hardest(ratios, key=lambda side: ratios[side]),
        None if goal is None else Goal(goal, at_least=faster),
        notes,
    )


def take_turns(sides: Mapping[str, Sample], rounds: int) -> dict[str, list[float]]:
    """Every side once a round, each round begun by the next side; what lies about is collected between."""
    taken: dict[str, list[float]] = {side: [] for side in sides}
    order = list(sides)
    for _ in range(rounds):
        for side in order:
            gc.collect()
            taken[side].append(sides[side]())
        order.append(order.pop(0))
    return taken


def percentile(values: list[float], share: int) -> float:
    """The smallest value that at least `share` % of them do not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def quartiles(values: list[float]) -> tuple[float, float]:
    """The first and the third."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
