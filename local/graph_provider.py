"""Answers registrations without creating anything: made-up outputs, or unknown ones in a preview."""

from typing import Any

from pulumi import _types

from .arns import arn, has_arn
from .autonaming import physical_name
from .monitor import ProgramError, Registered, resource_class, reveal

ACCOUNT, REGION = "123456789012", "eu-west-1"


class GraphProvider:
    """For tests of the graph alone. Every declared text output gets a value that names its resource."""

    def __init__(self, project: str, stack: str, *, preview: bool = False) -> None:
        self._project, self._stack, self._preview = project, stack, preview

    def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
        if self._preview:
            return "", {}
        if not resource.type.startswith("aws:"):
            return f"{resource.name}-id", {}
        suffix = ".fifo" if resource.inputs.get("fifoQueue") else ""
        given = resource.inputs.get("name") or resource.inputs.get("bucket")
        name = reveal(given) or physical_name(
            resource.type, resource.urn, self._project, self._stack, resource.name, suffix=suffix
        )
        outputs: dict[str, Any] = {}
        for key, kind in _types.resource_types(resource_class(resource.type)).items():
            if key not in resource.inputs and _types.unwrap_optional_type(kind) is str:
                outputs[key] = f"{name}-{key}"
        known = {"name": name, "bucket": name, "region": REGION}
        if "arn" in outputs:
            known["arn"] = self._arn(resource.type, name)
        outputs |= {key: value for key, value in known.items() if key in outputs}
        return name, outputs

    def _arn(self, type_: str, name: str) -> str:
        service = type_.split(":")[1].split("/")[0]
        if has_arn(type_):
            return arn(type_, name, REGION, ACCOUNT)
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"

    def invoke(self, token: str, args: dict[str, Any], provider: str) -> dict[str, Any]:
        if token == "aws:index/getCallerIdentity:getCallerIdentity":
            arn = f"arn:aws:iam::{ACCOUNT}:root"
            return {"accountId": ACCOUNT, "arn": arn, "userId": ACCOUNT, "id": ACCOUNT}
        if token == "aws:index/getRegion:getRegion":
            return {"region": REGION, "name": REGION, "id": REGION, "description": REGION, "endpoint": ""}
        raise ProgramError(
            f"provider function {token} is not known here; known are getCallerIdentity and getRegion"
        )
