"""DynamoDB tables."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal


class Table(Handler):
    understood = frozenset(
        {
            "attributes",
            "billingMode",
            "deletionProtectionEnabled",
            "globalSecondaryIndexes",
            "hashKey",
            "localSecondaryIndexes",
            "name",
            "pointInTimeRecovery",
            "rangeKey",
            "readCapacity",
            "streamEnabled",
            "streamViewType",
            "tags",
            "ttl",
            "writeCapacity",
        }
    )
    without_effect = frozenset({"serverSideEncryption", "tableClass", "onDemandThroughput"})
    replaced_by = frozenset({"name", "hashKey", "rangeKey", "localSecondaryIndexes"})
    holds_data = True

    def create(self, request: Request) -> tuple[str, Outputs]:
        dynamodb, inputs, name = request.site.client("dynamodb"), request.inputs, request.physical_name()
        shape: dict[str, Any] = {
            "TableName": name,
            "KeySchema": _keys(inputs),
            "AttributeDefinitions": _attributes(inputs),
            "DeletionProtectionEnabled": inputs.get("deletionProtectionEnabled", False),
            **_capacity(inputs),
        }
        for ours, theirs in {
            "globalSecondaryIndexes": "GlobalSecondaryIndexes",
            "localSecondaryIndexes": "LocalSecondaryIndexes",
        }.items():
            if inputs.get(ours):
                shape[theirs] = [_index(i, inputs) for i in inputs[ours]]
        if inputs.get("streamEnabled"):
            shape["StreamSpecification"] = _stream(inputs)
        dynamodb.create_table(**shape)
        try:
            _set_ttl(dynamodb, name, inputs)
            _set_recovery(dynamodb, name, inputs)
        except Exception:
            # A table half made would be in the way of the next deployment.
            dynamodb.delete_table(TableName=name)
            raise
        return name, _outputs(dynamodb, name)

    def update(self, request: Request, record: Record) -> Outputs:
        dynamodb, inputs, old = request.site.client("dynamodb"), request.inputs, record.inputs
        changed = {k for k in inputs.keys() | old.keys() if inputs.get(k) != old.get(k)}
        if changed & {"billingMode", "readCapacity", "writeCapacity"}:
            dynamodb.update_table(TableName=record.id, **_capacity(inputs))
        if "deletionProtectionEnabled" in changed:
            dynamodb.update_table(
                TableName=record.id, DeletionProtectionEnabled=inputs.get("deletionProtectionEnabled", False)
            )
        if changed & {"streamEnabled", "streamViewType"}:
            if old.get("streamEnabled"):
                dynamodb.update_table(TableName=record.id, StreamSpecification={"StreamEnabled": False})
            if inputs.get("streamEnabled"):
                dynamodb.update_table(TableName=record.id, StreamSpecification=_stream(inputs))
        if "globalSecondaryIndexes" in changed:
            _change_indexes(dynamodb, record, inputs)
        if "ttl" in changed:
            _set_ttl(dynamodb, record.id, inputs, old.get("ttl"))
        if "pointInTimeRecovery" in changed:
            _set_recovery(dynamodb, record.id, inputs)
        return _outputs(dynamodb, record.id)

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("dynamodb").delete_table(TableName=record.id)


def _outputs(dynamodb: Any, name: str) -> Outputs:
    table = dynamodb.describe_table(TableName=name)["Table"]
    return {
        "name": name,
        "arn": table["TableArn"],
        "streamArn": table.get("LatestStreamArn"),
        "streamLabel": table.get("LatestStreamLabel"),
    }


def _keys(shape: dict[str, Any]) -> list[dict[str, str]]:
    keys = [{"AttributeName": shape["hashKey"], "KeyType": "HASH"}]
    if shape.get("rangeKey"):
        keys.append({"AttributeName": shape["rangeKey"], "KeyType": "RANGE"})
    return keys


def _attributes(inputs: dict[str, Any]) -> list[dict[str, str]]:
    return [{"AttributeName": a["name"], "AttributeType": a["type"]} for a in inputs.get("attributes", [])]


def _capacity(inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs.get("billingMode") == "PAY_PER_REQUEST":
        return {"BillingMode": "PAY_PER_REQUEST"}
    units = {"ReadCapacityUnits": inputs.get("readCapacity", 1), "WriteCapacityUnits": inputs.get("writeCapacity", 1)}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}


def _stream(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"StreamEnabled": True, "StreamViewType": inputs["streamViewType"]}


def _index(index: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    keys = _keys({"hashKey": table["hashKey"], **index})
    projection: dict[str, Any] = {"ProjectionType": index.get("projectionType", "ALL")}
    if index.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = index["nonKeyAttributes"]
    shape = {"IndexName": index["name"], "KeySchema": keys, "Projection": projection}
    capacity = _capacity({**index, "billingMode": table.get("billingMode")})
    if "hashKey" in index and "ProvisionedThroughput" in capacity:
        shape["ProvisionedThroughput"] = capacity["ProvisionedThroughput"]
    return shape


def _change_indexes(dynamodb: Any, record: Record, inputs: dict[str, Any]) -> None:
    old = {i["name"]: i for i in record.inputs.get("globalSecondaryIndexes", [])}
    new = {i["name"]: i for i in inputs.get("globalSecondaryIndexes", [])}
    gone = [n for n in old if old[n] != new.get(n)]
    come = [n for n in new if new[n] != old.get(n)]
    for change in [
        *({"Delete": {"IndexName": name}} for name in gone),
        *({"Create": _index(new[name], inputs)} for name in come),
    ]:
        dynamodb.update_table(
            TableName=record.id,
            AttributeDefinitions=_attributes(inputs),
            GlobalSecondaryIndexUpdates=[change],
        )


def _set_ttl(dynamodb: Any, name: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> None:
    ttl = inputs.get("ttl") or ({**old, "enabled": False} if old else None)
    if ttl and (ttl.get("enabled") or old):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=pascal(ttl))


def _set_recovery(dynamodb: Any, name: str, inputs: dict[str, Any]) -> None:
    recovery = inputs.get("pointInTimeRecovery")
    if recovery:
        shape = {"PointInTimeRecoveryEnabled": recovery["enabled"]}
        if recovery["enabled"] and recovery.get("recoveryPeriodInDays"):
            shape["RecoveryPeriodInDays"] = recovery["recoveryPeriodInDays"]
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=shape)


HANDLERS = {"aws:dynamodb/table:Table": Table()}
