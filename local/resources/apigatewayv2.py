"""HTTP APIs. The gateway serves them, from the graph: the emulator holds none, so there is no way around it."""

import hashlib
from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site

ANY_ROUTE = "$default"


class UnsupportedApi(ValueError):
    """An API is shaped in a way that the gateway does not serve."""


class _InGraph(Handler):
    def create(self, request: Request) -> tuple[str, Outputs]:
        id_ = hashlib.sha256(request.resource.urn.encode()).hexdigest()[:10]
        return id_, self.outputs(request, id_)

    def update(self, request: Request, record: Record) -> Outputs:
        return self.outputs(request, record.id)

    def delete(self, site: Site, record: Record) -> None:
        """Nothing outside the graph holds it."""

    def outputs(self, request: Request, id_: str) -> Outputs:
        return {}


class Api(_InGraph):
    understood = frozenset({"name", "protocolType", "tags"})
    without_effect = frozenset({"description", "disableExecuteApiEndpoint", "ipAddressType", "version"})
    replaced_by = frozenset({"protocolType"})
    always = True

    def outputs(self, request: Request, id_: str) -> Outputs:
        _only(request, "protocolType", "HTTP")
        site = request.site
        return {
            "name": request.physical_name(),
            "apiEndpoint": site.gateway_url(id_),
            "arn": f"arn:aws:apigateway:{site.region}::/apis/{id_}",
            "executionArn": _execution_arn(site, id_),
        }


class Authorizer(_InGraph):
    """One of tokens that a user pool of the program issues: the laptop asks nobody outside for keys."""

    understood = frozenset({"apiId", "authorizerType", "identitySources", "jwtConfiguration", "name"})
    replaced_by = frozenset({"apiId"})

    def outputs(self, request: Request, id_: str) -> Outputs:
        _only(request, "authorizerType", "JWT")
        _only(request, "identitySources", ["$request.header.Authorization"])
        return {"name": request.physical_name()}


class Integration(_InGraph):
    understood = frozenset(
        {"apiId", "integrationType", "integrationUri", "payloadFormatVersion", "timeoutMilliseconds"}
    )
    without_effect = frozenset({"connectionType", "description", "integrationMethod"})
    replaced_by = frozenset({"apiId"})

    def outputs(self, request: Request, id_: str) -> Outputs:
        _only(request, "integrationType", "AWS_PROXY")
        _only(request, "payloadFormatVersion", "2.0")
        return {}


class Route(_InGraph):
    understood = frozenset({"apiId", "authorizationScopes", "authorizationType", "authorizerId", "routeKey", "target"})
    without_effect = frozenset({"operationName"})
    replaced_by = frozenset({"apiId"})

    def outputs(self, request: Request, id_: str) -> Outputs:
        if request.inputs.get("authorizationType", "NONE") != "NONE":
            _only(request, "authorizationType", "JWT")
        return {}


class Stage(_InGraph):
    understood = frozenset({"apiId", "name", "tags"})
    without_effect = frozenset(
        {"accessLogSettings", "autoDeploy", "defaultRouteSettings", "description", "routeSettings"}
    )
    replaced_by = frozenset({"apiId", "name"})
    always = True

    def create(self, request: Request) -> tuple[str, Outputs]:
        name = request.inputs.get("name", "")
        return name, self.outputs(request, name)

    def outputs(self, request: Request, id_: str) -> Outputs:
        _only(request, "name", ANY_ROUTE)
        site, api = request.site, request.inputs["apiId"]
        return {
            "invokeUrl": site.gateway_url(api),
            "arn": f"arn:aws:apigateway:{site.region}::/apis/{api}/stages/{id_}",
            "executionArn": f"{_execution_arn(site, api)}/{id_}",
        }


def _execution_arn(site: Site, api: str) -> str:
    return f"arn:aws:execute-api:{site.region}:{site.account}:{api}"


def _only(request: Request, key: str, supported: Any) -> None:
    if request.inputs.get(key) != supported:
        raise UnsupportedApi(
            f"{key} is {request.inputs.get(key)!r}, and the laptop's gateway serves {supported!r} only"
        )


HANDLERS = {
    "aws:apigatewayv2/api:Api": Api(),
    "aws:apigatewayv2/authorizer:Authorizer": Authorizer(),
    "aws:apigatewayv2/integration:Integration": Integration(),
    "aws:apigatewayv2/route:Route": Route(),
    "aws:apigatewayv2/stage:Stage": Stage(),
}
