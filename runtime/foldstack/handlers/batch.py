"""A batch from a queue or a stream, each record with an outcome of its own."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger

from ..aws.environment import DrainedQueue
from ..kernel.errors import Unavailable
from ..kernel.reaction import OutcomePending
from .backoff import Backoff
from .delivered import Delivered, group_of, identifier


class Batch:
    """Collects the records that are to be delivered again: the others are done. `queue` is where they came from, if
    it was one."""

    def __init__(self, log: Logger, queue: DrainedQueue | None) -> None:
        self.log = log
        self._backoff = Backoff(queue, log) if queue else None
        self._failed: dict[str, Delivered] = {}
        self._stopped: set[str] = set()

    def attempt(self, record: Delivered, work: Callable[[], object]) -> None:
        """Does the work of a record, and leaves all others alone; but a FIFO queue keeps the order of a group only
        where whatever follows its first failure fails as well."""
        if group_of(record) in self._stopped:
            self._again([record])
        else:
            self.together([record], work)

    def together(self, records: list[Delivered], work: Callable[[], object]) -> None:
        """Does the work of some records, which fail together."""
        try:
            work()
        except (Unavailable, OutcomePending) as error:
            self._again(records)
            self.log.warning("to be delivered again: %s", error)
        except Exception:
            self._again(records)
            self.log.exception("failed; delivered again, and to the dead letters in the end")

    def answer(self) -> dict[str, Any]:
        """Tells which have failed, and the queue when to give them out again. Of a stream Lambda delivers again from
        the first that failed on."""
        if self._backoff and self._failed:
            self._backoff.hide(list(self._failed.values()))
        return {"batchItemFailures": [{"itemIdentifier": id} for id in self._failed]}

    def _again(self, records: list[Delivered]) -> None:
        self._failed.update((identifier(record), record) for record in records)
        self._stopped.update(filter(None, map(group_of, records)))
