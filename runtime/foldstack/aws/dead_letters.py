"""Messages that are not worth another try: into the dead letters at once, with the reason, and its alarm calls."""

from collections.abc import Mapping
from typing import Any

from .store_errors import ask

_LONGEST_REASON = 4096


class DeadLetters:
    """The body stays as it came: mended code takes it when the queue is redriven."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def __call__(self, message: Mapping[str, Any], reason: str) -> None:
        """Raises StoreTimeout or StoreThrottled: then the message is still where it was."""
        about = {"reason": {"DataType": "String", "StringValue": reason[:_LONGEST_REASON]}}
        ask(self._client.send_message, QueueUrl=self._url, MessageBody=message["body"], MessageAttributes=about)
