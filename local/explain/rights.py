"""What each function may do, on what, and whence it has that."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..graph import Registered

FUNCTION, ROLE, POLICY = "aws:lambda/function:Function", "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
_ACTS_FOR = "FOLDSTACK_TENANT_ROLE"


@dataclass(frozen=True)
class Right:
    """`why` is the statement's id: the grant of `components/permissions.py` that made it. `of` names the components
    whose resources these are. `for_tenant`: in a session of one tenant alone."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    of: tuple[str, ...]
    for_tenant: bool
    conditions: bool


def rights(function: Registered, graph: Mapping[str, Registered]) -> list[Right]:
    """Of one function, by its own role and by the role that it assumes for tenants. `graph` is by URN."""
    own = _roles(function, "role", graph)
    tenants = [each for each in graph.values() if each.type == ROLE and each.name == f"{function.name}-tenant-role"]
    return [
        right
        for roles, for_tenant in ((own, False), (tenants, True))
        for policy in sorted(graph.values(), key=lambda each: each.name)
        if policy.type == POLICY and set(policy.property_dependencies.get("role", ())) & {role.urn for role in roles}
        for right in _of_policy(policy, graph, for_tenant)
    ]


def _roles(function: Registered, key: str, graph: Mapping[str, Registered]) -> list[Registered]:
    return [graph[urn] for urn in function.property_dependencies.get(key, ()) if graph[urn].type == ROLE]


def _of_policy(policy: Registered, graph: Mapping[str, Registered], for_tenant: bool) -> list[Right]:
    owners: dict[str, Registered] = {}
    for each in sorted(graph.values(), key=lambda each: (len(each.name), each.name)):
        if each.custom and each.id:
            owners.setdefault(each.id, each)  # a bucket, and not its policy, which goes by the same id
    found = []
    for statement in json.loads(policy.inputs["policy"])["Statement"]:
        arns = _list(statement["Resource"])
        about = {arn: _owner(arn, owners) for arn in arns}
        names = tuple(dict.fromkeys(_named(arn, owner) for arn, owner in about.items()))
        components = (_component(owner, graph) for owner in about.values() if owner)
        found.append(
            Right(
                actions=tuple(sorted(_list(statement["Action"]))),
                resources=names,
                why=re.sub(r"(?<=[a-z])(?=[A-Z])", " ", statement.get("Sid", "")).lower(),
                of=tuple(dict.fromkeys(components)),
                for_tenant=for_tenant,
                conditions="Condition" in statement,
            )
        )
    return found


def _owner(arn: str, owners: Mapping[str, Registered]) -> Registered | None:
    found = [name for name in owners if name in arn]
    return owners[max(found, key=len)] if found else None


def _named(arn: str, owner: Registered | None) -> str:
    if owner is None:
        return arn
    return owner.name + arn.partition(owner.id)[2]


def _component(each: Registered, graph: Mapping[str, Registered]) -> str:
    parent = graph.get(each.parent)
    return f"{parent.type.rpartition(':')[2]} {parent.name}" if parent and not parent.custom else ""


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
