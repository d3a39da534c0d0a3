"""What a domain with personal fields may not declare: checked when its service is made, before anything is stored."""

import types
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .errors import DefinitionError
from .personal import Personal

if TYPE_CHECKING:
    from .aggregate import Aggregate
    from .projection import Projection


class PersonalField(NamedTuple):
    model: type[BaseModel]
    name: str
    subject: str


@cache
def personal_fields(model: type[BaseModel]) -> tuple[PersonalField, ...]:
    """Those of a model and of the models in it. Raises DefinitionError where one can't be encrypted or erased."""
    found: list[PersonalField] = []
    for each in _reachable(model):
        for name, field in each.model_fields.items():
            marks = [mark for mark in field.metadata if isinstance(mark, Personal)]
            if not marks and any(_inside(argument) for argument in get_args(field.annotation)):
                raise DefinitionError(
                    f"{each.__name__}.{name}: Personal marks a whole field, not what is in it. Put the value into a "
                    "model of its own, whose field is Personal, and the id of its subject beside it"
                )
            if marks:
                _check_field(each, name, field, marks)
                field.repr = False  # so that no log or message shows it by accident
                found.append(PersonalField(each, name, marks[0].subject))
    return tuple(found)


def of_aggregate(aggregate: "Aggregate") -> tuple[PersonalField, ...]:
    """The personal fields of an aggregate's commands, events and state, held against each other."""
    models: list[type[BaseModel]] = sorted({*aggregate.commands, *aggregate.events}, key=lambda each: each.__name__)
    models.append(aggregate.state_type)
    found = tuple(dict.fromkeys(field for model in models for field in personal_fields(model)))
    for model in models:
        _check_names(model, found, aggregate.category)
    for command in aggregate.commands:
        by = aggregate.rule(command).by
        if any(field.model is command and field.name == by for field in found):
            raise DefinitionError(
                f"{command.__name__}.{by} is personal, and {aggregate.category} takes it for the stream's id: ids are "
                "kept for ever, in keys and logs. Give the stream an id that says nothing"
            )
    return found


def of_projection(projection: "Projection") -> tuple[PersonalField, ...]:
    """The personal fields of a projection's rows, held against those of its events."""
    mine = personal_fields(projection.row_type)
    _check_names(projection.row_type, of_aggregate(projection.of), f"projection {projection.name}")
    for path in projection.indexed:
        if any(field.name == path.rpartition(".")[2] for field in mine):
            raise DefinitionError(
                f"projection {projection.name}: rows can't be found or ordered by {path}, which is personal: rows hold "
                "ciphertext, and an index would outlive the person's erasure"
            )
    return mine


def check_result(aggregate: "Aggregate", result: Any) -> None:
    """Raises DefinitionError for a result that could hold personal data in the clear."""
    if not isinstance(result, BaseModel):
        raise DefinitionError(
            f"{aggregate.category} has personal fields, so the result of its commands is kept encrypted: answer a "
            f"model whose personal fields are marked, not a {type(result).__name__}"
        )
    _check_result_type(aggregate, type(result))


@cache
def _check_result_type(aggregate: "Aggregate", model: type[BaseModel]) -> None:
    personal_fields(model)
    _check_names(model, of_aggregate(aggregate), aggregate.category)


def _check_names(model: type[BaseModel], known: Iterable[PersonalField], owner: str) -> None:
    """A field that is personal in one model is so in all that its value is copied to."""
    by_name = {field.name: field for field in known}
    for each in _reachable(model):
        for name, field in each.model_fields.items():
            other = by_name.get(name)
            if other is None or not _is_plain(field.annotation):
                continue
            if not any(isinstance(mark, Personal) for mark in field.metadata):
                raise DefinitionError(
                    f"{owner}: {each.__name__}.{name} is not personal, and {other.model.__name__}.{name} is: copied, "
                    "the value would be kept in the clear. Mark it "
                    f'Annotated[..., Personal(subject="{other.subject}")], or name it otherwise'
                )


def _check_field(model: type[BaseModel], name: str, field: FieldInfo, marks: list[Personal]) -> None:
    where = f"{model.__name__}.{name}"
    if len(marks) > 1:
        raise DefinitionError(f"{where} is Personal twice: a value is about one subject")
    if field.metadata[-1] is not marks[0]:
        raise DefinitionError(
            f"{where}: Personal stands last in Annotated, after {field.metadata[-1]!r}: an erased value need not keep "
            "the constraints of a real one"
        )
    subject = model.model_fields.get(marks[0].subject)
    if subject is None or subject.annotation is not str:
        has = ", ".join(other for other, each in model.model_fields.items() if each.annotation is str and other != name)
        raise DefinitionError(
            f"{where}: its subject is named by {marks[0].subject!r}, no field of {model.__name__} of type str; "
            f"there are {has or 'none'}"
        )
    if any(isinstance(mark, Personal) for mark in subject.metadata):
        raise DefinitionError(
            f"{where}: the subject's id, {marks[0].subject}, is personal itself; keys are found by it, so give "
            "people ids that say nothing"
        )


def _reachable(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    seen: dict[type[BaseModel], None] = {}
    waiting = [model]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen[each] = None
        for field in each.model_fields.values():
            waiting += _models(field.annotation)
    yield from seen


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _inside(annotation: Any) -> bool:
    return isinstance(annotation, Personal) or any(_inside(argument) for argument in get_args(annotation))


def _is_plain(annotation: Any) -> bool:
    union = get_origin(annotation) in (Union, types.UnionType)
    return any(each in (str, date) for each in (get_args(annotation) if union else (annotation,)))
