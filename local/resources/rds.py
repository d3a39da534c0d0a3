"""Aurora PostgreSQL clusters: a real PostgreSQL on the laptop, behind the emulator's Data API."""

import json
import secrets
from typing import Any

from ..arns import arn
from ..databases import Databases
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine

_SERVERLESS = "db.serverless"
_PORT = 5432


class Cluster(Handler):
    """Its data are kept with the cloud's; the master's secret is made anew whenever it is gone."""

    understood = frozenset(
        {
            "clusterIdentifier",
            "databaseName",
            "enableHttpEndpoint",
            "engine",
            "engineMode",
            "manageMasterUserPassword",
            "masterUsername",
            "tags",
        }
    )
    without_effect = frozenset(
        {
            "applyImmediately",
            "backupRetentionPeriod",
            "copyTagsToSnapshot",
            "dbSubnetGroupName",
            "deleteAutomatedBackups",
            "deletionProtection",
            "engineVersion",
            "finalSnapshotIdentifier",
            "kmsKeyId",
            "masterUserSecretKmsKeyId",
            "preferredBackupWindow",
            "preferredMaintenanceWindow",
            "serverlessv2ScalingConfiguration",
            "skipFinalSnapshot",
            "storageEncrypted",
            "vpcSecurityGroupIds",
        }
    )
    replaced_by = frozenset(
        {
            "clusterIdentifier",
            "databaseName",
            "engine",
            "engineMode",
            "kmsKeyId",
            "masterUsername",
            "storageEncrypted",
        }
    )
    holds_data = True
    # The server is a child of this process.
    always = True

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs, site = request.inputs, request.site
        if inputs["engine"] != "aurora-postgresql" or not inputs.get("manageMasterUserPassword"):
            raise ValueError("the laptop has clusters of aurora-postgresql with manageMasterUserPassword only")
        name = request.physical_name("clusterIdentifier")
        return name, self._opened(request, name, arn(request.resource.type, name, site.region, site.account))

    def update(self, request: Request, record: Record) -> Outputs:
        return self._opened(request, record.id, record.outputs["arn"])

    def delete(self, site: Site, record: Record) -> None:
        _databases(site).close(record.outputs["arn"])
        with absent_is_fine():
            site.client("secretsmanager").delete_secret(
                SecretId=_secret_name(record.id), ForceDeleteWithoutRecovery=True
            )

    def _opened(self, request: Request, name: str, cluster: str) -> Outputs:
        inputs, manager = request.inputs, request.site.client("secretsmanager")
        secret, password = _master_secret(manager, name, inputs["masterUsername"])
        database = inputs["databaseName"]
        _databases(request.site).open(
            cluster,
            master=inputs["masterUsername"],
            password=password,
            database=database,
            http=bool(inputs.get("enableHttpEndpoint")),
        )
        return {
            "arn": cluster,
            "clusterIdentifier": name,
            "databaseName": database,
            "engineVersion": inputs.get("engineVersion", ""),
            "masterUserSecrets": [{"secretArn": secret, "secretStatus": "active", "kmsKeyId": ""}],
            "port": _PORT,
        }


class ClusterInstance(Handler):
    """Stands for the cluster's only server."""

    understood = frozenset({"clusterIdentifier", "engine", "identifier", "instanceClass", "tags"})
    without_effect = frozenset(
        {"autoMinorVersionUpgrade", "dbSubnetGroupName", "engineVersion", "promotionTier", "publiclyAccessible"}
    )
    replaced_by = frozenset({"clusterIdentifier", "identifier"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs, site = request.inputs, request.site
        if inputs["instanceClass"] != _SERVERLESS:
            raise ValueError(f"instanceClass is {inputs['instanceClass']!r}; the laptop has {_SERVERLESS} only")
        name = request.physical_name("identifier")
        made = arn(request.resource.type, name, site.region, site.account)
        return name, {"arn": made, "identifier": name, "port": _PORT, "engineVersion": inputs.get("engineVersion", "")}

    def delete(self, site: Site, record: Record) -> None:
        """Its server goes with the cluster."""


def _databases(site: Site) -> Databases:
    if site.databases is None:
        raise ValueError("no databases here: a cluster needs a whole laptop cloud")
    return site.databases


def _master_secret(manager: Any, cluster: str, username: str) -> tuple[str, str]:
    """The ARN of the secret that RDS manages for the master, and the password in it."""
    name = _secret_name(cluster)
    try:
        known = manager.get_secret_value(SecretId=name)
        return known["ARN"], json.loads(known["SecretString"])["password"]
    except manager.exceptions.ResourceNotFoundException:
        password = secrets.token_hex(24)
        value = json.dumps({"username": username, "password": password})
        return manager.create_secret(Name=name, SecretString=value)["ARN"], password


def _secret_name(cluster: str) -> str:
    return f"rds!cluster-{cluster}"


HANDLERS = {
    "aws:rds/cluster:Cluster": Cluster(),
    "aws:rds/clusterInstance:ClusterInstance": ClusterInstance(),
}
