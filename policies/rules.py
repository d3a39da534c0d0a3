"""All rules, and what breaks them."""

from collections.abc import Iterable

from . import access, data, operations
from .rule import Graph, Removal, Resource, Rule, Violation

RULES: tuple[Rule, ...] = (*data.RULES, *access.RULES, *operations.RULES)


def violations(resources: Iterable[Resource], removal: Removal = "keep") -> list[Violation]:
    """What of a program's resources breaks a rule: none, for a program of these components.

    `removal` is the stack's: where it is `destroy`, nothing needs to be protected.
    """
    graph = Graph(list(resources), removal)
    return [Violation(rule.name, each.urn, said) for rule in RULES for each, said in rule.check(graph)]
