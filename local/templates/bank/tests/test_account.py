"""What may happen to an account."""

from foldstack import given

from bank.account import AccountOpened, Deposit, Deposited, OpenAccount, Withdraw, Withdrawn, account

OPEN = AccountOpened(owner="Ann")


def test_an_account_is_opened_once():
    command = OpenAccount(account_id="a", owner="Ann")
    given(account).when(command).then(OPEN)
    given(account, OPEN).when(command).then_rejected("account-exists")


def test_what_is_there_can_be_withdrawn_and_no_more():
    history = OPEN, Deposited(amount=5)
    given(account, *history).when(Withdraw(account_id="a", amount=5)).then(Withdrawn(amount=5)).then_state(balance=0)
    given(account, *history).when(Withdraw(account_id="a", amount=6)).then_rejected("overdrawn")


def test_nothing_happens_to_an_account_that_is_not_there():
    for command in (Deposit(account_id="a", amount=1), Withdraw(account_id="a", amount=1)):
        given(account).when(command).then_rejected("account-not-found")
