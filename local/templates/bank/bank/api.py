"""The bank over HTTP. What a route's permission is given to no role, nobody may do."""

from typing import Annotated

from foldstack import (
    EVERYTHING,
    ID_PATTERN,
    Answer,
    Api,
    Body,
    CommandRequest,
    QueryParameters,
    QueryRequest,
    Rejection,
    Roles,
)
from pydantic import Field

from .account import Deposit, OpenAccount, Withdraw, no_account
from .views import accounts

api = Api(Roles(admin=EVERYTHING, teller=("read", "move"), auditor=("read",)))

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
Amount = Annotated[int, Field(ge=1, le=1_000_000_000)]


class NewAccount(Body):
    account_id: Id | None = None
    owner: Annotated[str, Field(min_length=1, max_length=200)]


class Movement(Body):
    amount: Amount


class AccountAnswer(Body):
    account_id: str
    owner: str
    balance: int


class AccountList(Body):
    items: list[AccountAnswer]
    next: str | None


class Page(QueryParameters):
    limit: Annotated[str, Field(pattern=r"^([1-9][0-9]?|100)$", description="1 to 100")] = "20"
    next: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


@api.post(
    "/accounts",
    permission="manage",
    body=NewAccount,
    answers={201: AccountAnswer},
    problems=(400, 409, 413, 422, 503),
)
def open_account(request: CommandRequest[NewAccount]) -> Answer | Rejection:
    """Open an account."""
    account_id = request.body.account_id or request.new_id("account")
    done = request.execute(OpenAccount(account_id=account_id, owner=request.body.owner))
    if isinstance(done, Rejection):
        return done
    return Answer(201, AccountAnswer(account_id=account_id, owner=request.body.owner, balance=0))


@api.post(
    "/accounts/{account_id}/deposits",
    permission="move",
    body=Movement,
    answers={204: None},
    problems=(400, 404, 409, 413, 422, 503),
)
def deposit(request: CommandRequest[Movement]) -> Answer | Rejection:
    """Pay in."""
    done = request.execute(Deposit(account_id=request.path["account_id"], amount=request.body.amount))
    return done if isinstance(done, Rejection) else Answer(204)


@api.post(
    "/accounts/{account_id}/withdrawals",
    permission="move",
    body=Movement,
    answers={204: None},
    problems=(400, 404, 409, 413, 422, 503),
)
def withdraw(request: CommandRequest[Movement]) -> Answer | Rejection:
    """Pay out what is there."""
    done = request.execute(Withdraw(account_id=request.path["account_id"], amount=request.body.amount))
    return done if isinstance(done, Rejection) else Answer(204)


@api.get("/accounts", permission="read", query=Page, answers={200: AccountList}, problems=(400, 503))
def list_accounts(request: QueryRequest) -> Answer:
    """The accounts, in the order of their ids."""
    page = request.views.page(accounts, int(request.query.limit), request.query.next)
    items = [AccountAnswer(**row.model_dump()) for row in page.rows]
    return Answer(200, AccountList(items=items, next=page.next))


@api.get("/accounts/{account_id}", permission="read", answers={200: AccountAnswer}, problems=(400, 404, 503))
def get_account(request: QueryRequest) -> Answer | Rejection:
    """One account."""
    row = request.views.get(accounts, request.path["account_id"])
    return no_account(request.path["account_id"]) if row is None else Answer(200, AccountAnswer(**row.model_dump()))
