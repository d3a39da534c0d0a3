"""The queue that a cascade's work waits in: what a collector, and a remover for its next page, send to."""

import json
from dataclasses import asdict
from typing import Any

from ..kernel.cascading import Work
from .store_errors import ask


class RemovalsQueue:
    """Sends work. A message of a page is small whatever the deletion: its progress is kept with its mark."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def __call__(self, work: Work) -> None:
        """Raises StoreTimeout or StoreThrottled: then who sent it is delivered again, and sends it again."""
        ask(self._client.send_message, QueueUrl=self._url, MessageBody=json.dumps(asdict(work)))


def work_of(body: str) -> Work:
    """The inverse. Raises ValueError, TypeError for what nobody sent here."""
    return Work(**json.loads(body))
