"""User pools, their clients, resource servers and domains."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal, picked

_SERVICE = "cognito-idp"
_SPELLED = {
    "allowedOauthFlows": "AllowedOAuthFlows",
    "allowedOauthFlowsUserPoolClient": "AllowedOAuthFlowsUserPoolClient",
    "allowedOauthScopes": "AllowedOAuthScopes",
    "callbackUrls": "CallbackURLs",
    "defaultRedirectUri": "DefaultRedirectURI",
    "logoutUrls": "LogoutURLs",
}


class UserPool(Handler):
    understood = frozenset(
        {
            "accountRecoverySetting",
            "adminCreateUserConfig",
            "autoVerifiedAttributes",
            "deletionProtection",
            "lambdaConfig",
            "mfaConfiguration",
            "name",
            "passwordPolicy",
            "softwareTokenMfaConfiguration",
            "tags",
            "userAttributeUpdateSettings",
            "userPoolTier",
            "usernameAttributes",
            "usernameConfiguration",
        }
    )
    without_effect = frozenset({"emailConfiguration"})
    replaced_by = frozenset({"usernameAttributes", "usernameConfiguration"})
    holds_data = True

    def create(self, request: Request) -> tuple[str, Outputs]:
        cognito, name = request.site.client(_SERVICE), request.physical_name()
        made = cognito.create_user_pool(
            PoolName=name,
            **picked(request.inputs, {"usernameAttributes": "UsernameAttributes"}),
            **_pascal(request.inputs, "usernameConfiguration"),
            **_settings(request.inputs),
        )["UserPool"]
        _set_mfa(cognito, made["Id"], request.inputs)
        return made["Id"], self._outputs(request.site, made["Id"], name)

    def update(self, request: Request, record: Record) -> Outputs:
        cognito = request.site.client(_SERVICE)
        cognito.update_user_pool(UserPoolId=record.id, **_settings(request.inputs))
        _set_mfa(cognito, record.id, request.inputs)
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client(_SERVICE).delete_user_pool(UserPoolId=record.id)

    def _outputs(self, site: Site, id_: str, name: str) -> Outputs:
        return {
            "name": name,
            "arn": f"arn:aws:cognito-idp:{site.region}:{site.account}:userpool/{id_}",
            "endpoint": f"cognito-idp.{site.region}.amazonaws.com/{id_}",
        }


class UserPoolClient(Handler):
    """Its secret is no output here: whoever may describe the client sees it."""

    understood = frozenset(
        {
            "accessTokenValidity",
            "allowedOauthFlows",
            "allowedOauthFlowsUserPoolClient",
            "allowedOauthScopes",
            "callbackUrls",
            "defaultRedirectUri",
            "enableTokenRevocation",
            "explicitAuthFlows",
            "generateSecret",
            "idTokenValidity",
            "logoutUrls",
            "name",
            "preventUserExistenceErrors",
            "readAttributes",
            "refreshTokenValidity",
            "supportedIdentityProviders",
            "tokenValidityUnits",
            "userPoolId",
            "writeAttributes",
        }
    )
    replaced_by = frozenset({"generateSecret", "userPoolId"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name = request.physical_name()
        made = request.site.client(_SERVICE).create_user_pool_client(
            ClientName=name,
            GenerateSecret=request.inputs.get("generateSecret", False),
            **self._settings(request.inputs),
        )["UserPoolClient"]
        return made["ClientId"], {"name": name}

    def update(self, request: Request, record: Record) -> Outputs:
        request.site.client(_SERVICE).update_user_pool_client(ClientId=record.id, **self._settings(request.inputs))
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client(_SERVICE).delete_user_pool_client(UserPoolId=record.inputs["userPoolId"], ClientId=record.id)

    def _settings(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return pascal({k: v for k, v in inputs.items() if k not in ("generateSecret", "name")}, _SPELLED)


class ResourceServer(Handler):
    understood = frozenset({"identifier", "name", "scopes", "userPoolId"})
    replaced_by = frozenset({"identifier", "userPoolId"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs, settings = request.inputs, self._settings(request)
        request.site.client(_SERVICE).create_resource_server(**settings)
        return f"{inputs['userPoolId']}|{inputs['identifier']}", self._outputs(request)

    def update(self, request: Request, record: Record) -> Outputs:
        request.site.client(_SERVICE).update_resource_server(**self._settings(request))
        return self._outputs(request)

    def delete(self, site: Site, record: Record) -> None:
        pool, identifier = record.id.split("|")
        with absent_is_fine():
            site.client(_SERVICE).delete_resource_server(UserPoolId=pool, Identifier=identifier)

    def _settings(self, request: Request) -> dict[str, Any]:
        return {
            "UserPoolId": request.inputs["userPoolId"],
            "Identifier": request.inputs["identifier"],
            "Name": request.physical_name(),
            "Scopes": pascal(request.inputs.get("scopes", [])),
        }

    def _outputs(self, request: Request) -> Outputs:
        scopes = [f"{request.inputs['identifier']}/{each['scopeName']}" for each in request.inputs.get("scopes", [])]
        return {"name": request.physical_name(), "scopeIdentifiers": scopes}


class UserPoolDomain(Handler):
    """The laptop's sign-in pages are the emulator's own, whatever the domain."""

    understood = frozenset({"domain", "userPoolId"})
    without_effect = frozenset({"managedLoginVersion"})
    replaced_by = frozenset({"domain", "userPoolId"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        domain = request.inputs["domain"]
        request.site.client(_SERVICE).create_user_pool_domain(UserPoolId=request.inputs["userPoolId"], Domain=domain)
        return domain, {}

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client(_SERVICE).delete_user_pool_domain(UserPoolId=record.inputs["userPoolId"], Domain=record.id)


def _settings(inputs: dict[str, Any]) -> dict[str, Any]:
    """What CreateUserPool and UpdateUserPool both take."""
    update = "AttributesRequireVerificationBeforeUpdate"
    settings = {
        **_pascal(inputs, "accountRecoverySetting", "adminCreateUserConfig", "lambdaConfig"),
        **pascal(
            {k: inputs[k] for k in ("userAttributeUpdateSettings",) if k in inputs},
            {"attributesRequireVerificationBeforeUpdates": update},
        ),
        **picked(
            inputs,
            {
                "autoVerifiedAttributes": "AutoVerifiedAttributes",
                "deletionProtection": "DeletionProtection",
                "userPoolTier": "UserPoolTier",
            },
        ),
    }
    if "passwordPolicy" in inputs:
        settings["Policies"] = {"PasswordPolicy": pascal(inputs["passwordPolicy"])}
    return settings


def _pascal(inputs: dict[str, Any], *names: str) -> dict[str, Any]:
    return pascal({name: inputs[name] for name in names if name in inputs})


def _set_mfa(cognito: Any, pool: str, inputs: dict[str, Any]) -> None:
    chosen = {"MfaConfiguration": inputs.get("mfaConfiguration", "OFF")}
    cognito.set_user_pool_mfa_config(UserPoolId=pool, **chosen, **_pascal(inputs, "softwareTokenMfaConfiguration"))


HANDLERS = {
    "aws:cognito/resourceServer:ResourceServer": ResourceServer(),
    "aws:cognito/userPool:UserPool": UserPool(),
    "aws:cognito/userPoolClient:UserPoolClient": UserPoolClient(),
    "aws:cognito/userPoolDomain:UserPoolDomain": UserPoolDomain(),
}
