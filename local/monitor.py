"""The engine's side of a Pulumi program: records every registration and asks a provider for the answer."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Protocol

from google.protobuf import empty_pb2, struct_pb2
from pulumi.output import contains_unknowns
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.proto import resource_pb2

from .graph import SECRET, SIGNATURE, Options, Registered, Secret, declared_outputs, plain
from .missing_output import missing
from .transforms import Transforms

__all__ = ["Monitor", "ProgramError", "Provider", "Registered", "Secret"]

STACK_TYPE = "pulumi:pulumi:Stack"


class Provider(Protocol):
    """Creates what the program registers. Called from several threads at once."""

    def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
        """The physical id and the outputs (JSON values; None for a property that has no value)."""
        ...

    def invoke(self, token: str, args: dict[str, Any], provider: str) -> dict[str, Any]:
        """The answer of a provider function."""
        ...


class ProgramError(Exception):
    """The program asked for something that this monitor refuses; the message names it."""


class Monitor(mocks.MockMonitor):
    """Takes the program's registrations. After the first error every later registration is refused."""

    def __init__(self, provider: Provider, *, preview: bool = False) -> None:
        super().__init__(mocks=_NoMocks())
        self.graph: dict[str, Registered] = {}
        self.exports: dict[str, Any] = {}
        self.invokes: list[str] = []
        self.first_error: Exception | None = None
        self._provider, self._preview, self._lock = provider, preview, threading.Lock()
        self._transforms = Transforms()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        chain = parent.split("::")[2] if parent else STACK_TYPE
        qualified = type_ if chain == STACK_TYPE else f"{chain}${type_}"
        return f"urn:pulumi:{settings.get_stack()}::{settings.get_project()}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        with self._stopping_at_first_error():
            transformed = self._transforms.applied(urn, request)
            resource = self._record(urn, transformed)
            if resource.custom:
                resource.id, outputs = self._provider.create(resource)
                if not resource.id and not self._preview:
                    raise ProgramError(f"{resource}: its handler returned no id")
                resource.outputs = outputs
            return SimpleNamespace(
                urn=urn,
                id=resource.id,
                object={**_changed(request, transformed), **self._answer(resource)},
                propertyDependencies={},
                result=resource_pb2.Result.SUCCESS,
                unknown=False,
            )

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs = plain(rpc.deserialize_properties(request.outputs, keep_unknowns=True))
        if request.urn in self.graph:
            self.graph[request.urn].outputs = outputs
        else:
            self.exports = outputs
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:
        with self._stopping_at_first_error():
            self.invokes.append(request.tok)
            args = plain(rpc.deserialize_properties(request.args, keep_unknowns=True))
            answer = struct_pb2.Struct()
            answer.update(self._provider.invoke(request.tok, args, request.provider))
            fields: dict[str, Any] = {"return": answer}
            return resource_pb2.ResourceInvokeResponse(**fields)

    def ReadResource(self, request: Any) -> Any:
        return self._refuse(
            f"{request.type} {request.name!r} reads a resource that exists elsewhere (`.get(...)`); there "
            "is nothing to read it from: create it in the program, or pass its name in by configuration"
        )

    def RegisterStackTransform(self, request: Any) -> Any:
        self._transforms.add(request)
        return empty_pb2.Empty()

    def RegisterStackInvokeTransform(self, request: Any) -> Any:
        return self._refuse("a transform of provider functions is registered, and these are not run here: remove it")

    def RegisterResourceHook(self, request: Any) -> Any:
        return self._refuse(f"resource hook {request.name!r} is registered, and hooks are not run here: remove it")

    RegisterErrorHook = RegisterResourceHook

    def _record(self, urn: str, request: Any) -> Registered:
        what = f"{request.type} {request.name!r}"
        for feature, present in {
            "hooks": request.HasField("hooks") and request.hooks.ListFields(),
            "import_": request.importId,
            "a component package (remote=True)": request.remote,
        }.items():
            if present:
                raise ProgramError(f"{what} uses {feature}, which is not run here: remove it from the resource")
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        if not self._preview:
            for key, value in inputs.items():
                if contains_unknowns(value):
                    raise ProgramError(f"{what}: the value of input {key!r} is unknown")
        options = _options(request, self.make_urn)
        with self._lock:
            parent = self.graph.get(request.parent)
        if parent is not None:
            inherited = tuple(inherited_aliases(request.type, request.name, parent))
            options = replace(options, aliases=(*options.aliases, *inherited))
        resource = Registered(
            type=request.type,
            name=request.name,
            urn=urn,
            parent=request.parent,
            custom=request.custom,
            inputs=plain(inputs),
            dependencies=list(request.dependencies),
            property_dependencies={k: list(v.urns) for k, v in request.propertyDependencies.items()},
            options=options,
        )
        with self._lock:
            if urn in self.graph:
                raise ProgramError(f"{what} is registered twice (URN {urn}): give one of them another name")
            self.graph[urn] = resource
        return resource

    def _answer(self, resource: Registered) -> Any:
        outputs = dict(resource.outputs)
        for key in resource.options.additional_secret_outputs:
            if outputs.get(key) is not None:
                outputs[key] = {SIGNATURE: SECRET, "value": outputs[key]}
        answer = struct_pb2.Struct()
        answer.update(outputs)
        values: dict[str, Any] = dict(answer.items())
        if resource.custom and not self._preview:
            for key in declared_outputs(resource.type) - outputs.keys() - resource.inputs.keys():
                values[key] = missing(resource.type, resource.name, key)
        return values

    def _refuse(self, message: str) -> Any:
        with self._stopping_at_first_error():
            raise ProgramError(message)

    def _stopping_at_first_error(self) -> "_StopAtFirstError":
        return _StopAtFirstError(self)


class _StopAtFirstError:
    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def __enter__(self) -> None:
        if self._monitor.first_error is not None:
            raise ProgramError("stopped after an earlier error")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        with self._monitor._lock:
            if isinstance(error, Exception) and self._monitor.first_error is None:
                self._monitor.first_error = error


class _NoMocks(mocks.Mocks):
    def new_resource(self, args: Any) -> Any:
        raise NotImplementedError

    def call(self, args: Any) -> Any:
        raise NotImplementedError


def _changed(request: Any, transformed: Any) -> dict[str, Any]:
    """The inputs that are others than the program gave: it has to read them back as the resource has them."""
    if transformed is request or not request.custom:
        return {}
    given, used = request.object.fields, transformed.object.fields
    gone = dict.fromkeys(given.keys() - used.keys(), rpc.UNKNOWN)
    return gone | {key: value for key, value in transformed.object.items() if given.get(key) != used[key]}


def _options(request: Any, make_urn: Callable[[str, str, str], str]) -> Options:
    return Options(
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=tuple(_alias_urns(request, make_urn)),
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
    )


def inherited_aliases(type_: str, name: str, parent: Registered) -> Iterator[str]:
    """What a child was known as under its parent's former names: its type follows the parent's, and its name too where
    it begins with it. That is the engine's rule."""
    for former in parent.options.aliases:
        head, types, former_name = former.rsplit("::", 2)
        own = former_name + name.removeprefix(parent.name) if name.startswith(parent.name) else name
        yield f"{head}::{types}${type_}::{own}"


def _alias_urns(request: Any, make_urn: Callable[[str, str, str], str]) -> Iterator[str]:
    for alias in request.aliases:
        if alias.urn:
            yield alias.urn
            continue
        spec = alias.spec
        parent = "" if spec.noParent else spec.parentUrn or request.parent
        urn = make_urn(parent, spec.type or request.type, spec.name or request.name)
        parts = urn.split("::", 2)
        stack = f"urn:pulumi:{spec.stack}" if spec.stack else parts[0]
        yield "::".join([stack, spec.project or parts[1], parts[2]])
