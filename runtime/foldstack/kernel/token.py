"""Consistency tokens: opaque to clients, a promise of the state that a command's answer was about."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from .errors import InvalidValue
from .keys import check_category, check_id

HEADER = "x-consistency-token"
_MOST_STREAMS = 16  # of the longest ids they are 3,800 characters: a header may hold them


@dataclass(frozen=True, slots=True)
class Token:
    """For some streams of the caller's own tenant, the tip that a view must have reached: {(category, id): next}."""

    epoch: int
    tips: dict[tuple[str, str], int]

    @classmethod
    def of(cls, epoch: int, tips: Iterable[tuple[tuple[str, str], int]]) -> "Token":
        """The highest tip of each stream; of very many the first 16, so that the token is one that is taken back."""
        highest: dict[tuple[str, str], int] = {}
        for stream, tip in tips:
            if stream in highest or len(highest) < _MOST_STREAMS:
                highest[stream] = max(tip, highest.get(stream, 0))
        return cls(epoch, highest)

    def encode(self) -> str:
        data = to_json([self.epoch, [[category, id, tip] for (category, id), tip in self.tips.items()]])
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Token":
        """Raises InvalidValue naming the header."""
        wrong = InvalidValue(HEADER, "must be a token of an earlier answer, sent back unchanged")
        try:
            if not text.isascii() or len(text) > 4096:
                raise wrong
            epoch, rows = from_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            tips = {(check_category(c), check_id(id, HEADER)): tip for c, id, tip in rows}
        except (ValueError, TypeError, binascii.Error, InvalidValue):
            raise wrong from None
        numbers = [epoch, *tips.values()]
        if len(tips) > _MOST_STREAMS or any(type(n) is not int or not 0 < n < 2**53 for n in numbers):
            raise wrong
        return cls(epoch, tips)
