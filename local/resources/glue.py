"""Glue databases and tables: what Athena knows of the lake."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal, picked


class Database(Handler):
    understood = frozenset({"description", "locationUri", "name", "parameters", "tags"})
    without_effect = frozenset({"createTableDefaultPermissions"})
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, site = request.physical_name(), request.site
        site.client("glue").create_database(DatabaseInput=_database(name, request.inputs))
        return f"{site.account}:{name}", _database_outputs(name, site)

    def update(self, request: Request, record: Record) -> Outputs:
        name = record.outputs["name"]
        request.site.client("glue").update_database(Name=name, DatabaseInput=_database(name, request.inputs))
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("glue").delete_database(Name=record.outputs["name"])


class Table(Handler):
    """Partitions are projected: the laptop's Athena reads the parameters that say so."""

    understood = frozenset(
        {
            "databaseName",
            "description",
            "name",
            "parameters",
            "partitionKeys",
            "storageDescriptor",
            "tableType",
            "viewExpandedText",
            "viewOriginalText",
        }
    )
    without_effect = frozenset({"owner", "retention"})
    replaced_by = frozenset({"databaseName", "name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, database = request.physical_name(), request.inputs["databaseName"]
        request.site.client("glue").create_table(DatabaseName=database, TableInput=_table(name, request.inputs))
        site = request.site
        arn = f"arn:aws:glue:{site.region}:{site.account}:table/{database}/{name}"
        return f"{site.account}:{database}:{name}", {"name": name, "databaseName": database, "arn": arn}

    def update(self, request: Request, record: Record) -> Outputs:
        name, database = record.outputs["name"], record.outputs["databaseName"]
        request.site.client("glue").update_table(DatabaseName=database, TableInput=_table(name, request.inputs))
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("glue").delete_table(DatabaseName=record.outputs["databaseName"], Name=record.outputs["name"])


def _database(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    given = {"description": "Description", "locationUri": "LocationUri", "parameters": "Parameters"}
    return {"Name": name, **picked(inputs, given)}


def _database_outputs(name: str, site: Site) -> Outputs:
    arn = f"arn:aws:glue:{site.region}:{site.account}:database/{name}"
    return {"name": name, "catalogId": site.account, "arn": arn}


def _table(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    given = {
        "description": "Description",
        "parameters": "Parameters",
        "tableType": "TableType",
        "viewExpandedText": "ViewExpandedText",
        "viewOriginalText": "ViewOriginalText",
    }
    table = {"Name": name, **picked(inputs, given)}
    if "storageDescriptor" in inputs:
        table["StorageDescriptor"] = pascal(inputs["storageDescriptor"], {"serDeInfo": "SerdeInfo"})
    if "partitionKeys" in inputs:
        table["PartitionKeys"] = pascal(inputs["partitionKeys"])
    return table


HANDLERS = {
    "aws:glue/catalogDatabase:CatalogDatabase": Database(),
    "aws:glue/catalogTable:CatalogTable": Table(),
}
