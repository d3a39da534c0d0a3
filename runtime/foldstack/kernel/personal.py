"""Personal fields: `Annotated[str, Personal(subject="customer_id")]`, a text or a date about the person that another
field of the same model names.

At rest such a value is `{"~": token}`, encrypted under a key of its own tenant and subject. What a model does with
it depends on who reads or writes, which pydantic's context says:

| context          | reading `{"~": token}`                 | writing plain text                              |
|------------------|----------------------------------------|-------------------------------------------------|
| none             | refused: no client can send a token    | as it is: an answer to a caller                 |
| `keyring.Opener` | the text, or `Erased`                  |                                                 |
| `keyring.Sealer` |                                        | a token                                         |
| `KEPT`           | `Sealed`: to be copied, not looked at  | refused: it was made of what is not looked at   |
| `HIDDEN`         | the mark [personal]                    |                                                 |

A value that equals the field's default says nothing about anybody and stays as it is, and so does None.
"""

import types
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Any, Protocol, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema, to_json

from .errors import DefinitionError

M = TypeVar("M", bound=BaseModel)

MARK = "~"
CLEAR = "="
"""Begins a token that is no ciphertext: what was stored before the field was personal, and stays as it is."""
ERASED = "[erased]"
PERSONAL = "[personal]"
ALLOWED = "str, date, or one of them | None"


class Erased:
    """What a personal field holds after its subject was erased: a value of the declared type that says nothing.

    `isinstance(state.name, Erased)` tells. A text reads `[erased]`, a date is 0001-01-01.
    """

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


class ErasedText(Erased, str):
    """An erased text."""

    def __new__(cls, shown: str = ERASED) -> "ErasedText":
        return super().__new__(cls, shown)


class ErasedDate(Erased, date):
    """An erased date."""

    def __new__(cls) -> "ErasedDate":
        return super().__new__(cls, 1, 1, 1)


class Sealed:
    """A personal value that whoever holds it can't read: projections and upcasters copy it from field to field."""

    token: str

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


class SealedText(Sealed, str):
    """A text that can't be read."""

    def __new__(cls, token: str) -> "SealedText":
        made = super().__new__(cls, PERSONAL)
        made.token = token
        return made


class SealedDate(Sealed, date):
    """A date that can't be read."""

    def __new__(cls, token: str) -> "SealedDate":
        made = super().__new__(cls, 1, 1, 1)
        made.token = token
        return made


def _closed(name: str) -> Callable[..., Any]:
    def refuse(self: Sealed, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{name} of personal data: projections and upcasters may copy it, and can't read it. Copy the field as it "
            "is, into one that is Personal too, and work on it where rows are read"
        )

    return refuse


_OPEN = frozenset(dir(object)) - {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__format__", "__str__"}
for _type, _like in ((SealedText, str), (SealedDate, date)):
    for _name in set(dir(_like)) - _OPEN - {"__getnewargs__", "min", "max", "resolution"}:
        _refusal = _closed(_name.strip("_"))
        setattr(_type, _name, _refusal if callable(getattr(_like, _name)) else property(_refusal))

_KINDS: dict[type, tuple[Callable[[], Any], Callable[[str], Any], Callable[[], Any]]] = {
    str: (ErasedText, SealedText, lambda: ErasedText(PERSONAL)),
    date: (ErasedDate, SealedDate, ErasedDate),
}


class Kind:
    """What stands for a value of one declared type that can't be shown."""

    def __init__(self, type_: type) -> None:
        self.erased, self.sealed, self.hidden = _KINDS[type_]


class Reading(Protocol):
    """A context of validation that takes stored values; `plain` validates what one turns out to be."""

    def read(self, token: str, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        """For an encrypted one."""
        ...

    def clear(self, value: Any, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        """For one in the clear: a default, or stored before the field was personal."""
        ...


class Writing(Protocol):
    """A context of serialisation for what is stored: `write` answers for one value as plain JSON."""

    def write(self, plain: Any, subject: Any, where: str) -> Any: ...


class Kept:
    """For whoever has no keys, and needs none."""

    def read(self, token: str, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return kind.sealed(token) if token else kind.erased()

    def clear(self, value: Any, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return kind.sealed(CLEAR + to_json(value).decode())

    def write(self, plain: Any, subject: Any, where: str) -> Any:
        raise TypeError(
            f"{where} is personal, and was given a value of its own: a projection has no key to encrypt it. Copy a "
            "personal field of the event as it is, and work on it where rows are read"
        )


class Hidden:
    """For whoever is to see that there is something, and not what."""

    def read(self, token: str, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return kind.hidden() if token else kind.erased()

    def clear(self, value: Any, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return kind.hidden()


class Erasing:
    """For whoever must see what is left when everybody is erased."""

    def read(self, token: str, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return kind.erased()

    def clear(self, value: Any, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return plain(value)

    def write(self, plain: Any, subject: Any, where: str) -> Any:
        return {MARK: ""}


KEPT, HIDDEN = Kept(), Hidden()


class Personal:
    """Marks a field of a command, event, state, row or result as being about a person: `subject` names the field of
    the same model that holds the person's id. Stands last in `Annotated`, after every constraint.

    Raises DefinitionError for a type that has no value to stand for an erased one.
    """

    def __init__(self, *, subject: str) -> None:
        self.subject = subject

    def __repr__(self) -> str:
        return f"Personal(subject={self.subject!r})"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind = Kind(_declared(source))
        subject = self.subject

        def validate(value: Any, plain: Callable[[Any], Any], info: core_schema.ValidationInfo) -> Any:
            if isinstance(value, Erased | Sealed):
                return value
            if info.context is None or value is None:
                return plain(value)
            token = token_of(value)
            return info.context.clear(value, kind, plain) if token is None else info.context.read(token, kind, plain)

        def serialize(
            model: BaseModel, value: Any, plain: Callable[[Any], Any], info: core_schema.FieldSerializationInfo
        ) -> Any:
            if info.context is None or value is None:
                return plain(value)
            if isinstance(value, Sealed | Erased):
                return {MARK: value.token if isinstance(value, Sealed) else ""}
            if value == type(model).model_fields[info.field_name].default:
                return plain(value)
            where = f"{type(model).__name__}.{info.field_name}"
            return info.context.write(plain(value), getattr(model, subject, None), where)

        return core_schema.with_info_wrap_validator_function(
            validate,
            handler(source),
            serialization=core_schema.wrap_serializer_function_ser_schema(
                serialize, is_field_serializer=True, info_arg=True
            ),
        )


def token_of(value: Any) -> str | None:
    """The token of `{"~": token}`, None for anything else."""
    if type(value) is dict and len(value) == 1 and isinstance(token := value.get(MARK), str):
        return token
    return None


def tokens(document: Any) -> Iterator[str]:
    """All tokens in plain JSON, however deep."""
    if isinstance(document, dict):
        token = token_of(document)
        if token is not None:
            yield token
        else:
            for each in document.values():
                yield from tokens(each)
    elif isinstance(document, list):
        for each in document:
            yield from tokens(each)


def mapped(document: Any, change: Callable[[str], Any]) -> Any:
    """Plain JSON with every `{"~": token}` replaced by what `change(token)` answers."""
    if isinstance(document, dict):
        token = token_of(document)
        return change(token) if token is not None else {k: mapped(each, change) for k, each in document.items()}
    return [mapped(each, change) for each in document] if isinstance(document, list) else document


def shown(document: Any) -> Any:
    """Stored JSON for people who are not to see what is personal in it."""
    return mapped(document, lambda token: PERSONAL if token else ERASED)


def erased(model: M) -> M:
    """The model as it is read after all its subjects were erased."""
    context = Erasing()
    document = model.__pydantic_serializer__.to_python(model, mode="json", by_alias=False, context=context)
    return type(model).__pydantic_validator__.validate_python(document, strict=False, context=context, by_name=True)


def _declared(source: Any) -> type:
    """str or date, of what is annotated."""
    if get_origin(source) in (Union, types.UnionType):
        others = [each for each in get_args(source) if each is not type(None)]
        source = others[0] if len(others) == 1 else source
    if get_origin(source) is Annotated:
        source = get_args(source)[0]
    if source is str or source is date:
        return source
    raise DefinitionError(
        f"Personal on {getattr(source, '__name__', source)}: a personal field is {ALLOWED}, because each of them has a "
        "value that plainly stands for an erased one. A number: keep it as text, or leave it out of events. A model or "
        "a list of personal data: a model whose own fields are Personal, and a list of such models"
    )
