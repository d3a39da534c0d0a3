"""A reservation's id says which product holds it, and until when: a purchase finds both without a search."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import NamedTuple

from foldstack import ID_PATTERN, derived_id

_SUFFIX = 22
PATTERN = r"^[A-Za-z0-9._~-]{1,160}$"
_product = re.compile(ID_PATTERN).fullmatch


class ReservationId(NamedTuple):
    """`PRODUCT.SUFFIX`; the suffix is 4 bytes of expiry in epoch seconds and 12 that make it unique."""

    product_id: str
    expires_at: datetime
    text: str

    @classmethod
    def make(cls, product_id: str, expires_at: datetime, unique: str) -> "ReservationId":
        tail = base64.urlsafe_b64decode(derived_id(product_id, unique) + "==")[:12]
        suffix = base64.urlsafe_b64encode(int(expires_at.timestamp()).to_bytes(4, "big") + tail)
        return cls(product_id, expires_at, f"{product_id}.{suffix.rstrip(b'=').decode()}")

    @classmethod
    def parse(cls, text: str) -> "ReservationId | None":
        """None for text that `make` can't have made."""
        product_id, _, suffix = text.rpartition(".")
        if len(suffix) != _SUFFIX or not _product(product_id):
            return None
        try:
            raw = base64.b64decode(suffix + "==", altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        return cls(product_id, datetime.fromtimestamp(int.from_bytes(raw[:4], "big"), UTC), text)

    @property
    def purchase_id(self) -> str:
        """One reservation, one purchase: whoever asks for it again means the same. The store keeps tenants apart."""
        return derived_id("purchase", self.text)
