"""The rules as a policy pack: `pulumi preview --policy-pack policies`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from .rule import Graph, Rule
from .rules import RULES

_CONFIG = PolicyConfigSchema(properties={"removal": {"type": "string", "enum": ["keep", "destroy"], "default": "keep"}})


@dataclass(frozen=True)
class Engine:
    """A resource as the engine sends it."""

    type: str
    name: str
    urn: str
    inputs: Any
    property_dependencies: dict[str, list[str]]
    options: Any


def policies() -> list[Policy]:
    """One for each rule; all are mandatory, and a pack's configuration may say otherwise for any of them."""
    return [
        StackValidationPolicy(
            name=rule.name,
            description=rule.says,
            validate=_validation(rule),
            enforcement_level=EnforcementLevel.MANDATORY,
            config_schema=_CONFIG,
        )
        for rule in RULES
    ]


def pack() -> PolicyPack:
    """There may be one in a process: making it serves it to the engine."""
    return PolicyPack(name="foldstack", policies=policies(), enforcement_level=EnforcementLevel.MANDATORY)


def _validation(rule: Rule) -> Any:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        removal = (args.get_config() or {}).get("removal", "keep")
        graph = Graph(_resources(args), "destroy" if removal == "destroy" else "keep")
        for each, said in rule.check(graph):
            report(said, each.urn)

    return validate


def _resources(args: StackValidationArgs) -> list[Any]:
    return [
        Engine(
            type=each.resource_type,
            name=each.name,
            urn=each.urn,
            inputs=each.props,
            property_dependencies=_urns(each.property_dependencies),
            options=each.opts,
        )
        for each in args.resources
    ]


def _urns(dependencies: Mapping[str, Iterable[Any]]) -> dict[str, list[str]]:
    return {key: [each.urn for each in found] for key, found in dependencies.items()}
