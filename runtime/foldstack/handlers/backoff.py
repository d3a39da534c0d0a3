"""When a failed message of SQS is seen again: soon at first, then ever later, as long as its queue hides messages."""

import random
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients
from ..aws.environment import DrainedQueue
from .delivered import Delivered

FIRST_SECONDS = 2
_MOST_AT_ONCE = 10


class Backoff:
    """Between half of and all of 2 s, 4 s, 8 s ... up to the queue's own visibility timeout.

    Lambda itself would leave a failed message hidden for all of that. What cannot be hidden otherwise stays hidden so.
    """

    def __init__(self, queue: DrainedQueue, log: Logger, client: Any = None, rng: random.Random | None = None) -> None:
        self._queue = queue
        self._log = log
        self._client = client
        self._rng = rng or random.Random()

    def seconds(self, receives: int) -> int:
        """Until the next attempt, after so many."""
        longest = min(self._queue.hidden_seconds, FIRST_SECONDS * 2 ** min(receives - 1, 30))
        return self._rng.randint(max(1, longest // 2), max(1, longest))

    def hide(self, messages: Sequence[Delivered]) -> None:
        """Shows them again when it is their time."""
        client = self._client or clients.client("sqs", attempts=1)
        for start in range(0, len(messages), _MOST_AT_ONCE):
            entries = [
                {
                    "Id": str(number),
                    "ReceiptHandle": message["receiptHandle"],
                    "VisibilityTimeout": self.seconds(receives_of(message)),
                }
                for number, message in enumerate(messages[start : start + _MOST_AT_ONCE])
            ]
            try:
                answer = client.change_message_visibility_batch(QueueUrl=self._queue.url, Entries=entries)
                problem = ", ".join(sorted({each["Code"] for each in answer.get("Failed", ())}))
            except (BotoCoreError, ClientError) as error:
                problem = str(error)
            if problem:
                self._log.warning("failed messages stay hidden for the queue's whole time: %s", problem)


def receives_of(message: Delivered) -> int:
    """How often it has been given out, this time included."""
    return int(message["attributes"]["ApproximateReceiveCount"])
