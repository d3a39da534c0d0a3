"""Exact money: a decimal amount of one currency, never a float."""

from decimal import Decimal
from typing import Annotated

from foldstack import Body, State
from pydantic import Field, field_validator

AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$"
MOST_DIGITS = 15

Amount = Annotated[str, Field(pattern=AMOUNT_PATTERN, max_length=20, examples=["19.99"])]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, e.g. EUR")]


class Money(State):
    """`amount` keeps the decimals it was given: 19.90 stays 19.90."""

    amount: Decimal = Decimal(0)
    currency: str = "EUR"

    def times(self, quantity: int) -> "Money":
        return Money(amount=self.amount * quantity, currency=self.currency)


class MoneyBody(Body):
    """As JSON: `{"amount": "39.80", "currency": "EUR"}`."""

    amount: str
    currency: str

    @classmethod
    def of(cls, money: Money) -> "MoneyBody":
        return cls(amount=format(money.amount, "f"), currency=money.currency)


class PriceBody(MoneyBody):
    """Money as a client may set it: at most 15 digits, 4 of them after the point."""

    amount: Amount
    currency: Currency

    @field_validator("amount")
    @classmethod
    def _digits(cls, amount: str) -> str:
        if sum(c.isdigit() for c in amount) > MOST_DIGITS:
            raise ValueError(f"has more than {MOST_DIGITS} digits")
        return amount

    def to_money(self) -> Money:
        return Money(amount=Decimal(self.amount), currency=self.currency)
