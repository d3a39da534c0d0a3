"""Athena workgroups."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal

_LEAST_SCANNED = 10_000_000
_NAMES = {
    "enforceWorkgroupConfiguration": "EnforceWorkGroupConfiguration",
    "publishCloudwatchMetricsEnabled": "PublishCloudWatchMetricsEnabled",
}


class Workgroup(Handler):
    understood = frozenset({"configuration", "description", "name", "state", "tags"})
    without_effect = frozenset({"forceDestroy"})
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, site = request.physical_name(), request.site
        athena = site.client("athena")
        athena.create_work_group(Name=name, Configuration=_configuration(request.inputs))
        self._settle(athena, name, request.inputs)
        arn = f"arn:aws:athena:{site.region}:{site.account}:workgroup/{name}"
        return name, {"name": name, "arn": arn}

    def update(self, request: Request, record: Record) -> Outputs:
        athena, inputs = request.site.client("athena"), request.inputs
        wanted = _configuration(inputs)
        updates = {key: value for key, value in wanted.items() if key != "ResultConfiguration"}
        if "ResultConfiguration" in wanted:
            updates["ResultConfigurationUpdates"] = wanted["ResultConfiguration"]
        athena.update_work_group(WorkGroup=record.id, ConfigurationUpdates=updates)
        self._settle(athena, record.id, inputs)
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("athena").delete_work_group(WorkGroup=record.id, RecursiveDeleteOption=True)

    def _settle(self, athena: Any, name: str, inputs: dict[str, Any]) -> None:
        athena.update_work_group(
            WorkGroup=name, Description=inputs.get("description", ""), State=inputs.get("state", "ENABLED")
        )


def _configuration(inputs: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers, as the API has them, though a program's may be floats."""
    given = pascal(inputs.get("configuration") or {}, _NAMES)
    if "BytesScannedCutoffPerQuery" in given:
        given["BytesScannedCutoffPerQuery"] = int(given["BytesScannedCutoffPerQuery"])
        if given["BytesScannedCutoffPerQuery"] < _LEAST_SCANNED:
            raise ValueError(f"bytesScannedCutoffPerQuery: AWS takes {_LEAST_SCANNED} or more")
    return given


HANDLERS = {"aws:athena/workgroup:Workgroup": Workgroup()}
