"""Which function an HTTP API gives a request to, by API Gateway's order of precedence."""

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from .jwt_authorizer import JwtAuthorizer

DEFAULT = "$default"


@dataclass(frozen=True)
class Route:
    """`key` is "METHOD /path/{variable}", "ANY /path", with a greedy "{proxy+}" at the end, or "$default".
    Without a `guard` anybody may call it."""

    key: str
    function: str
    guard: JwtAuthorizer | None = None

    @property
    def method(self) -> str:
        return self.key.split(" ", 1)[0]

    @property
    def path(self) -> str:
        return self.key.partition(" ")[2]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path's variables, or None when the route is another's."""
        if self.key == DEFAULT:
            return {}
        if self.method not in (method, "ANY"):
            return None
        found = re.fullmatch(_expression(self.path), path)
        return found.groupdict() if found else None

    def rank(self) -> tuple[bool, bool, int, int, bool]:
        """Smaller comes first: whole paths, then those with fewer variables, greedy ones, `$default` last."""
        variables = self.path.count("{")
        return (self.key == DEFAULT, "+}" in self.path, variables, -len(self.path), self.method == "ANY")


class RouteTable:
    """The routes of one API."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = sorted(routes, key=Route.rank)

    def choose(self, event: bytes) -> tuple[str, bytes] | None:
        """The function's name, and the event with the route's key, path variables and the claims of its caller; None
        without a route. Raises Unauthorized."""
        if [(route.key, route.guard) for route in self._routes] == [(DEFAULT, None)]:
            return self._routes[0].function, event
        content = json.loads(event)
        http = content["requestContext"]["http"]
        # Matched as it came: a decoded slash would be another path.
        path = quote(content["rawPath"], safe="/%:@!$&'()*+,;=~")
        for route in self._routes:
            variables = route.match(http["method"], path)
            if variables is not None:
                content["routeKey"] = content["requestContext"]["routeKey"] = route.key
                if variables:
                    content["pathParameters"] = variables
                if route.guard is not None:
                    content["requestContext"]["authorizer"] = {"jwt": route.guard.claims(content["headers"])}
                return route.function, json.dumps(content).encode()
        return None


def _expression(path: str) -> str:
    parts = []
    for part in path.strip("/").split("/"):
        if part.startswith("{") and part.endswith("+}"):
            parts.append(f"(?P<{part[1:-2]}>.+)")
        elif part.startswith("{"):
            parts.append(f"(?P<{part[1:-1]}>[^/]+)")
        else:
            parts.append(re.escape(part))
    return "/" + "/".join(parts)
