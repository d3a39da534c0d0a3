"""Commands and events: frozen pydantic models with a type name and a schema version."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from .errors import DefinitionError


class Message(BaseModel):
    """What commands and events share. Fields are validated when made, and never change after."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )  # JSON has neither; and errors end in logs, where values do not belong

    type_name: ClassVar[str] = ""
    schema_version: ClassVar[int] = 1

    def __init_subclass__(cls, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        """Takes what the hook below reads: pydantic hands class arguments to both."""
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.type_name = name or cls.__name__
        cls.schema_version = version
        if version < 1 or any(c in ' #@|"\\' for c in cls.type_name) or not cls.type_name.isprintable():
            raise DefinitionError(
                f'{cls.__qualname__}: a version from 1 on, and a name without space, #, @, |, " and \\'
            )


class Command(Message):
    """A wish of somebody's: `class ReserveProduct(Command): ...`."""


class Event(Message):
    """A fact: `class ProductReserved(Event, version=2): ...`; `name=` keeps a stored name when a class moves."""


class State(BaseModel):
    """What a decider decides on, and what a projection keeps: frozen, with a default for every field."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
