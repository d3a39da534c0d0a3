"""What a person types, as values: streams, moments, rates."""

import re
from datetime import UTC, datetime, timedelta

from foldstack.kernel.errors import InvalidValue
from foldstack.kernel.keys import StreamId, Tenant

_AGO = re.compile(r"([0-9]{1,6})([smhd])").fullmatch
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def stream_id(text: str, tenant: str | None) -> StreamId:
    """`category#id` of a tenant, or `tenant#category#id` as events and logs name it. Raises InvalidValue."""
    parts = text.split("#")
    if len(parts) == 2 and tenant is not None:
        return StreamId.parse(f"{tenant}#{text}")
    if len(parts) == 3 and tenant in (None, parts[0]):
        return StreamId.parse(text)
    raise InvalidValue("stream", f"is tenant#category#id, or category#id with --tenant; got {text!r}")


def tenant_of(text: str | None) -> Tenant | None:
    return None if text is None else Tenant(text)


def moment(text: str, field: str, now: datetime | None = None) -> str:
    """A time in RFC 3339 UTC as commits carry it, of one in ISO 8601 (UTC where it says nothing), or so long ago:
    90s, 15m, 2h, 3d. Raises InvalidValue naming `field`."""
    ago = _AGO(text)
    try:
        if ago:
            at = (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidValue(field, f"is a time such as 2026-01-31T12:00:00Z, or 15m, 2h, 3d ago; got {text!r}") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
