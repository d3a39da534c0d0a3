"""The example domain: products with stock, reservations that expire, purchases paid for once."""

from .service import service

__all__ = ["service"]
