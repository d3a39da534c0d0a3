"""Create, change and delete what a program registers, comparing by URN with what is there already."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from . import edges
from .graph import Registered, declared_outputs, reveal
from .graph_provider import GraphProvider
from .provider_arguments import ProviderArguments
from .resources import HANDLERS, Handler, Request, Site
from .resources.tags import set_tags
from .state import Record, State

Progress = Callable[[str, str], None]
"""Told of each step: a verb ("create", "update", "replace", "delete", "same", "wire") and the resource."""


class DeployError(Exception):
    """Something could not be provisioned; the message names the resource."""


class Deployer:
    """One deployment, as the Provider of a program's run. Thread-safe: registrations come from six threads.

    `replace_data` allows tables and buckets to be replaced or deleted.
    """

    def __init__(
        self,
        site: Site,
        state: State,
        *,
        default_tags: dict[str, str] | None = None,
        replace_data: bool = False,
        progress: Progress = lambda verb, resource: None,
    ) -> None:
        self._site, self._state, self._replace_data, self._progress = site, state, replace_data, progress
        self._arguments = ProviderArguments(site.region, site.account, default_tags or {})
        self._old = dict(state.records)
        self._live: dict[str, Request] = {}
        self._lock = threading.Lock()

    def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
        if resource.type.startswith("pulumi:providers:"):
            self._arguments.add(resource)
            return resource.name, {}
        handler = handler_of(resource)
        try:
            request = self._request(resource, handler)
            return self._apply(handler, request)
        except DeployError:
            raise
        except Exception as error:
            raise DeployError(f"{resource}: {error}") from error

    def invoke(self, token: str, args: dict[str, Any], provider: str) -> dict[str, Any]:
        return GraphProvider(
            self._site.project, self._site.stack, account=self._site.account, region=self._site.region
        ).invoke(token, args, provider)

    def finish(self, graph: Iterable[Registered]) -> list[Request]:
        """Check every edge, delete what the program no longer registers, then connect the rest."""
        resources = [self._live[r.urn] for r in graph if r.urn in self._live]
        edges.check(resources, self._site)
        self._delete_unregistered()
        for request in resources:
            record = self._state.records[request.resource.urn]
            with _naming(record):
                HANDLERS[request.resource.type].wire(request, record)
        return resources

    def _request(self, resource: Registered, handler: Handler) -> Request:
        known = handler.understood | handler.without_effect | {"region"}
        if unknown := sorted(resource.inputs.keys() - known):
            raise DeployError(
                f"{resource}: input {', '.join(unknown)} is not supported on the laptop; "
                f"supported are {', '.join(sorted(known))}"
            )
        provider = self._arguments.of(resource)
        inputs = dict(resource.inputs)
        if provider.tags and "tagsAll" in declared_outputs(resource.type):
            inputs["tags"] = {**provider.tags, **reveal(inputs.get("tags", {}))}
        return Request(self._site, resource, inputs)

    def _apply(self, handler: Handler, request: Request) -> tuple[str, dict[str, Any]]:
        resource = request.resource
        stored = self._state.stored(request.inputs)
        request.inputs = reveal(request.inputs)
        record = self._find(resource)
        changed = _changes(record, stored, resource) if record else set()
        request.changed = frozenset(changed)
        if record is None:
            record = self._create(handler, request, "create")
        elif replacing := changed & (handler.replaced_by | set(resource.options.replace_on_changes)):
            self._may_lose(record, f"changing {', '.join(sorted(replacing))} replaces it")
            handler.delete(self._site, record)
            with self._lock:
                self._state.records.pop(record.urn, None)
            record = self._create(handler, request, "replace")
        elif changed or handler.always:
            self._progress("update" if changed else "same", str(resource))
            record.outputs = handler.update(request, record)
            set_tags(self._site, record, request.inputs.get("tags", {}), record.inputs.get("tags", {}))
        else:
            self._progress("same", str(resource))
        record.urn, record.inputs = resource.urn, stored
        record.dependencies = resource.dependencies
        record.protect = resource.options.protect
        record.retain = resource.options.retain_on_delete
        with self._lock:
            self._state.records[resource.urn] = record
            self._live[resource.urn] = request
        known = {**record.outputs, "tagsAll": request.inputs.get("tags", {}), "region": self._site.region}
        declared = declared_outputs(resource.type)
        return record.id, {key: value for key, value in known.items() if key in declared}

    def _create(self, handler: Handler, request: Request, verb: str) -> Record:
        resource = request.resource
        self._progress(verb, str(resource))
        id_, outputs = handler.create(request)
        record = Record(resource.type, resource.name, resource.urn, id_, {}, outputs)
        try:
            set_tags(self._site, record, request.inputs.get("tags", {}), {})
        except Exception:
            # Nothing half made is left for the next deployment to stumble over.
            handler.delete(self._site, record)
            raise
        return record

    def _find(self, resource: Registered) -> Record | None:
        for urn in (resource.urn, *resource.options.aliases):
            with self._lock:
                record = self._old.pop(urn, None)
                if record is not None and urn != resource.urn:
                    self._state.records.pop(urn, None)
            if record is not None:
                return record
        return None

    def _delete_unregistered(self) -> None:
        gone = [r for r in self._old.values() if r.urn in self._state.records]
        for record in gone:
            if record.protect:
                raise DeployError(
                    f"{record} is protected and the program no longer registers it: "
                    "set protect=False and deploy once more before removing it"
                )
            if not record.retain:
                self._may_lose(record, "the program no longer registers it, so it would be deleted")
        for record in _dependents_first(gone):
            self._progress("delete", str(record))
            if not record.retain:
                with _naming(record):
                    HANDLERS[record.type].delete(self._site, record)
            del self._state.records[record.urn]

    def _may_lose(self, record: Record, why: str) -> None:
        if HANDLERS[record.type].holds_data and not self._replace_data:
            raise DeployError(f"{record} holds data, and {why}: say --replace-data to allow that")


def handler_of(resource: Registered) -> Handler:
    """The handler of a resource's type; DeployError names a type that has none."""
    handler = HANDLERS.get(resource.type)
    if handler is None:
        raise DeployError(
            f"resource type {resource.type} ({resource.name!r}) is not known to the laptop, so nothing can stand "
            f"for it; known are {', '.join(sorted(HANDLERS))}"
        )
    return handler


class CheckingProvider(GraphProvider):
    """A preview that refuses what the deployer will refuse, before anything is created."""

    def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
        if not resource.type.startswith("pulumi:providers:"):
            handler_of(resource)
        return super().create(resource)


class _naming:
    """Names the resource in whatever error comes out."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, DeployError):
            raise DeployError(f"{self._record}: {error}") from error


def _changes(record: Record, stored: dict[str, Any], resource: Registered) -> set[str]:
    keys = (record.inputs.keys() | stored.keys()) - set(resource.options.ignore_changes)
    return {k for k in keys if record.inputs.get(k) != stored.get(k)}


def _dependents_first(records: list[Record]) -> list[Record]:
    """Reverse dependency order: nothing is deleted while something in the list still depends on it."""
    ordered: list[Record] = []
    left = {r.urn: r for r in records}
    while left:
        needed = {urn for r in left.values() for urn in r.dependencies}
        free = [r for r in left.values() if r.urn not in needed] or list(left.values())
        ordered += reversed(free)
        for record in free:
            del left[record.urn]
    return ordered
