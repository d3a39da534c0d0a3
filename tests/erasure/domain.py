"""Customers: whose names, e-mail addresses and birthdays are theirs to have erased. And parcels, about two people."""

from datetime import date, timedelta
from typing import Annotated

from foldstack import (
    EVERYTHING,
    Aggregate,
    Answer,
    Api,
    Body,
    Command,
    Erased,
    Event,
    Later,
    Personal,
    Projection,
    Reactions,
    Rejection,
    Roles,
    Service,
    State,
)
from pydantic import BaseModel, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=60), Personal(subject="customer_id")]
Email = Annotated[str, StringConstraints(pattern=r"^\S+@\S+$"), Personal(subject="customer_id")]
Birthday = Annotated[date | None, Personal(subject="customer_id")]


class Customer(State):
    customer_id: str = ""
    name: Annotated[str, Personal(subject="customer_id")] = ""
    email: Annotated[str, Personal(subject="customer_id")] = ""
    born: Birthday = None
    points: int = 0
    closed: bool = False


class Register(Command):
    customer_id: str
    name: Name
    email: Email
    born: Birthday = None


class ChangeEmail(Command):
    customer_id: str
    email: Email


class Earn(Command):
    customer_id: str
    points: int


class Close(Command):
    customer_id: str


class Registered(Event):
    customer_id: str
    name: Name
    email: Email
    born: Birthday = None


class EmailChanged(Event):
    customer_id: str
    email: Email
    before: Annotated[str, Personal(subject="customer_id")]


class Earned(Event):
    points: int


class Congratulate(Command):
    customer_id: str
    name: Name


class Congratulated(Event):
    customer_id: str
    name: Name


class Closed(Event):
    customer_id: str
    name: Annotated[str, Personal(subject="customer_id")]


class Profile(Body):
    """What is answered, and kept as the answer."""

    customer_id: str
    name: Annotated[str, Personal(subject="customer_id")]
    email: Annotated[str, Personal(subject="customer_id")]
    erased: bool = False


class CustomerRow(State):
    customer_id: str
    name: Annotated[str, Personal(subject="customer_id")]
    email: Annotated[str, Personal(subject="customer_id")]
    born: Birthday = None
    points: int = 0


customer = Aggregate("customer", Customer)


@customer.decides(Register, by="customer_id", creates=True)
def register(command, state):
    if state.customer_id:
        return Rejection("registered", "this customer is registered")
    return Registered(customer_id=command.customer_id, name=command.name, email=command.email, born=command.born)


@customer.decides(ChangeEmail, by="customer_id")
def change_email(command, state):
    if not state.customer_id:
        return Rejection("unknown", "there is no such customer", kind="not-found")
    if command.email == state.email:
        return None
    return EmailChanged(customer_id=command.customer_id, email=command.email, before=state.email)


@customer.decides(Earn, by="customer_id")
def earn(command, state):
    if not state.customer_id:
        return Rejection("unknown", "there is no such customer", kind="not-found")
    return Earned(points=command.points)


@customer.decides(Close, by="customer_id")
def close(command, state):
    return None if state.closed or not state.customer_id else Closed(customer_id=command.customer_id, name=state.name)


@customer.decides(Congratulate, by="customer_id")
def congratulate(command, state):
    return Congratulated(customer_id=command.customer_id, name=command.name) if state.customer_id else None


@customer.evolves(Congratulated)
def congratulated(state, event):
    return state


@customer.evolves(Registered)
def registered(state, event):
    return Customer(customer_id=event.customer_id, name=event.name, email=event.email, born=event.born)


@customer.evolves(EmailChanged)
def email_changed(state, event):
    return state.model_copy(update={"email": event.email})


@customer.evolves(Earned)
def earned(state, event):
    return state.model_copy(update={"points": state.points + event.points})


@customer.evolves(Closed)
def closed(state, event):
    return state.model_copy(update={"closed": True})


customers = Projection("customers", of=customer, row=CustomerRow)


@customers.on(Registered)
def row_registered(row, event, meta):
    return CustomerRow(customer_id=event.customer_id, name=event.name, email=event.email, born=event.born)


@customers.on(EmailChanged)
def row_email(row, event, meta):
    return row.model_copy(update={"email": event.email})


@customers.on(Earned)
def row_earned(row, event, meta):
    return row.model_copy(update={"points": row.points + event.points})


@customers.on(Closed)
def row_closed(row, event, meta):
    return row


@customers.contributes
def counted(row):
    return {"all": {"customers": 1, "points": row.points}}


class Party(BaseModel):
    """One of the two whom a parcel is about."""

    person: str
    street: Annotated[str, Personal(subject="person")]


class Parcel(State):
    parties: tuple[Party, ...] = ()


class Send(Command):
    parcel_id: str
    sender: Party
    recipient: Party


class Sent(Event):
    sender: Party
    recipient: Party


parcel = Aggregate("parcel", Parcel)


@parcel.decides(Send, by="parcel_id")
def send(command, state):
    return None if state.parties else Sent(sender=command.sender, recipient=command.recipient)


@parcel.evolves(Sent)
def sent(state, event):
    return Parcel(parties=(event.sender, event.recipient))


class Mail(State):
    greeted: int = 0


class Greet(Command):
    customer_id: str


class Greeted(Event):
    pass


mail = Aggregate("mail", Mail)


@mail.decides(Greet, by="customer_id")
def greet(command, state):
    return Greeted()


@mail.evolves(Greeted)
def greeted(state, event):
    return Mail(greeted=state.greeted + 1)


reactions = Reactions()


@reactions.automation(on=Registered, of=customer)
def welcome(event, context):
    """Reads the name, as a mailer would."""
    return Greet(customer_id=event.customer_id) if event.name else None


@reactions.automation(on=Registered, of=customer)
def in_a_year(event, context):
    return Later(Congratulate(customer_id=event.customer_id, name=event.name), context.now + timedelta(days=365))


api = Api(Roles(admin=EVERYTHING, viewer=("read",)))


class NewCustomer(Body):
    customer_id: str
    name: str
    email: str
    born: str | None = None


class NewEmail(Body):
    email: str


class Points(Body):
    points: int


def profile(events, state):
    return Profile(
        customer_id=state.customer_id, name=state.name, email=state.email, erased=isinstance(state.name, Erased)
    )


def _answer(request, command, status=200):
    outcome = request.execute(command, profile)
    if isinstance(outcome, Rejection):
        return outcome
    request.settle(outcome)
    return Answer(status, outcome.result)


@api.post("/customers", permission="manage", body=NewCustomer, answers={201: Profile}, problems=(409,))
def create(request):
    """Register a customer."""
    body = request.body
    born = date.fromisoformat(body.born) if body.born else None
    command = Register(customer_id=body.customer_id, name=body.name, email=body.email, born=born)
    return _answer(request, command, 201)


@api.put(
    "/customers/{customer_id}/email", permission="manage", body=NewEmail, answers={200: Profile}, problems=(404, 409)
)
def put_email(request):
    """Change an e-mail address."""
    return _answer(request, ChangeEmail(customer_id=request.path["customer_id"], email=request.body.email))


@api.post("/customers/{customer_id}/points", permission="manage", body=Points, answers={200: Profile}, problems=(404,))
def post_points(request):
    """Earn points."""
    return _answer(request, Earn(customer_id=request.path["customer_id"], points=request.body.points))


@api.delete("/customers/{customer_id}", permission="manage", answers={200: Profile})
def delete(request):
    """Close an account."""
    return _answer(request, Close(customer_id=request.path["customer_id"]))


@api.get("/customers/{customer_id}", permission="read", answers={200: Profile}, problems=(404,))
def get(request):
    """A customer."""
    row = request.views.get(customers, request.path["customer_id"])
    return Answer(200, row) if row else Rejection("unknown", "there is no such customer", kind="not-found")


@api.get("/customers", permission="read", answers={200: None})
def everybody(request):
    """All customers."""
    page = request.views.page(customers, 50, None)
    return Answer(200, {"items": list(page.rows), "totals": request.views.totals(customers)})


service = Service(
    "customers",
    aggregates=[customer, parcel, mail],
    projections=[customers],
    reactions=reactions,
    api=api,
)
