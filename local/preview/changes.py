"""Two snapshots of one program, and what Pulumi would do to get from one to the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ..resources import HANDLERS, holds_data
from .contract_changes import ContractChange, contract_changes
from .snapshot import REFERENCE, Resource, Snapshot, reference
from .values import ABSENT, Difference, differences

Kind = Literal["create", "change", "replace", "delete"]

UNKNOWN = "<known when it is made>"
_GUARDS = ("deletionProtection", "pointInTimeRecovery", "versioningConfiguration")
_VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


@dataclass(frozen=True)
class Change:
    """What happens to one resource. `forced_by` are the inputs that make it another one; `risk` says in words what
    may be lost, and is empty where nothing is."""

    kind: Kind
    resource: Resource
    differences: tuple[Difference, ...] = ()
    unknown: frozenset[str] = frozenset()
    forced_by: tuple[str, ...] = ()
    risk: str = ""
    moved_from: str = ""


@dataclass(frozen=True)
class Changes:
    """Of resources, in the order of registration, deletions last; of the stack's outputs; and of contracts."""

    of_resources: list[Change]
    of_exports: tuple[Difference, ...] = ()
    of_contracts: tuple[ContractChange, ...] = ()

    @property
    def at_risk(self) -> list[Change]:
        return [change for change in self.of_resources if change.risk]

    @property
    def breaking(self) -> list[ContractChange]:
        return [change for change in self.of_contracts if change.breaking]

    def of(self, kind: Kind) -> list[Change]:
        return [change for change in self.of_resources if change.kind == kind]

    def __bool__(self) -> bool:
        return bool(self.of_resources or self.of_exports or self.of_contracts)


def changes(old: Snapshot, new: Snapshot) -> Changes:
    """What `new` does to a stack that is as `old` has it."""
    return _Comparison(old, new).changes()


@dataclass
class _Comparison:
    old: Snapshot
    new: Snapshot
    replaced: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def changes(self) -> Changes:
        self._find_replaced()
        found = [change for each in self.new.resources.values() if (change := self._of(each))]
        gone = self.old.resources.keys() - self.former.values()
        found += [self._deletion(each) for urn, each in reversed(self.old.resources.items()) if urn in gone]
        exports = differences(self.old.exports, self._renamed(self.new.exports), "")
        return Changes(
            found,
            tuple(Difference(each.path.lstrip("."), each.old, each.new) for each in exports),
            tuple(contract_changes(self.old.contracts, self.new.contracts)),
        )

    @cached_property
    def former(self) -> dict[str, str]:
        """URN -> the one that the same resource has in the stack, for each that is there already."""
        found: dict[str, str] = {}
        for urn in self.new.resources:
            names = (urn, *self.new.resources[urn].aliases)
            was = next((each for each in names if each in self.old.resources), None)
            if was is not None and was not in found.values():
                found[urn] = was
        return found

    def _find_replaced(self) -> None:
        """Until no more follow: what is made of a replaced resource's name changes too, and may replace in turn."""
        while True:
            more = {}
            for urn in self.former.keys() - self.replaced.keys():
                if forced := self._forced(urn):
                    more[urn] = forced
            if not more:
                return
            self.replaced |= more

    def _forced(self, urn: str) -> tuple[str, ...]:
        each = self.new.resources[urn]
        handler = HANDLERS.get(each.type)
        if not each.custom or handler is None:
            return ()
        forcing = (handler.replaced_by | set(each.options["replace_on_changes"])) - set(each.options["ignore_changes"])
        changed = {key for key in forcing if key in self._changed_inputs(urn)}
        return tuple(sorted(changed | (forcing & self._unknown(urn))))

    def _changed_inputs(self, urn: str) -> dict[str, tuple[Difference, ...]]:
        was, now = self.old.resources[self.former[urn]], self.new.resources[urn]
        inputs = self._renamed(now.inputs)
        found = {
            key: tuple(differences(was.inputs.get(key, ABSENT), inputs.get(key, ABSENT), key))
            for key in dict.fromkeys([*was.inputs, *inputs])
            if key not in now.options["ignore_changes"]
        }
        return {key: each for key, each in found.items() if each}

    def _unknown(self, urn: str) -> frozenset[str]:
        """Inputs that hold a name of what is yet to be made."""
        made = self.new.resources.keys() - self.former.keys() | self.replaced.keys()
        inputs = self.new.resources[urn].inputs
        return frozenset(key for key, value in inputs.items() if made & _referenced(value))

    def _of(self, each: Resource) -> Change | None:
        if each.urn not in self.former:
            return Change("create", each)
        if not each.custom:
            return None
        was = self.old.resources[self.former[each.urn]]
        unknown = self._unknown(each.urn)
        changed = self._changed_inputs(each.urn)
        found = [difference for part in changed.values() for difference in part]
        found += [Difference(key, "", UNKNOWN) for key in sorted(unknown - changed.keys())]
        found += differences(was.options, each.options, "options")
        if not found:
            return None
        moved = was.urn if was.urn != each.urn else ""
        forced = self.replaced.get(each.urn, ())
        if forced:
            return Change("replace", each, tuple(found), unknown, forced, _loss(was, "replaced"), moved)
        return Change("change", each, tuple(found), unknown, (), _weaker(each, found), moved)

    def _deletion(self, each: Resource) -> Change:
        return Change("delete", each, risk=_loss(each, "deleted"))

    def _renamed(self, value: Any) -> Any:
        """References by the URNs of the stack as it is."""
        if isinstance(value, dict):
            return {key: self._renamed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._renamed(inner) for inner in value]
        if isinstance(value, str):
            return REFERENCE.sub(lambda found: reference(self.former.get(found[1], found[1])), value)
        return value


def _referenced(value: Any) -> set[str]:
    return set(REFERENCE.findall(json.dumps(value)))


def _loss(was: Resource, what: str) -> str:
    if not holds_data(was.type):
        return ""
    if was.options["protect"]:
        return f"it holds data and is protected: `pulumi up` refuses until that is taken off, then it is {what}"
    if was.options["retain_on_delete"]:
        return f"it holds data: that stays in the account, outside the stack, when it is {what}"
    return f"it holds data, which is lost when it is {what}"


def _weaker(each: Resource, found: list[Difference]) -> str:
    """Guards that fall are a risk before anything is lost; and objects stay under the key they were written with."""
    if each.type == _ENCRYPTION and any("kmsMasterKeyId" in difference.path for difference in found):
        return "what is in the bucket stays under the key it has: whoever reads it needs rights on that"
    if not holds_data(each.type) and each.type != _VERSIONING:
        return ""
    fallen = [
        difference.path
        for difference in found
        if (difference.path in ("options.protect", "options.retain_on_delete") and difference.new is False)
        or (
            difference.path.startswith(_GUARDS)
            and difference.new in (False, ABSENT, "INACTIVE", "Suspended", "Disabled")
        )
    ]
    return f"it holds data, and is guarded less: {', '.join(fallen)}" if fallen else ""


def counts(found: Changes) -> Mapping[str, int]:
    """Kind -> how many, in the order in which they matter."""
    return {kind: len(found.of(kind)) for kind in ("replace", "delete", "change", "create")}
