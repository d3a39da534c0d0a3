"""Finds the domain that a function runs."""

import importlib

from ..kernel.errors import DefinitionError
from ..kernel.service import Service

_EXAMPLE = 'FOLDSTACK_DOMAIN is "module:attribute", for instance "shop:service"'


def load(address: str) -> Service:
    """The Service at `module:attribute`. Raises DefinitionError where there is none; what the module itself raises
    when it is imported propagates."""
    module_name, colon, attribute = address.partition(":")
    if not colon or not module_name or not attribute.isidentifier():
        raise DefinitionError(f"{address!r} names no domain: {_EXAMPLE}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise DefinitionError(
            f"{address!r}: there is no module {error.name} in this bundle; name one that `domain` packs. {_EXAMPLE}"
        ) from error
    service = getattr(module, attribute, None)
    if not isinstance(service, Service):
        services = sorted(name for name, value in vars(module).items() if isinstance(value, Service))
        found = "is not there" if service is None else f"is a {type(service).__name__}, not a Service"
        hint = f"; {module_name} has {', '.join(services)}" if services else ""
        raise DefinitionError(f"{address!r}: {attribute} {found}{hint}. {_EXAMPLE}")
    return service
