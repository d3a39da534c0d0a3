"""What each document's Python builds upon: names that its prose has introduced, or that are its reader's own."""

import datetime
import importlib
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import foldstack
from foldstack import Aggregate, Body, Command, Event, State

import components
from tests.graph.support import DOMAIN, ROOT

Names = dict[str, Any]
CALLBACKS = {"callback_urls": ["https://shop.example.com/"]}
FOLDSTACK: Names = {name: getattr(foldstack, name) for name in foldstack.__all__}
COMPONENTS: Names = {name: getattr(components, name) for name in components.__all__} | {
    "domain": DOMAIN,
    "__file__": str(ROOT / "__main__.py"),
}


def nothing() -> Names:
    return {}


def shops_domain() -> Names:
    """What the shop's reactions are declared upon, afresh: declared twice, they would be the shop's own."""

    class CloseDay(Command):
        day: str
        at: datetime.datetime

    reactions = {"reactions": foldstack.Reactions(), "schedules": foldstack.Schedules(), "CloseDay": CloseDay}
    return COMPONENTS | FOLDSTACK | afresh("product") | afresh("purchase") | reactions


def shops_program() -> Names:
    """A service and its views, and who may sign in."""
    shop = components.EventSourcedService("shop", {"domain": DOMAIN})  # pyright: ignore
    chosen = {"source": shop.events, "views": ["products", "purchases"], "streams": True}
    views = components.ProjectionPipeline("shop-views", chosen)  # pyright: ignore
    auth = components.TenantAuth("signing-in", {"domain": shop.events["domain"], **CALLBACKS})  # pyright: ignore
    bodies = {"NewReservation": type("NewReservation", (Body,), {}), "ReservationAnswer": type("Answered", (Body,), {})}
    return COMPONENTS | FOLDSTACK | bodies | {"shop": shop, "views": views, "auth": auth}


def shops_lake() -> Names:
    """And the domain of a blog, whose deletions are cascaded."""
    blogging = [importlib.import_module(f"tests.e2e.programs.blog.blogging.{each}") for each in ("authors", "posts")]
    public = {name: value for each in blogging for name, value in vars(each).items() if not name.startswith("_")}
    blog = components.EventSourcedService("blog", {"domain": DOMAIN})  # pyright: ignore
    return shops_program() | public | {"blog": blog}


def of_components() -> Names:
    return dict(COMPONENTS)


def who_may_sign_in() -> Names:
    pool = components.EventSourcedService("pool", {"domain": DOMAIN})  # pyright: ignore
    return COMPONENTS | {"auth": components.TenantAuth("signing-in", {"domain": pool.events["domain"], **CALLBACKS})}


def personal_data() -> Names:
    """The commands function and a queue, in the place of AWS's."""

    def invoke(function: str, document: Names) -> Names:
        assert document.keys() == {"seal"}
        assert document["seal"].keys() == {"tenant", "command", "data", "key"}
        return {"status": "sealed", "document": document["seal"]}

    class Queues:
        def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:
            assert json.loads(MessageBody)["command"]

    senders = {"commands_function": "shop-commands", "queue": "https://sqs.example.com/shop", "sqs": Queues()}
    return COMPONENTS | senders | {"invoke": invoke, "data": {"customer_id": "c-4711"}}


def an_account() -> Names:
    """That of the README, and the folder of a project."""

    class Account(State):
        balance: int = 0

    class Deposited(Event):
        amount: int

    class Withdraw(Command):
        account_id: str
        amount: int

    account = Aggregate("account", Account)

    @account.decides(Withdraw, by="account_id")
    def withdraw(command: Withdraw, state: Account) -> foldstack.Rejection:
        return foldstack.Rejection("overdrawn", f"only {state.balance} left")

    @account.evolves(Deposited)
    def deposited(state: Account, event: Deposited) -> Account:
        return Account(balance=state.balance + event.amount)

    return {"account": account, "Deposited": Deposited, "Withdraw": Withdraw, "ROOT": ROOT}


def a_project() -> Names:
    """A module of tests in a project's folder `tests`."""
    return {"ROOT": ROOT, "__file__": str(ROOT / "tests" / "test_stack.py")}


def afresh(module: str) -> Names:
    """The public names of a module of the shop, which is run once more."""
    spec = importlib.util.spec_from_file_location(f"shop.{module}_afresh", ROOT / "shop" / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return {name: value for name, value in vars(made).items() if not name.startswith("_")}


BUILDS_UPON: dict[str, Callable[[], Names]] = {
    "README.md": shops_domain,
    "docs/erasure.md": personal_data,
    "docs/existing.md": of_components,
    "docs/isolation.md": who_may_sign_in,
    "docs/lake.md": shops_lake,
    "docs/roads.md": of_components,
    "docs/tenancy.md": shops_program,
}
"""Those whose blocks register resources, or may: they are run within a program."""

IN_TESTS: dict[str, Callable[[], Names]] = {
    "docs/guarantees.md": a_project,
    "docs/preview.md": a_project,
    "docs/testing.md": an_account,
}
"""Those whose blocks are tests, and run programs themselves."""
