"""A reservation's id can be read back, whatever its product is called."""

from datetime import UTC, datetime

import pytest
from foldstack import ID_PATTERN
from hypothesis import given
from hypothesis import strategies as st

from shop.reservation_id import ReservationId

ids = st.from_regex(ID_PATTERN, fullmatch=True)
moments = st.integers(1_600_000_000, 4_100_000_000).map(lambda seconds: datetime.fromtimestamp(seconds + 0.25, UTC))


@given(ids, moments, st.text(max_size=20))
def test_it_reads_back(product_id, expires_at, unique):
    made = ReservationId.make(product_id, expires_at, unique)
    read = ReservationId.parse(made.text)
    assert read is not None
    assert (read.product_id, read.text) == (product_id, made.text)
    assert read.expires_at == expires_at.replace(microsecond=0)
    assert len(made.text) <= 160


@given(ids, moments)
def test_two_wishes_never_share_one(product_id, expires_at):
    one, two = (ReservationId.make(product_id, expires_at, unique) for unique in "ab")
    assert one.text != two.text
    assert one.purchase_id != two.purchase_id
    assert one.purchase_id == ReservationId.make(product_id, expires_at, "a").purchase_id


@pytest.mark.parametrize(
    "text", ["", "nope", "pen.", "pen.short", ".AAAAAAAAAAAAAAAAAAAAAA", "pen." + "!" * 22, "a b." + "A" * 22]
)
def test_other_text_is_none(text):
    assert ReservationId.parse(text) is None
