"""Every aggregate there is, with everybody erased: it folds, it decides, and what is about nobody is unchanged."""

import importlib
import importlib.util
from typing import Any

import pytest
from foldstack import Aggregate, Erased, Personal, Rejection, Service, erased
from foldstack.kernel.personal_check import of_aggregate
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.package.support import ROOT, tracked

from .samples import instances


def _domains() -> list[Any]:
    """The modules of the repository that hold a Service or an Aggregate; a new one is found by itself."""
    found = []
    for name in tracked():
        if name.suffix != ".py" or name.name == "__main__.py" or name.name.startswith(("test_", "conftest")):
            continue
        if name.parts[0] in ("shop", "tests") and "Aggregate(" in (ROOT / name).read_text():
            if name.parts[:3] == ("tests", "e2e", "programs"):
                spec = importlib.util.spec_from_file_location(f"sample_{name.parts[3]}", ROOT / name)
                assert spec is not None
                assert spec.loader is not None
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
            else:
                module = importlib.import_module(".".join(name.with_suffix("").parts).removesuffix(".__init__"))
            found.append(module)
    return found


AGGREGATES: dict[str, Aggregate] = {
    f"{module.__name__}:{name}": value
    for module in _domains()
    for name, value in vars(module).items()
    if isinstance(value, Aggregate)
}


@pytest.fixture(params=sorted(AGGREGATES))
def aggregate(request: pytest.FixtureRequest) -> Aggregate:
    return AGGREGATES[request.param]


def test_the_shops_and_those_of_the_tests_are_found():
    services = [importlib.import_module(name).service for name in ("shop", "tests.erasure.domain")]
    assert all(isinstance(each, Service) for each in services)
    wanted = {id(aggregate) for service in services for aggregate in service.aggregates.values()}
    assert wanted <= {id(aggregate) for aggregate in AGGREGATES.values()}
    assert sum(aggregate.personal for aggregate in AGGREGATES.values()) >= 2


@settings(max_examples=30)
@given(data=st.data())
def test_it_folds_and_decides_with_everybody_erased(aggregate, data):
    commands = [instances(command) for command in sorted(aggregate.commands, key=lambda each: each.__name__)]
    state = gone = aggregate.initial
    for command in data.draw(st.lists(st.one_of(commands), max_size=12) if commands else st.just([])):
        decision = _attempted(aggregate.decide, command, state)
        if decision is None:
            continue
        _ = aggregate.decide(command, gone)
        if isinstance(decision, Rejection) or not decision:
            continue
        state = aggregate.fold(decision, state)
        gone = aggregate.fold([erased(event) for event in decision], gone)
    assert type(gone) is type(state)
    assert _without(gone) == _without(state)
    if not of_aggregate(aggregate):
        assert gone == state


@settings(max_examples=30)
@given(data=st.data())
def test_whatever_folds_folds_erased(aggregate, data):
    events = [instances(event) for event in sorted(aggregate.events, key=lambda each: each.__name__)]
    told = data.draw(st.lists(st.one_of(events), max_size=8))
    state = _attempted(aggregate.fold, told)
    if state is not None:
        assert _without(aggregate.fold([erased(event) for event in told])) == _without(state)


@settings(max_examples=30)
@given(data=st.data())
def test_each_event_and_state_survives_erasure_as_what_it_is(aggregate, data):
    for model in sorted({*aggregate.events, aggregate.state_type}, key=lambda each: each.__name__):
        sample = data.draw(instances(model))
        gone = erased(sample)
        assert type(gone) is type(sample)
        assert _without(gone) == _without(sample)
        assert erased(gone) == gone
        for (before, default), (after, _) in zip(_personal(sample), _personal(gone), strict=True):
            assert before in (None, "", default) or isinstance(after, Erased), "what nobody has given is nobody's"


def _attempted(function: Any, *arguments: Any) -> Any:
    """None where the domain raises: on what can't be, or, in a test's domain, on purpose."""
    try:
        return function(*arguments)
    except Exception:  # noqa: BLE001
        return None


def _marked(model: BaseModel, name: str) -> bool:
    return any(isinstance(mark, Personal) for mark in type(model).model_fields[name].metadata)


def _personal(value: Any) -> list[tuple[Any, Any]]:
    """Each with its field's default."""
    if isinstance(value, BaseModel):
        return [
            found
            for name, field in type(value).model_fields.items()
            for found in (
                [(getattr(value, name), field.default)] if _marked(value, name) else _personal(getattr(value, name))
            )
        ]
    if isinstance(value, dict):
        return [found for each in value.values() for found in _personal(each)]
    return [found for each in value for found in _personal(each)] if isinstance(value, list | tuple) else []


def _without(value: Any) -> Any:
    """A value without what is personal in it."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return type(value), {name: _without(getattr(value, name)) for name in fields if not _marked(value, name)}
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items()}
    return [_without(each) for each in value] if isinstance(value, list | tuple) else value
