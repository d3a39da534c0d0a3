"""AES-256-GCM, with a random nonce before each ciphertext. Only domains with personal fields import it."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class AesGcm:
    """See `keyring.Cipher`."""

    def seal(self, key: bytes, plain: bytes, about: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(key).encrypt(nonce, plain, about)

    def open(self, key: bytes, sealed: bytes, about: bytes) -> bytes:
        try:
            return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except InvalidTag:
            raise ValueError("not what was encrypted") from None
