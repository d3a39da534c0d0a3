"""These components as a Pulumi package, for programs in other repositories and languages."""

import re
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import pulumi
from pulumi.provider import ConstructResult
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, TypeDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

from .analytics_lake import AnalyticsLake
from .arguments import ArgumentError
from .deletion_cascade import DeletionCascade
from .event_sourced_service import EventSourcedService
from .handles import optional
from .http_api import HttpApi
from .projection_pipeline import ProjectionPipeline
from .sql_store import SqlStore
from .tenant_auth import TenantAuth

NAME = "foldstack"
CHOSEN = ("environment", "functions", "secret_values", "tables")
"""Arguments whose keys are names, and not ours."""
_COMPONENTS = [
    AnalyticsLake,
    DeletionCascade,
    EventSourcedService,
    HttpApi,
    ProjectionPipeline,
    SqlStore,
    TenantAuth,
]


class Package(ComponentProvider):
    """Infers the package's schema from the components, and constructs them."""

    def __init__(self) -> None:
        super().__init__(_COMPONENTS, NAME, version=version(NAME))

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """As inherited, with faults named as a package's caller writes arguments."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if not isinstance(error.inner, ArgumentError):
                raise
            faults = [replace(fault, path=_in_camel_case(fault.path)) for fault in error.inner.faults]
            raise ArgumentError(error.inner.component, faults) from None

    def map_inputs(self, inputs: Any, component_def: ComponentDefinition) -> Any:
        """As inherited, and a handle may also come whole, as the output of another component."""
        return super().map_inputs(self._spread(inputs, component_def.inputs), component_def)

    def map_complex_output(self, instance_val: Any, type_def: TypeDefinition) -> Any:
        """As inherited; of an output field by field, so that a preview knows the fields that are known."""
        if isinstance(instance_val, pulumi.Output):
            instance_val = {name: instance_val[name] for name in type_def.properties_mapping.values()}
        return super().map_complex_output(instance_val, type_def)

    def _spread(self, value: Any, properties: dict[str, PropertyDefinition]) -> dict[str, Any]:
        if isinstance(value, pulumi.Output):
            value = {
                name: optional(value, name) if definition.optional else value[name]
                for name, definition in properties.items()
            }
        spread = dict(value)
        for name, definition in properties.items():
            given = spread.get(name)
            if given is not None and (fields := self._fields(definition)):
                spread[name] = self._spread(given, fields)
            elif isinstance(given, list) and definition.items and (fields := self._fields(definition.items)):
                spread[name] = [self._spread(each, fields) for each in given]
        return spread

    def _fields(self, definition: PropertyDefinition) -> dict[str, PropertyDefinition]:
        """The fields of an object type, {} of anything else."""
        described = self.get_type_definition(definition) if definition.ref else None
        return described.properties if described else {}


def _in_camel_case(path: str) -> str:
    """`operations.log_retention_days` as `operations.logRetentionDays`; keys that a caller chose stay as they are."""
    keys = path.split(".")
    of = ["", *keys]
    return ".".join(key if of[index] in CHOSEN else _camel(key) for index, key in enumerate(keys))


def _camel(key: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), key)
