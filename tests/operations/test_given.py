"""What a person types: streams and moments."""

from datetime import UTC, datetime

import pytest
from foldstack.kernel.errors import InvalidValue

from local.operations.given import moment, stream_id

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "tenant"), [("acme#order#7", None), ("acme#order#7", "acme"), ("order#7", "acme")])
def test_a_stream(text, tenant):
    assert stream_id(text, tenant).key == "acme#order#7"


@pytest.mark.parametrize(
    ("text", "tenant"), [("order#7", None), ("acme#order#7", "other"), ("order", "acme"), ("a#b#c#d", None), ("", None)]
)
def test_no_stream(text, tenant):
    with pytest.raises(InvalidValue, match="tenant#category#id"):
        stream_id(text, tenant)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("90s", "2026-03-01T11:58:30.000Z"),
        ("15m", "2026-03-01T11:45:00.000Z"),
        ("2h", "2026-03-01T10:00:00.000Z"),
        ("3d", "2026-02-26T12:00:00.000Z"),
    ],
)
def test_a_moment(text, time):
    assert moment(text, "--since", NOW) == time


@pytest.mark.parametrize("text", ["yesterday", "2h ago", "-3d", "", "999999d", "2026-13-01"])
def test_no_moment(text):
    with pytest.raises(InvalidValue, match="--since: is a time such as"):
        moment(text, "--since", NOW)
