"""A shop without AWS: a store in memory, the real provider over HTTP, and a machine that can die at any step."""

import random
import uuid
from datetime import datetime, timedelta

from foldstack import Tenant
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.executor import Executor
from foldstack.kernel.reaction import OutcomePending
from foldstack.kernel.reactor import Reactor
from foldstack.kernel.request import CommandRequest
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.timer import MemoryTimer

from shop.api import NewProduct, NewPurchase, NewReservation, Payment, buy, create_product, discontinue_product, reserve
from shop.money import PriceBody
from shop.payments import PaymentProvider
from shop.service import service

from .facts import NOON

ACME = Tenant("acme")


class Death(BaseException):
    """The process is gone. Not an Exception: nothing may catch it."""


class Mortal:
    """Wraps an object so that the process dies before or after the n-th call to any of its methods."""

    def __init__(self, inner, fate):
        self._inner, self._fate = inner, fate

    def __getattr__(self, name):
        method = getattr(self._inner, name)

        def call(*args, **kwargs):
            self._fate.step()
            answer = method(*args, **kwargs)
            self._fate.step()
            return answer

        return call if callable(method) else method


class Fate:
    """Counts steps, and is the end of the process at step `die_at`."""

    def __init__(self, die_at: int | None = None) -> None:
        self.steps, self.die_at = 0, die_at

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.die_at:
            raise Death


class Shop:
    """One store and one provider; `process()` starts a fresh process on them."""

    def __init__(self, provider_url: str, **environment: str) -> None:
        self.store = MemoryCommitStore()
        self.timer = MemoryTimer()
        self.provider = PaymentProvider(provider_url, "sk_stand_in")
        self.environment = environment

    def process(self, fate: Fate | None = None, now: datetime = NOON, inline: float = 5.0) -> "Process":
        return Process(self, fate or Fate(), now, inline)

    def deliver_all(self, seed: int = 0) -> None:
        """What the delayed queue does: every commit with a reaction, in any order, repeated, until all are done."""
        rng = random.Random(seed)
        types = service.reactions.stored_types()
        while True:
            commits = [c for stream in self.store.streams().values() for c in stream if types & set(c.types)]
            before = sum(map(len, self.store.streams().values()))
            rng.shuffle(commits)
            pending = False
            for commit in commits + rng.sample(commits, len(commits) // 2):
                reactor = self.process().reactor
                try:
                    reactor.drive(Envelope.of(commit), reactor._executor.clock() + 30)
                except OutcomePending:
                    pending = True
            if not pending and sum(map(len, self.store.streams().values())) == before:
                return

    def fire(self, now: datetime, twice: bool = False) -> int:
        """Executes what was kept for later and is due by `now`, as the commands function does. Answers how much."""
        due = self.timer.take(now)
        for each in due * (2 if twice else 1):
            self.process(now=now).executor.execute(
                service.aggregate_of(type(each.command)), each.tenant, each.command, each.context
            )
        return len(due)

    def next_request(self) -> str:
        return f"once-{uuid.uuid4()}"


class Process:
    """One sandbox: its executor, reactor and what a door would ask of it."""

    def __init__(self, shop: Shop, fate: Fate, now: datetime, inline: float) -> None:
        self.shop, self.now, self.inline = shop, now, inline
        self.executor = Executor(Mortal(shop.store, fate), rng=random.Random(0))
        self.reactor = Reactor(
            service, self.executor, Mortal(shop.provider, fate), timer=Mortal(shop.timer, fate), now=lambda: now
        )

    def create(self, stock: int, product_id: str = "pen"):
        price = PriceBody(amount="19.90", currency="EUR")
        body = NewProduct(product_id=product_id, name="Pen", price=price, stock=stock)
        return create_product(self._request(body))

    def reserve(self, quantity: int, product_id: str = "pen", key: str | None = None):
        return reserve(self._request(NewReservation(product_id=product_id, quantity=quantity), key))

    def buy(self, reservation_id: str, token: str, key: str | None = None):
        return buy(self._request(NewPurchase(reservation_id=reservation_id, payment=Payment(token=token)), key))

    def discontinue(self, product_id: str = "pen"):
        return discontinue_product(self._request(None, path={"product_id": product_id}))

    def _request(self, body, key: str | None = None, path: dict[str, str] | None = None) -> CommandRequest:
        context = CommandContext(key or self.shop.next_request(), "h", keyed=key is not None)
        return CommandRequest(
            tenant=ACME,
            path=path or {},
            body=body,
            now=self.now,
            url="http://shop",
            context=context,
            service=service,
            executor=self.executor,
            reactor=self.reactor,
            inline=timedelta(seconds=self.inline),
            environment=self.shop.environment,
        )
