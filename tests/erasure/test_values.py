"""What stands for a value that is not shown: of the declared type, and not to be mistaken for a real one."""

import copy
import json
from datetime import date

import pytest
from foldstack import Erased, erased
from foldstack.kernel.personal import HIDDEN, KEPT, MARK, Sealed, mapped, shown, tokens
from pydantic import ValidationError

from .domain import Customer, CustomerRow, Party, Profile, Registered, Sent

EVENT = Registered(customer_id="c1", name="Ada", email="ada@example.org", born=date(1990, 5, 6))
STORED = {"customer_id": "c1", "name": {MARK: "r.abc"}, "email": {MARK: ""}, "born": {MARK: "r.def"}}


def read(context, stored=STORED):
    return Registered.__pydantic_validator__.validate_python(stored, strict=False, context=context)


def test_an_erased_value_keeps_its_type_and_breaks_no_constraint():
    gone = erased(EVENT)
    assert isinstance(gone.name, str)
    assert isinstance(gone.email, Erased), "its pattern asks for an @"
    assert isinstance(gone.born, date)
    assert (gone.customer_id, gone.name, str(gone.born)) == ("c1", "[erased]", "0001-01-01")


def test_an_erased_value_may_be_copied_wherever_a_real_one_may():
    gone = erased(EVENT)
    state = Customer(customer_id="c1", name=gone.name, born=gone.born)
    assert isinstance(state.name, Erased)
    assert isinstance(copy.deepcopy(state).born, Erased)
    assert isinstance(state.model_copy(deep=True).name, Erased)
    answer = json.loads(Profile(customer_id="c1", name=gone.name, email=gone.email).model_dump_json(by_alias=True))
    assert answer["email"] == "[erased]"


def test_all_in_nested_models_is_erased():
    parties = [Party(person=each, street=f"{each} street") for each in ("c1", "c2")]
    gone = erased(Sent(sender=parties[0], recipient=parties[1]))
    assert isinstance(gone.sender.street, Erased)
    assert isinstance(gone.recipient.street, Erased)
    assert gone.recipient.person == "c2"


def test_what_says_nothing_stays_as_it_is():
    state = erased(Customer(customer_id="c1"))
    assert (state.name, state.born) == ("", None)
    assert not isinstance(state.name, Erased)


def test_no_client_can_send_a_token():
    for given in ({MARK: "r.abc"}, {MARK: ""}):
        with pytest.raises(ValidationError):
            Registered.model_validate({**STORED, "name": given, "email": "a@b", "born": None})


def test_a_sealed_value_can_be_copied_and_not_looked_at():
    event = read(KEPT)
    assert isinstance(event.name, Sealed)
    row = CustomerRow(customer_id="c1", name=event.name, email=event.email, born=event.born)
    assert row.model_dump(mode="json", context=KEPT) == {**STORED, "points": 0}
    looks = [
        lambda: event.name.upper(),
        lambda: event.name + "!",
        lambda: f"{event.name}",
        lambda: str(event.name),
        lambda: event.name == "Ada",
        lambda: event.name[0],
        lambda: len(event.name),
        lambda: "A" in event.name,
        lambda: event.name.encode(),
        lambda: event.born.year,
        lambda: event.born < date(2000, 1, 1),
        lambda: event.born.isoformat(),
    ]
    for look in looks:
        with pytest.raises(TypeError, match="may copy it, and can't read it"):
            look()


def test_a_row_takes_no_value_of_its_own_making():
    with pytest.raises(ValueError, match=r"CustomerRow\.name is personal, and was given a value of its own"):
        CustomerRow(customer_id="c1", name="made up", email="").model_dump(mode="json", context=KEPT)


def test_what_was_stored_before_the_field_was_personal_is_carried_along():
    event = read(KEPT, {**STORED, "name": "Ada"})
    assert event.model_dump(mode="json", context=KEPT)["name"] == {MARK: '="Ada"'}


def test_people_are_shown_that_there_is_something():
    event = read(HIDDEN)
    assert (event.name, event.email) == ("[personal]", "[erased]")
    assert shown([STORED]) == [{**STORED, "name": "[personal]", "email": "[erased]", "born": "[personal]"}]


def test_tokens_are_found_however_deep():
    document = {"a": [{"b": {MARK: "1"}}, {MARK: "2", "more": 3}], "c": {MARK: 4}}
    assert list(tokens(document)) == ["1"]
    assert mapped(document, str.upper)["a"][0] == {"b": "1"}
