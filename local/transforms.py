"""Pulumi's transforms, run as its engine runs them: a resource's own, then those of its parents, then the stack's.

A transform is a callback in the program's process. It is given what the engine gives it: inputs by the provider's
names, as outputs what is secret or not known yet, and to a resource's own transforms what depends on other resources.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime._callbacks import _CallbackServicer
from pulumi.runtime.proto import callback_pb2, resource_pb2

from .graph import SECRET, SIGNATURE

OUTPUT = rpc._special_output_value_sig

_OPTIONS = {
    "additional_secret_outputs": "additionalSecretOutputs",
    "aliases": "aliases",
    "custom_timeouts": "customTimeouts",
    "delete_before_replace": "deleteBeforeReplace",
    "deleted_with": "deletedWith",
    "depends_on": "dependencies",
    "hooks": "hooks",
    "ignore_changes": "ignoreChanges",
    "import": "importId",
    "plugin_download_url": "pluginDownloadURL",
    "protect": "protect",
    "provider": "provider",
    "providers": "providers",
    "replace_on_changes": "replaceOnChanges",
    "replace_with": "replace_with",
    "retain_on_delete": "retainOnDelete",
    "version": "version",
}
"""An option's name in what a transform is given, and in a registration."""


class Transforms:
    """Those of one program. Called from several threads; a parent is always there before its children."""

    def __init__(self) -> None:
        self._of_stack: list[str] = []
        self._of_resource: dict[str, list[str]] = {}
        self._parents: dict[str, str] = {}

    def add(self, callback: callback_pb2.Callback) -> None:
        """One for all resources that are registered from now on."""
        self._of_stack.append(callback.token)

    def applied(self, urn: str, request: Any) -> Any:
        """The registration as its transforms leave it. Raises what they raise."""
        own = [each.token for each in request.transforms]
        self._of_resource[urn], self._parents[urn] = own, request.parent
        tokens = [*own, *self._inherited(request.parent), *self._of_stack]
        if not tokens:
            return request
        result = resource_pb2.RegisterResourceRequest()
        result.CopyFrom(request)
        result.object.CopyFrom(_shown(request, depending=bool(own)))
        for token in tokens:
            _apply(token, result)
        result.object.CopyFrom(_registered(result.object))
        return result

    def _inherited(self, parent: str) -> Iterable[str]:
        while parent:
            yield from self._of_resource.get(parent, ())
            parent = self._parents.get(parent, "")


def _apply(token: str, request: Any) -> None:
    given = resource_pb2.TransformRequest(
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        properties=request.object,
        options=_options(request),
    )
    answer = _call(token, given)
    request.object.CopyFrom(answer.properties)
    if answer.HasField("options"):
        _set_options(request, answer.options)


def _call(token: str, given: Any) -> Any:
    """Here and not over the callback's own server, which would make text of what is raised."""
    servicer = next(each for each in _CallbackServicer._servicers if token in each._callbacks)
    work = servicer._callbacks[token](given.SerializeToString())
    return asyncio.run_coroutine_threadsafe(work, servicer._loop).result()  # pyright: ignore[reportArgumentType]


def _options(request: Any) -> Any:
    options = resource_pb2.TransformResourceOptions()
    for name, registered in _OPTIONS.items():
        _copy(request, registered, options, name)
    return options


def _set_options(request: Any, options: Any) -> None:
    """All of them: what a transform leaves out of its options is no longer set."""
    for name, registered in _OPTIONS.items():
        request.ClearField(registered)
        _copy(options, name, request, registered)
    request.deleteBeforeReplaceDefined = options.HasField("delete_before_replace")
    for needed in request.propertyDependencies.values():
        request.dependencies.extend(sorted(set(needed.urns) - set(request.dependencies)))


def _copy(source: Any, name: str, target: Any, other: str) -> None:
    if any(field.name == name for field, _ in source.ListFields()):
        target.MergeFrom(type(target)(**{other: getattr(source, name)}))


def _shown(request: Any, *, depending: bool) -> struct_pb2.Struct:
    """Inputs as the engine shows them; those that depend on others as outputs too, if they are `depending`."""
    result = struct_pb2.Struct()
    for key, value in request.object.fields.items():
        shown = _with_outputs(value)
        needed = request.propertyDependencies[key].urns if key in request.propertyDependencies else []
        if depending and needed:
            shown = shown if _signature(shown) == OUTPUT else _output(shown)
            shown.struct_value.update({"dependencies": sorted(needed)})
        result.fields[key].CopyFrom(shown)
    return result


def _registered(properties: struct_pb2.Struct) -> struct_pb2.Struct:
    """Inputs as a program registers them."""
    result = struct_pb2.Struct()
    for key, value in properties.fields.items():
        result.fields[key].CopyFrom(_without_outputs(value))
    return result


def _with_outputs(value: Any) -> Any:
    if _signature(value) == SECRET:
        output = _with_outputs(value.struct_value.fields["value"])
        output = output if _signature(output) == OUTPUT else _output(output)
        output.struct_value.update({"secret": True})
        return output
    if value.string_value == rpc.UNKNOWN:
        return _output(None)
    return _each(value, _with_outputs)


def _without_outputs(value: Any) -> Any:
    if _signature(value) != OUTPUT:
        return _each(value, _without_outputs)
    fields = value.struct_value.fields
    plain = _without_outputs(fields["value"]) if "value" in fields else struct_pb2.Value(string_value=rpc.UNKNOWN)
    if not fields["secret"].bool_value:
        return plain
    secret = struct_pb2.Value()
    secret.struct_value.update({SIGNATURE: SECRET})
    secret.struct_value.fields["value"].CopyFrom(plain)
    return secret


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with all in it changed."""
    result = struct_pb2.Value()
    result.CopyFrom(value)
    for key, inner in value.struct_value.fields.items():
        result.struct_value.fields[key].CopyFrom(change(inner))
    for index, inner in enumerate(value.list_value.values):
        result.list_value.values[index].CopyFrom(change(inner))
    return result


def _output(value: Any) -> Any:
    """An output that is known, or not."""
    output = struct_pb2.Value()
    output.struct_value.update({SIGNATURE: OUTPUT})
    if value is not None:
        output.struct_value.fields["value"].CopyFrom(value)
    return output


def _signature(value: Any) -> str:
    return value.struct_value.fields[SIGNATURE].string_value if SIGNATURE in value.struct_value.fields else ""
