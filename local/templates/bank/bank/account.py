"""An account and its balance, which never goes below zero: one stream decides."""

from foldstack import Aggregate, Command, Event, Rejection, State


class Account(State):
    owner: str = ""
    balance: int = 0


class AccountOpened(Event):
    owner: str


class Deposited(Event):
    amount: int


class Withdrawn(Event):
    amount: int


class OpenAccount(Command):
    account_id: str
    owner: str


class Deposit(Command):
    account_id: str
    amount: int


class Withdraw(Command):
    account_id: str
    amount: int


account = Aggregate("account", Account)


@account.decides(OpenAccount, by="account_id", creates=True)
def open_account(command: OpenAccount, state: Account):
    if state.owner:
        return Rejection("account-exists", f"an account {command.account_id} exists already")
    return AccountOpened(owner=command.owner)


@account.decides(Deposit, by="account_id")
def deposit(command: Deposit, state: Account):
    return Deposited(amount=command.amount) if state.owner else no_account(command.account_id)


@account.decides(Withdraw, by="account_id")
def withdraw(command: Withdraw, state: Account):
    if not state.owner:
        return no_account(command.account_id)
    if command.amount > state.balance:
        return Rejection("overdrawn", f"{command.amount} wanted, {state.balance} there")
    return Withdrawn(amount=command.amount)


@account.evolves(AccountOpened)
def opened(state: Account, event: AccountOpened) -> Account:
    return Account(owner=event.owner)


@account.evolves(Deposited)
def deposited(state: Account, event: Deposited) -> Account:
    return state.model_copy(update={"balance": state.balance + event.amount})


@account.evolves(Withdrawn)
def withdrawn(state: Account, event: Withdrawn) -> Account:
    return state.model_copy(update={"balance": state.balance - event.amount})


def no_account(account_id: str) -> Rejection:
    return Rejection("account-not-found", f"there is no account {account_id}", "not-found")
