"""Lambda functions, layers, event source mappings and permissions.

A function runs in the function host; the emulator knows it by name, so that its Invoke API reaches the host.
Mappings are read by the laptop's own event sources: the emulator gets none, or each record would come twice.
"""

import hashlib
import io
import uuid
import zipfile
from datetime import UTC, datetime
from typing import Any

from ..archives import digest, unpack
from ..arns import arn
from ..private_files import private_directory
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine

_PROXY = "MINISTACK_LAMBDA_PROXY_URL"
_STUB_DATE = (1980, 1, 1, 0, 0, 0)
# Enough for the emulator, which never runs it.
_EMULATED = {
    "runtime": "Runtime",
    "handler": "Handler",
    "role": "Role",
    "timeout": "Timeout",
    "memorySize": "MemorySize",
}


class Function(Handler):
    understood = frozenset(
        {
            "code",
            "environment",
            "handler",
            "layers",
            "memorySize",
            "name",
            "reservedConcurrentExecutions",
            "role",
            "runtime",
            "tags",
            "timeout",
        }
    )
    without_effect = frozenset(
        {
            "architectures",
            "description",
            "ephemeralStorage",
            "loggingConfig",
            "packageType",
            "publish",
            "snapStart",
            "sourceCodeHash",
            "tracingConfig",
            "vpcConfig",
        }
    )
    replaced_by = frozenset({"name", "packageType"})
    # Where the function host listens is another place after each start.
    always = True

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, site = request.physical_name(), request.site
        site.client("lambda").create_function(
            FunctionName=name,
            Code={"ZipFile": _stub()},
            Environment=_environment(site, name),
            **_emulated(request.inputs),
        )
        return name, _function_outputs(request, name)

    def update(self, request: Request, record: Record) -> Outputs:
        site, unchanged = request.site, not request.changed
        if unchanged and record.outputs["proxyUrl"] == site.function_url(record.id):
            return record.outputs
        site.client("lambda").update_function_configuration(
            FunctionName=record.id, Environment=_environment(site, record.id), **_emulated(request.inputs)
        )
        return _function_outputs(request, record.id)

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("lambda").delete_function(FunctionName=record.id)


class LayerVersion(Handler):
    """Unpacked beside the functions; every change of content makes the next version."""

    understood = frozenset({"code", "layerName"})
    without_effect = frozenset(
        {"compatibleArchitectures", "compatibleRuntimes", "description", "licenseInfo", "skipDestroy", "sourceCodeHash"}
    )
    replaced_by = frozenset({"layerName"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        outputs = self._outputs(request, version=1)
        return outputs["arn"], outputs

    def update(self, request: Request, record: Record) -> Outputs:
        return self._outputs(request, version=int(record.outputs["version"]) + 1)

    def delete(self, site: Site, record: Record) -> None:
        """Its folder goes with the next sweep of unused ones."""

    def _outputs(self, request: Request, version: int) -> Outputs:
        name = request.physical_name("layerName")
        layer = arn(request.resource.type, name, request.site.region, request.site.account).rsplit(":", 1)[0]
        code = request.inputs["code"]
        unpack_code(request.site, name, code)
        return {
            "layerName": name,
            "layerArn": layer,
            "arn": f"{layer}:{version}",
            "version": str(version),
            "codeSha256": digest(code),
            "createdDate": datetime.now(UTC).isoformat(),
        }


class EventSourceMapping(Handler):
    understood = frozenset(
        {
            "batchSize",
            "bisectBatchOnFunctionError",
            "destinationConfig",
            "enabled",
            "eventSourceArn",
            "filterCriteria",
            "functionName",
            "functionResponseTypes",
            "maximumBatchingWindowInSeconds",
            "maximumRecordAgeInSeconds",
            "maximumRetryAttempts",
            "parallelizationFactor",
            "scalingConfig",
            "startingPosition",
            "tags",
        }
    )
    without_effect = frozenset({"metricsConfig"})
    replaced_by = frozenset({"eventSourceArn", "startingPosition"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        id_ = str(uuid.UUID(hashlib.sha256(request.resource.urn.encode()).hexdigest()[:32]))
        return id_, self._outputs(request, id_)

    def update(self, request: Request, record: Record) -> Outputs:
        return self._outputs(request, record.id)

    def delete(self, site: Site, record: Record) -> None:
        """Its poller is stopped with the mapping gone from the graph."""

    def _outputs(self, request: Request, id_: str) -> Outputs:
        site, function = request.site, request.inputs["functionName"]
        if not function.startswith("arn:"):
            function = arn("aws:lambda/function:Function", function, site.region, site.account)
        return {
            "uuid": id_,
            "arn": arn(request.resource.type, id_, site.region, site.account),
            "functionArn": function,
            "state": "Enabled" if request.inputs.get("enabled", True) else "Disabled",
        }


class Permission(Handler):
    """Recorded in the emulator; who may invoke whom is checked by `edges`."""

    understood = frozenset(
        {"action", "function", "principal", "qualifier", "sourceAccount", "sourceArn", "statementId"}
    )
    replaced_by = understood

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs, statement = request.inputs, request.physical_name("statementId")
        optional = {"qualifier": "Qualifier", "sourceAccount": "SourceAccount", "sourceArn": "SourceArn"}
        request.site.client("lambda").add_permission(
            FunctionName=inputs["function"],
            StatementId=statement,
            Action=inputs["action"],
            Principal=inputs["principal"],
            **{api: inputs[name] for name, api in optional.items() if name in inputs},
        )
        return statement, {"statementId": statement, "function": inputs["function"]}

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("lambda").remove_permission(FunctionName=record.inputs["function"], StatementId=record.id)


class Invocation(Handler):
    """Called once its function is there, and again when its inputs change: by the wiring, before any source."""

    understood = frozenset({"functionName", "input", "qualifier", "triggers"})
    without_effect = frozenset({"lifecycleScope"})
    replaced_by = frozenset({"functionName", "qualifier"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        called = request.resource.urn + request.inputs["functionName"]
        return f"invocation-{hashlib.sha256(called.encode()).hexdigest()[:16]}", {}

    def update(self, request: Request, record: Record) -> Outputs:
        return {}

    def delete(self, site: Site, record: Record) -> None:
        """What a call has done stays done."""


def unpack_code(site: Site, name: str, code: Any) -> Any:
    """The folder that holds the files of a function's or layer's code."""
    folder = private_directory(site.home / "functions")
    return unpack(code, folder / f"{name}-{digest(code)[:12]}")


def function_environment(inputs: dict[str, Any]) -> dict[str, str]:
    """The variables the program sets. It may be one secret as a whole: `inputs` must be revealed."""
    return (inputs.get("environment") or {}).get("variables") or {}


def _function_outputs(request: Request, name: str) -> Outputs:
    site, code = request.site, request.inputs["code"]
    unpack_code(site, name, code)
    function = arn("aws:lambda/function:Function", name, site.region, site.account)
    invoke = f"arn:aws:apigateway:{site.region}:lambda:path/2015-03-31/functions/{{}}/invocations"
    return {
        "name": name,
        "arn": function,
        "invokeArn": invoke.format(function),
        "qualifiedArn": f"{function}:$LATEST",
        "version": "$LATEST",
        "codeSha256": digest(code),
        "lastModified": datetime.now(UTC).isoformat(),
        "proxyUrl": site.function_url(name),
    }


def _environment(site: Site, name: str) -> dict[str, Any]:
    # The program's own variables stay in the host: what the emulator keeps may reach the disk.
    return {"Variables": {_PROXY: site.function_url(name)}}


def _emulated(inputs: dict[str, Any]) -> dict[str, Any]:
    return {api: inputs[name] for name, api in _EMULATED.items() if name in inputs}


def _stub() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("stub.py", _STUB_DATE), "")
    return buffer.getvalue()


HANDLERS = {
    "aws:lambda/function:Function": Function(),
    "aws:lambda/layerVersion:LayerVersion": LayerVersion(),
    "aws:lambda/eventSourceMapping:EventSourceMapping": EventSourceMapping(),
    "aws:lambda/permission:Permission": Permission(),
    "aws:lambda/invocation:Invocation": Invocation(),
}
