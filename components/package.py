"""These components as a Pulumi package, for programs in other repositories and languages."""

from importlib.metadata import version
from typing import Any

import pulumi
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition
from pulumi.provider.experimental.component import ComponentProvider

from .event_sourced_service import EventSourcedService
from .http_api import HttpApi
from .projection_pipeline import ProjectionPipeline

NAME = "foldstack"


class Package(ComponentProvider):
    """Infers the package's schema from the components, and constructs them."""

    def __init__(self) -> None:
        super().__init__([EventSourcedService, HttpApi, ProjectionPipeline], NAME, version=version(NAME))

    def map_inputs(self, inputs: Any, component_def: ComponentDefinition) -> Any:
        """As inherited, and a handle may also come whole, as the output of another component."""
        return super().map_inputs(self._spread(inputs, component_def.inputs), component_def)

    def _spread(self, value: Any, properties: dict[str, PropertyDefinition]) -> dict[str, Any]:
        if isinstance(value, pulumi.Output):
            value = {name: value[name] for name in properties}
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
