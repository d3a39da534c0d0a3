"""Secrets and their values."""

import base64

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, picked


class Secret(Handler):
    understood = frozenset({"description", "name", "tags"})
    without_effect = frozenset({"forceOverwriteReplicaSecret", "kmsKeyId", "recoveryWindowInDays"})
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name = request.physical_name()
        secret = request.site.client("secretsmanager").create_secret(
            Name=name, **picked(request.inputs, {"description": "Description"})
        )
        return secret["ARN"], {"name": name, "arn": secret["ARN"]}

    def update(self, request: Request, record: Record) -> Outputs:
        request.site.client("secretsmanager").update_secret(
            SecretId=record.id, Description=request.inputs.get("description", "")
        )
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("secretsmanager").delete_secret(SecretId=record.id, ForceDeleteWithoutRecovery=True)


class SecretVersion(Handler):
    """Gone with its secret."""

    understood = frozenset({"secretBinary", "secretId", "secretString"})
    replaced_by = frozenset({"secretId"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs = request.inputs
        if "secretBinary" in inputs:
            value: dict[str, str | bytes] = {"SecretBinary": base64.b64decode(inputs["secretBinary"])}
        else:
            value = {"SecretString": inputs["secretString"]}
        version = request.site.client("secretsmanager").put_secret_value(SecretId=inputs["secretId"], **value)
        id_ = f"{version['ARN']}|{version['VersionId']}"
        return id_, {
            "arn": version["ARN"],
            "secretArn": version["ARN"],
            "versionId": version["VersionId"],
            "versionStages": version.get("VersionStages", ["AWSCURRENT"]),
        }

    def delete(self, site: Site, record: Record) -> None:
        """A version cannot be deleted by itself, on AWS neither."""


HANDLERS = {
    "aws:secretsmanager/secret:Secret": Secret(),
    "aws:secretsmanager/secretVersion:SecretVersion": SecretVersion(),
}
