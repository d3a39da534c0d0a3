"""Random histories of a tenant's journal, and what its views must show in the end, told by the commands alone."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Totals = dict[str, dict[str, int]]
STARS = range(6)


@dataclass(frozen=True)
class Step:
    """A command, by a key of its own; `again`: it is sent once more with that key."""

    key: str
    command: str
    data: dict[str, Any]
    again: bool = False


@dataclass(frozen=True)
class History:
    """Of one tenant, over 2 to 5 streams. The same seed gives the same."""

    tenant: str
    seed: str

    @property
    def steps(self) -> Iterator[Step]:
        rng = random.Random(self.seed)
        ids = [f"e{n}" for n in range(rng.randint(2, 5))]
        for n in range(rng.randint(5, 14)):
            command, data = _command(rng)
            yield Step(f"k{n}", command, {"id": rng.choice(ids), **data}, again=rng.random() < 0.1)

    def __str__(self) -> str:
        return "\n".join([f"history {self.seed!r} of tenant {self.tenant}:", *map(str, self.steps)])


def _command(rng: random.Random) -> tuple[str, dict[str, Any]]:
    kind = rng.choices(["Write", "Rate", "Review", "See", "Burn"], [6, 6, 2, 4, 2])[0]
    text, stars = f"text {rng.randint(0, 9)}", rng.choice(STARS)
    fields = {"Write": {"text": text}, "Rate": {"stars": stars}, "Review": {"text": text, "stars": stars}}
    return kind, {"See": {"times": rng.randint(1, 3)}, "Burn": {}, **fields}[kind]


@dataclass
class Shown:
    """What a tenant's views show: rows by id, and totals by key without zeros."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    ratings: dict[str, dict[str, Any]] = field(default_factory=dict)
    entry_totals: Totals = field(default_factory=dict)
    rating_totals: Totals = field(default_factory=dict)


class Model:
    """Takes commands in the order in which each stream got them. Knows nothing of events."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.ratings: dict[str, dict[str, Any]] = {}

    def take(self, command: str, data: dict[str, Any]) -> None:
        id = data["id"]
        if command in ("Write", "Review"):
            row = self.entries.setdefault(id, {"text": "", "stars": 0, "changes": 0})
            row["text"] = data["text"]
            row["changes"] += 1
        if command in ("Rate", "Review") and id in self.entries:
            row = self.entries[id]
            row["stars"] = data["stars"]
            row["changes"] += 1
            rated = self.ratings.setdefault(id, {"count": 0, "stars": 0})
            rated["count"] += 1
            rated["stars"] += data["stars"]
        if command == "Burn" and self.entries.pop(id, None):
            self.take("Write", {"id": f"late-{id}", "text": "burnt"})

    @property
    def shown(self) -> Shown:
        sums = Counter({"entries": len(self.entries), **_sums(self.entries.values(), "stars", "changes")})
        of_stars = Counter(f"stars-{row['stars']}" for row in self.entries.values())
        entry_totals = {"all": dict(sums), **{key: {"entries": n} for key, n in of_stars.items()}}
        rating_totals = {"all": _sums(self.ratings.values(), "count", "stars")}
        return Shown(self.entries, self.ratings, without_zeros(entry_totals), without_zeros(rating_totals))


def without_zeros(totals: Totals) -> Totals:
    found = {key: {name: n for name, n in fields.items() if n} for key, fields in totals.items()}
    return {key: fields for key, fields in found.items() if fields}


def _sums(rows: Any, *names: str) -> dict[str, int]:
    rows = list(rows)
    return {name: sum(row[name] for row in rows) for name in names}
