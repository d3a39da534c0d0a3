"""The HTTP face of a domain: which request becomes which command or query."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from .access import Roles
from .errors import DefinitionError

_TEMPLATE = re.compile(r"(/([a-z0-9-]+|\{[a-z_]+\}))+")
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


class Body(BaseModel):
    """A request body or an answer: camelCase in JSON, strict types, no unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


class QueryParameters(BaseModel):
    """The query string: camelCase names, values read from text, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


@dataclass(frozen=True)
class Route:
    """One method on one path template. `permission` is what a caller's role must have. `answers` maps statuses to
    models, `problems` lists statuses with problem documents, both for the OpenAPI document."""

    method: str
    template: str
    handler: Callable[..., Any]
    permission: str = ""
    body: type[Body] | None = None
    query: type[QueryParameters] | None = None
    summary: str = ""
    answers: Mapping[int, type[Body] | None] = field(default_factory=dict)
    problems: tuple[int, ...] = ()

    @property
    def is_command(self) -> bool:
        return self.method != "GET"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.template))


class Api:
    """Routes, declared with decorators:

        api = Api(Roles(admin=EVERYTHING, viewer=("read",)))

        @api.post("/products", permission="manage", body=NewProduct, answers={201: Product}, problems=(409,))
        def create_product(request): ...

    A handler of POST, PUT, PATCH and DELETE gets a `CommandRequest`, one of GET a `QueryRequest`; both answer
    an `Answer` or a `Rejection`. With roles every route names a permission, else DefinitionError is raised when the
    module loads; without them only a door that is anonymous serves it.
    """

    def __init__(self, roles: Roles | None = None) -> None:
        self.roles = roles
        self.routes: list[Route] = []

    def get(self, template: str, **about: Any) -> Callable[[Callable], Callable]:
        return self._route("GET", template, about)

    def post(self, template: str, **about: Any) -> Callable[[Callable], Callable]:
        return self._route("POST", template, about)

    def put(self, template: str, **about: Any) -> Callable[[Callable], Callable]:
        return self._route("PUT", template, about)

    def patch(self, template: str, **about: Any) -> Callable[[Callable], Callable]:
        return self._route("PATCH", template, about)

    def delete(self, template: str, **about: Any) -> Callable[[Callable], Callable]:
        return self._route("DELETE", template, about)

    def _route(self, method: str, template: str, about: dict[str, Any]) -> Callable[[Callable], Callable]:
        if not _TEMPLATE.fullmatch(template):
            raise DefinitionError(f"{method} {template}: a path is /words and /{{parameters}} in lower case")

        def register(handler: Callable) -> Callable:
            if any(r.method == method and _shape(r.template) == _shape(template) for r in self.routes):
                raise DefinitionError(f"{method} {template} is routed twice")
            self._check_permission(f"{method} {template}", about.get("permission", ""))
            summary = about.pop("summary", None) or (handler.__doc__ or "").strip().split("\n")[0]
            self.routes.append(Route(method, template, handler, summary=summary, **about))
            return handler

        return register

    def _check_permission(self, where: str, permission: str) -> None:
        if self.roles is None:
            if permission:
                raise DefinitionError(
                    f"{where} asks for {permission!r}, and no role has it: Api(Roles(...)) names them"
                )
            return
        if not permission:
            raise DefinitionError(f"{where} names no permission, so nobody may call it: write permission=...")
        Roles.check_permission(permission, where)


def _shape(template: str) -> str:
    return _PARAMETER.sub("{}", template)
