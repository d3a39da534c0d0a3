"""A batch of messages from SQS, each with an outcome of its own."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger

from ..kernel.envelope import Envelope
from ..kernel.errors import Unavailable
from ..kernel.reaction import OutcomePending

Message = Mapping[str, Any]


class Batch:
    """Collects the messages that are to be delivered again: the others are done."""

    def __init__(self, log: Logger) -> None:
        self.log = log
        self._failed: dict[str, None] = {}

    def attempt(self, messages: list[Message], work: Callable[[], object]) -> None:
        """Does the work of some messages, which fail together, and leave all others alone."""
        try:
            work()
        except (Unavailable, OutcomePending) as error:
            self._again(messages)
            self.log.warning("to be delivered again: %s", error)
        except Exception:
            self._again(messages)
            self.log.exception("failed; delivered again, and to the dead letters in the end")

    @property
    def answer(self) -> dict[str, Any]:
        return {"batchItemFailures": [{"itemIdentifier": id} for id in self._failed]}

    def _again(self, messages: list[Message]) -> None:
        self._failed.update(dict.fromkeys(message["messageId"] for message in messages))


def envelope_of(message: Message) -> Envelope:
    """The envelope that came through the bus. Raises UndecodableEvent."""
    return Envelope.parse(json.loads(message["body"])["detail"])
