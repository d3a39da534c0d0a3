"""Personal fields in the lake: a column of text, which holds ciphertext and never what it says. Nobody here has keys.

| stored as                                      | in the column                            |
|------------------------------------------------|------------------------------------------|
| `{"~": token}`, before the erasure and after   | the token                                |
| `{"~": ""}`, written after the erasure         | `[erased]`                               |
| the field's default, in the clear              | the default: it says nothing of anybody  |
| anything else in the clear                     | `[personal]`                             |
| null                                           | null                                     |

What is in the clear was stored before the field was marked, or made by an upcaster.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_json

if TYPE_CHECKING:
    from ..kernel.personal import Reading
    from ..kernel.personal_check import PersonalField

_LOADED = "foldstack.kernel.personal"
"""Only a domain that asks for `Personal` loads it."""


def personal_names(model: type[BaseModel]) -> frozenset[str]:
    """The model's own fields that are personal; those of models in it are theirs. Raises DefinitionError where one
    can't be encrypted or erased."""
    return frozenset(field.name for field in _fields(model) if field.model is model)


def is_personal(model: type[BaseModel] | None) -> bool:
    """Whether something in it is."""
    return model is not None and bool(_fields(model))


def reading_of(personal: bool) -> "Reading | None":
    """The context in which what is `personal` is read and written by whoever has no keys."""
    if not personal:
        return None
    from ..kernel.personal import KEPT

    return KEPT


def column_text(default: str | None) -> Callable[[Any], str | None]:
    """Makes what the column holds of a stored value; `default` is the field's, as JSON has it."""
    from ..kernel.personal import CLEAR, ERASED, PERSONAL, token_of

    carried = CLEAR + to_json(default).decode()  # what becomes of it where nobody has keys

    def text(value: Any) -> str | None:
        if value is None or value == default:
            return value
        token = token_of(value)
        if token is None:
            return PERSONAL
        if token.startswith(CLEAR):
            return default if token == carried else PERSONAL
        return token or ERASED

    return text


def _fields(model: type[BaseModel]) -> "tuple[PersonalField, ...]":
    if _LOADED not in sys.modules:
        return ()
    from ..kernel.personal_check import personal_fields

    return personal_fields(model)
