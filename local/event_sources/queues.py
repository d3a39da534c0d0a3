"""An SQS queue as an event source: batches in parallel, and only what succeeded is deleted."""

import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..invocation import Invocation, Invoke
from .base import LONGEST_PAUSE, SHORTEST_PAUSE, EventSource, batches, failed_items
from .faults import Faults
from .held import Held, Message
from .options import QueueOptions
from .records import queue_record

_LONG_POLL_SECONDS = 1
_HIDE_SECONDS = 60
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class QueueSource(EventSource):
    """`clients` answers a service's name with a client under the function's own role.

    What fails stays in the queue, which gives it again after its visibility timeout and moves it by its own
    redrive policy.
    """

    def __init__(
        self,
        name: str,
        *,
        queue_url: str,
        queue_arn: str,
        clients: Callable[[str], Any],
        invoke: Invoke,
        options: QueueOptions | None = None,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(name, invoke, faults)
        self.options = options or QueueOptions()
        self._queue_url = queue_url
        self._queue_arn = queue_arn
        self._clients = clients
        self._client: Any = None
        self._visibility = 30.0
        self._held = Held()
        self._in_hand = 0
        self._workers: ThreadPoolExecutor | None = None
        self._fault: Exception | None = None
        # The queue itself gives no message of a group while another of it is in flight.
        self._in_order = queue_arn.endswith(".fifo")

    def _poll(self) -> None:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if self._client is None:
            self._client = self._clients("sqs")
            self._visibility = float(self._attributes("VisibilityTimeout")["VisibilityTimeout"])
        if self._workers is None:
            self._workers = ThreadPoolExecutor(self.options.max_concurrency, f"source-{self.name}")
        with self._changed:
            self._changed.wait_for(lambda: self._in_hand < self.options.max_concurrency or self._stopping.is_set())
        messages = self._collect()
        if self._stopping.is_set():
            self._give_back(messages)
            return
        if messages:
            self._pause = SHORTEST_PAUSE
        elif self._pause < LONGEST_PAUSE or self._awaited:
            self._rest_longer()
        by_id = {id(message.record): message for message in messages}
        for batch in batches([message.record for message in messages], self.options.batch_size):
            with self._changed:
                self._in_hand += 1
            self._workers.submit(self._work, [by_id[id(record)] for record in batch])

    def _closed(self) -> None:
        if self._workers is not None:
            self._workers.shutdown(wait=True)
            self._workers = None
        self._give_back(self._held.due(within=math.inf))

    def _caught_up(self, asked: int) -> bool:
        if self._client is None or self._busy():
            return False
        counts = self._attributes(*_COUNTS)
        return not any(int(counts[name]) for name in _COUNTS) and not self._busy()

    def _busy(self) -> bool:
        return self._in_hand > 0 or len(self._held) > 0

    def _attributes(self, *names: str) -> dict[str, str]:
        answer = self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=list(names))
        return answer["Attributes"]

    def _collect(self) -> list[Message]:
        """Messages for the next batches: what there is, or what comes until a batch is full or its window ends."""
        messages = self._held.due()
        ends: float | None = None
        while len(messages) < self.options.batch_size and not self._stopping.is_set():
            wanted = min(10, self.options.batch_size - len(messages))
            messages += self._receive(wanted, ends)
            messages += self._held.due()
            if not messages:
                return []
            ends = ends or time.monotonic() + self.options.window
            if time.monotonic() >= ends:
                break
        if not self._in_order:
            self.faults.shuffle(messages)
        return messages

    def _receive(self, wanted: int, ends: float | None) -> list[Message]:
        """Up to `wanted` messages that pass the filter; after some quiet rounds, or in a window, waits for them."""
        left = 0.0 if ends is None else ends - time.monotonic()
        quiet = ends is None and self._pause >= LONGEST_PAUSE and not self._awaited and not len(self._held)
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=wanted,
            WaitTimeSeconds=_LONG_POLL_SECONDS if quiet or left >= _LONG_POLL_SECONDS else 0,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = [Message(queue_record(raw, self._queue_arn)) for raw in answer.get("Messages", [])]
        accepted = [m for m in messages if self.options.filters.accept_message(m.record)]
        self._delete([m for m in messages if m not in accepted])
        taken = []
        for message in accepted:
            if not self._in_order and (seconds := self.faults.delay()):
                self._held.keep(message, min(seconds, self._visibility / 2))
            else:
                taken.append(message)
        if ends is not None and not taken:
            self._stopping.wait(SHORTEST_PAUSE)
        return taken

    def _work(self, batch: list[Message]) -> None:
        try:
            self._hand_on(batch)
        except Exception as error:  # noqa: BLE001 - told to the source's own thread, which raises it
            self._fault = error
        finally:
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()

    def _hand_on(self, batch: list[Message]) -> None:
        hidden_until: float | None = None

        def go_on() -> bool:
            """While the function is throttled the messages stay hidden, so that no receive is counted."""
            nonlocal hidden_until
            now = time.monotonic()
            if hidden_until is None or now > hidden_until - _HIDE_SECONDS / 2:
                self._change_visibility(batch, _HIDE_SECONDS)
                hidden_until = now + _HIDE_SECONDS
            return True

        answer = self._call({"Records": [message.record for message in batch]}, go_on)
        if answer.status == "throttled":
            self._give_back(batch)
            return
        failed = self._failed(answer, batch)
        done = [message for message in batch if message.id not in failed and not message.copy]
        for message in done:
            if self.faults.duplicate():
                copy = Message(message.record, copy=True)
                self._held.keep(copy, self.faults.delay())
        self._delete(done)
        again = [message for message in batch if message.id in failed]
        if self.options.retry_seconds is not None:
            self._change_visibility(again, self.options.retry_seconds)
        elif hidden_until is not None:
            self._change_visibility(again, int(self._visibility))

    def _failed(self, answer: Invocation, batch: list[Message]) -> set[str]:
        everything = {message.id for message in batch}
        if not answer.ok:
            return everything
        if not self.options.partial:
            return set()
        named = failed_items(answer, everything)
        return everything if named is None else named

    def _give_back(self, messages: Iterable[Message]) -> None:
        self._change_visibility(messages, 0)

    def _delete(self, messages: list[Message]) -> None:
        for some in _tens(messages):
            entries = [{"Id": str(i), "ReceiptHandle": m.receipt} for i, m in enumerate(some)]
            answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
            _raise_failed(answer, "DeleteMessage")

    def _change_visibility(self, messages: Iterable[Message], seconds: int) -> None:
        """A message whose receipt has run out is visible already: that is no failure."""
        for some in _tens([message for message in messages if not message.copy]):
            entries = [
                {"Id": str(i), "ReceiptHandle": m.receipt, "VisibilityTimeout": seconds} for i, m in enumerate(some)
            ]
            self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)


def _tens(messages: list[Message]) -> Iterable[list[Message]]:
    return (messages[i : i + 10] for i in range(0, len(messages), 10))


def _raise_failed(answer: dict[str, Any], action: str) -> None:
    refused = [entry for entry in answer.get("Failed", []) if entry["Code"] != "ReceiptHandleIsInvalid"]
    if refused:
        raise LookupError(f"{action} was refused: {refused[0]['Code']}: {refused[0].get('Message', '')}")
