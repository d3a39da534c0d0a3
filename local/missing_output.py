"""An output that nothing supplied: it may be passed about, and raises as soon as anyone uses it."""

from typing import Any, NoReturn

from pulumi.runtime.rpc import UNKNOWN


class MissingOutputError(Exception):
    """The program used an output that the laptop's handler for that resource type does not supply."""


class MissingOutput:
    """Stands in a resource's outputs for a property without a value; every use raises MissingOutputError.

    Only identity, `isinstance` and the SDK's own comparison with its unknown marker are let through.
    """

    __slots__ = ("_what",)

    def __init__(self, type_: str, name: str, output: str) -> None:
        object.__setattr__(self, "_what", f"output {output!r} of {type_} {name!r}")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise MissingOutputError(
            f"{object.__getattribute__(self, '_what')} was used, but the laptop supplies no value for it. "
            "Take another output, or add it to the handler of that type in local/resources/."
        )

    def __eq__(self, other: object) -> bool:
        return False if other == UNKNOWN else self._refuse()

    __getattr__ = _refuse
    # The SDK awaits whatever it serializes, so an untouched value is caught on its way into an input.
    __await__ = _refuse
    __str__ = __repr__ = __format__ = __bytes__ = __hash__ = __bool__ = __len__ = _refuse
    __iter__ = __getitem__ = __contains__ = __call__ = __reversed__ = __fspath__ = _refuse
    __int__ = __float__ = __index__ = __neg__ = __round__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __ne__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __or__ = __ror__ = __and__ = __rand__ = _refuse


def missing(type_: str, name: str, output: str) -> MissingOutput:
    """A MissingOutput whose class carries its name, for code that reports only `type(value).__name__`."""
    label = f"output {output!r} of {type_} {name!r}, for which the laptop supplies no value"
    return type(label, (MissingOutput,), {"__slots__": ()})(type_, name, output)
