"""The identities of what holds data, committed beside the program: one that is lost would be an empty one next time.

A line for each resource, `type::name`, with the types of its components before its own, as in its URN.
"""

from collections.abc import Iterable
from pathlib import Path

from .graph import Registered
from .resources import holds_data


def ledger_of(program: Path, stack: str) -> Path:
    """Beside the stack's file."""
    return program / f"identities.{stack}.txt"


class LedgerError(Exception):
    """The program and its ledger differ; the message says in what, and what to do."""


def identities(resources: Iterable[Registered]) -> list[str]:
    """Those of what holds data, sorted."""
    return sorted(_identity(each.urn) for each in resources if holds_data(each.type))


def check(resources: Iterable[Registered], ledger: Path) -> None:
    """Raise LedgerError where something that the ledger has is neither there nor an alias, or something is new."""
    resources = list(resources)
    kept = _read(ledger)
    there = identities(resources)
    known = {_identity(alias) for each in resources for alias in each.options.aliases}
    lost = [each for each in kept if each not in there and each not in known]
    new = [each for each in there if each not in kept]
    if lost:
        raise LedgerError(
            f"the program no longer has what {ledger.name} says holds data:\n  "
            + "\n  ".join(lost)
            + "\nA deployed stack would lose it, or get an empty one under the new name"
            + (f": {', '.join(_name(each) for each in new)}" if new else "")
            + ".\nGive what is renamed an alias, `pulumi.ResourceOptions(aliases=[pulumi.Alias(name=...)])`; "
            "what is given up on purpose is taken out of the ledger by hand."
        )
    if new:
        raise LedgerError(
            f"{ledger.name} does not have what the program makes to hold data:\n  "
            + "\n  ".join(new)
            + "\nWrite it down: `foldstack identities --write`."
        )


def write(resources: Iterable[Registered], ledger: Path) -> None:
    """Add what is new, and what an alias has moved; nothing is ever taken out."""
    lines = sorted({*_read(ledger), *identities(resources)}) if ledger.is_file() else identities(resources)
    ledger.write_text("".join(f"{each}\n" for each in lines))


def _read(ledger: Path) -> list[str]:
    return ledger.read_text().split() if ledger.is_file() else []


def _identity(urn: str) -> str:
    """Without project and stack."""
    _, _, rest = urn.partition("::")
    return rest.partition("::")[2]


def _name(identity: str) -> str:
    return identity.rpartition("::")[2]
