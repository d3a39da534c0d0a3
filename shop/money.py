"""Exact money: a decimal amount of one currency, never a float."""

from decimal import Decimal
from typing import Annotated

from foldstack import Body, State
from pydantic import Field

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
    """As JSON: `{"amount": "19.99", "currency": "EUR"}`."""

    amount: Amount
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> "MoneyBody":
        return cls(amount=str(money.amount), currency=money.currency)

    def to_money(self) -> Money:
        return Money(amount=Decimal(self.amount), currency=self.currency)
