"""A password as PostgreSQL keeps it, so that a statement that sets one holds nothing to log in with."""

import base64
import hashlib
import hmac
import secrets

_ITERATIONS = 4096


def verifier(password: str, salt: bytes | None = None) -> str:
    """The SCRAM-SHA-256 verifier (RFC 5803) of an ASCII password."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
