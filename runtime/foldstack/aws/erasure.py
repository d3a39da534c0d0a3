"""One person is erased, and it is shown that it is done: where ciphertext is left, and that nobody can read it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..kernel import personal, snapshot
from ..kernel.commit import Commit
from ..kernel.errors import OperationRefused
from ..kernel.executor import Executor
from ..kernel.keyring import LIFE, Keyring, reference
from ..kernel.keys import StreamId, Tenant, check_id
from ..kernel.projection import Projection
from ..kernel.service import Service
from ..kernel.store import CommitStore
from .commit_scan import CommitTableScan
from .key_table import Eraser, Tombstone
from .view_operations import OperatedViews

RECOVERY_DAYS = 7
"""How long the key table can be restored to a moment when the key was there."""
LONGEST_INVOCATION = 60
"""Seconds that what began with a key in hand may go on with it."""


@dataclass
class Left:
    """Ciphertext that nobody can read any more: values by where they are. `readable` are those that somebody can."""

    commits: int = 0
    snapshots: int = 0
    streams: set[StreamId] = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    values: int = 0
    readable: int = 0
    folded: int = 0


@dataclass(frozen=True)
class Report:
    """`again` says that the key was erased before; `left` is None where nobody looked. `user_pool` is the id of the
    service's, if it has one."""

    tenant: Tenant
    subject: str
    tombstone: Tombstone
    again: bool
    left: Left | None
    user_pool: str = ""

    @property
    def elsewhere(self) -> list[str]:
        """Where else something of a person may be, that no key of theirs encrypts."""
        account = (
            f"an account in the user pool {self.user_pool}, with an e-mail address, where the person signs in: "
            "`foldstack user remove EMAIL` deletes it"
        )
        return ([account] if self.user_pool else []) + ["what effects have sent to other systems"]

    @property
    def functions_until(self) -> str:
        """When no function can have the key in hand any more, at the latest."""
        return _later(self.tombstone.at, timedelta(seconds=LIFE + LONGEST_INVOCATION))

    @property
    def final_from(self) -> str:
        """The day from which nothing brings the key back."""
        return _later(self.tombstone.at, timedelta(days=RECOVERY_DAYS + 1))[:10]

    @property
    def proven(self) -> bool:
        return self.left is not None and not self.left.readable

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        left = self.left
        return {
            "tenant": str(self.tenant),
            "subject": self.subject,
            "erasedAt": self.tombstone.at,
            "who": self.tombstone.who,
            "why": self.tombstone.why,
            "erasedBefore": self.again,
            "functionsUntil": self.functions_until,
            "finalFrom": self.final_from,
            "proven": self.proven,
            "notErased": self.elsewhere,
            "ciphertext": left
            and {
                "streams": sorted(stream.key for stream in left.streams),
                "commits": left.commits,
                "snapshots": left.snapshots,
                "rows": dict(left.rows),
                "values": left.values,
                "readable": left.readable,
                "foldedStreams": left.folded,
            },
        }


class Erasure:
    """Of one subject. `eraser` has the rights of the role that may."""

    def __init__(self, eraser: Eraser, service: Service, tenant: Tenant, subject: str) -> None:
        self._eraser = eraser
        self._service = service
        self._tenant = tenant
        self._subject = check_id(subject, "subject")
        self._ref = reference(tenant, subject)

    def erase(self, who: str, why: str) -> tuple[Tombstone, bool]:
        """The tombstone, and whether it was there before. Raises OperationRefused for a subject without a key."""
        known = self._eraser.look(self._tenant, self._ref)
        if isinstance(known, Tombstone):
            return known, True
        if not known:
            raise OperationRefused(
                f"{self._service.name} has never kept anything personal of {self._subject!r} in tenant {self._tenant}: "
                f"there is no key. A subject is what one of these fields holds, spelled as it is there: "
                f"{', '.join(_subjects(self._service))}"
            )
        return self._eraser.erase(self._tenant, self._ref, who, why), False

    def left(
        self, scan: CommitTableScan, commits: CommitStore, views: Iterable[tuple[Projection, OperatedViews]]
    ) -> Left:
        """Everything of the tenant is read, and whatever is of the subject decoded as functions do it."""
        left = Left()
        keyring = Keyring(_Erased(self._eraser, self._ref), _no_cipher)
        for commit in _all_commits(scan, self._tenant):
            self._commit(commit, keyring, left)
        executor = Executor(commits, keyring=keyring)
        for stream in left.streams:
            aggregate = self._service.aggregates.get(stream.category)
            if aggregate is not None:
                executor.load(stream, aggregate, consistent=True)
                left.folded += 1
        for projection, store in views:
            for generation in store.control(projection).fed:
                self._view(projection.in_generation(generation), store, keyring, left)
        return left

    def _commit(self, commit: Commit, keyring: Keyring, left: Left) -> None:
        documents: list[Any] = [event.data for event in commit.stored]
        documents.append(commit.result)
        in_snapshot = commit.snapshot is not None and self._count(
            [snapshot.decode(commit.snapshot).state], keyring, left
        )
        left.snapshots += in_snapshot
        if self._count(documents, keyring, left) or in_snapshot:
            left.commits += 1
            left.streams.add(commit.stream)

    def _view(self, generation: Projection, store: OperatedViews, keyring: Keyring, left: Left) -> None:
        after, more = None, True
        while more:
            page = store.leads(generation, after)
            for row in page.rows:
                if row.tenant != self._tenant or not self._count([row.lead.row], keyring, left):
                    continue
                left.rows[generation.label] += 1
                opener = keyring.opener(self._tenant, row.lead.row)
                generation.row_type.__pydantic_validator__.validate_python(
                    row.lead.row, strict=False, context=opener
                )  # a row that its model refuses, erased as it is, would be an error here and not at a caller's
            after = page.after
            more = after is not None

    def _count(self, documents: list[Any], keyring: Keyring, left: Left) -> bool:
        mine = [token for token in personal.tokens(documents) if token.partition(".")[0] == self._ref]
        left.values += len(mine)
        for token in mine:
            document = {personal.MARK: token}
            try:
                shown = keyring.opener(self._tenant, document).document(document)
            except _Readable:
                shown = None
            left.readable += shown != personal.ERASED
        return bool(mine)


class _Readable(Exception):
    """A key is where it should be no more."""


class _Erased:
    """Keys, for whoever shall read nothing: of the subject a look at the table, of all others nothing. Reading as if
    they were erased shows nobody's data, and that everything still folds."""

    def __init__(self, eraser: Eraser, ref: str) -> None:
        self._eraser = eraser
        self._ref = ref

    def find(self, tenant: Tenant, refs: Collection[str]) -> Mapping[str, bytes | None]:
        if self._ref in refs and not isinstance(self._eraser.look(tenant, self._ref), Tombstone):
            raise _Readable
        return dict.fromkeys(refs)

    def make(self, tenant: Tenant, ref: str) -> bytes | None:
        raise OperationRefused("nothing is written here")


def _no_cipher() -> Any:
    return None


def _subjects(service: Service) -> list[str]:
    from ..kernel.personal_check import of_aggregate

    fields = (each for aggregate in service.aggregates.values() for each in of_aggregate(aggregate))
    return sorted({f"{each.model.__name__}.{each.subject}" for each in fields})


def _all_commits(scan: CommitTableScan, tenant: Tenant) -> Iterator[Commit]:
    after, more = None, True
    while more:
        page = scan.whole(tenant, after)
        yield from page.commits
        after = page.after
        more = after is not None


def _later(at: str, by: timedelta) -> str:
    return (datetime.fromisoformat(at) + by).isoformat(timespec="seconds").replace("+00:00", "Z")
