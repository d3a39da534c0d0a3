"""What every stack of ours keeps to: rules over the resources of a program, as plain functions.

The same rules run in a team's tests (`violations(graph.resources)`), in `pulumi preview` and `pulumi up` as a policy
pack (`--policy-pack policies`), and are the table in docs/guarantees.md.
"""

from .rule import Graph, Removal, Resource, Rule, Violation
from .rules import RULES, violations

__all__ = ["RULES", "Graph", "Removal", "Resource", "Rule", "Violation", "violations"]
