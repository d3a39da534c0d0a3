"""What is read: one row an account."""

from foldstack import EventMeta, Projection, State

from .account import AccountOpened, Deposited, Withdrawn, account


class AccountRow(State):
    account_id: str
    owner: str
    balance: int = 0


accounts = Projection("accounts", of=account, row=AccountRow)


@accounts.on(AccountOpened)
def opened(row: AccountRow | None, event: AccountOpened, meta: EventMeta) -> AccountRow:
    return AccountRow(account_id=meta.stream_id, owner=event.owner)


@accounts.on(Deposited)
def deposited(row: AccountRow, event: Deposited, meta: EventMeta) -> AccountRow:
    return row.model_copy(update={"balance": row.balance + event.amount})


@accounts.on(Withdrawn)
def withdrawn(row: AccountRow, event: Withdrawn, meta: EventMeta) -> AccountRow:
    return row.model_copy(update={"balance": row.balance - event.amount})
