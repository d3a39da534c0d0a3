"""Answers registrations without creating anything: made-up outputs, or unknown ones in a preview."""

from typing import Any

from pulumi import _types

from .arns import arn, has_arn
from .autonaming import physical_name
from .graph import Registered, resource_class, reveal
from .monitor import ProgramError


class GraphProvider:
    """For tests of the graph alone. Every declared text output gets a value that names its resource."""

    def __init__(
        self,
        project: str,
        stack: str,
        *,
        preview: bool = False,
        account: str = "123456789012",
        region: str = "eu-west-1",
    ) -> None:
        self._project, self._stack, self._preview = project, stack, preview
        self._account, self._region = account, region

    def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
        if self._preview:
            return "", {}
        if not resource.type.startswith("aws:"):
            return f"{resource.name}-id", {}
        suffix = ".fifo" if resource.inputs.get("fifoQueue") or resource.inputs.get("fifoTopic") else ""
        given = resource.inputs.get("name") or resource.inputs.get("bucket")
        name = reveal(given) or physical_name(
            resource.type, resource.urn, self._project, self._stack, resource.name, suffix=suffix
        )
        outputs: dict[str, Any] = {}
        for key, kind in _types.resource_types(resource_class(resource.type)).items():
            if key not in resource.inputs and _types.unwrap_optional_type(kind) is str:
                outputs[key] = f"{name}-{key}"
        known = self._known(resource.type, name)
        outputs |= {key: value for key, value in known.items() if key in outputs}
        if resource.inputs.get("manageMasterUserPassword"):
            secret = arn("aws:secretsmanager/secret:Secret", f"rds!cluster-{name}", self._region, self._account)
            outputs["masterUserSecrets"] = [{"secretArn": secret, "secretStatus": "active", "kmsKeyId": ""}]
        return name, outputs

    def _known(self, type_: str, name: str) -> dict[str, str]:
        """Outputs that programs and checks take apart, in the form that AWS gives them."""
        region, account, arn_ = self._region, self._account, self._arn(type_, name)
        return {
            "name": name,
            "bucket": name,
            "region": region,
            "arn": arn_,
            "streamArn": f"{arn_}/stream/2026-01-01T00:00:00.000",
            "invokeArn": f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn_}/invocations",
            "executionArn": f"arn:aws:execute-api:{region}:{account}:{name}",
            "apiEndpoint": f"https://{name}.execute-api.{region}.amazonaws.com",
            "endpoint": f"cognito-idp.{region}.amazonaws.com/{name}",
            "url": f"https://sqs.{region}.amazonaws.com/{account}/{name}",
        }

    def _arn(self, type_: str, name: str) -> str:
        service = type_.split(":")[1].split("/")[0]
        if has_arn(type_):
            return arn(type_, name, self._region, self._account)
        return f"arn:aws:{service}:{self._region}:{self._account}:{name}"

    def invoke(self, token: str, args: dict[str, Any], provider: str) -> dict[str, Any]:
        if token == "aws:index/getCallerIdentity:getCallerIdentity":
            account, root = self._account, f"arn:aws:iam::{self._account}:root"
            return {"accountId": account, "arn": root, "userId": account, "id": account}
        if token == "aws:index/getRegion:getRegion":
            region = self._region
            return {"region": region, "name": region, "id": region, "description": region, "endpoint": ""}
        raise ProgramError(f"provider function {token} is not known here; known are getCallerIdentity and getRegion")
