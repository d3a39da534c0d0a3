"""The graph as the checks of `edges` ask it: who is referred to, and which policies apply to whom."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .arns import name_of
from .policy_documents import allows
from .resources.handler import Request, Site


class EdgeError(Exception):
    """AWS would refuse a call between two resources of the graph."""


@dataclass(frozen=True)
class Node:
    """A resource of the graph, its inputs revealed."""

    type: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.type.rsplit(':', 1)[-1]} {self.name!r}"


class EdgeGraph:
    """References resolved and policies gathered over all resources of one deployment."""

    def __init__(self, requests: Iterable[Request], site: Site) -> None:
        self.site = site
        self._nodes = [
            Node(r.resource.type, r.resource.name, r.resource.id, r.inputs, r.resource.outputs) for r in requests
        ]

    def of(self, type_: str) -> Iterator[Node]:
        return (n for n in self._nodes if n.type == type_)

    def find(self, type_: str, reference: str, asking: Node) -> Node:
        """The node that an id, name, ARN or URL of this type refers to."""
        for node in self.of(type_):
            if reference in (node.id, *(node.outputs.get(k) for k in ("arn", "name", "url", "invokeArn"))):
                return node
        kind = type_.rsplit(":", 1)[-1]
        raise EdgeError(f"{asking} refers to {kind} {reference}, which the program does not register")

    def policies_of_role(self, role: Node) -> list[Any]:
        return [
            n.inputs["policy"]
            for n in self.of("aws:iam/rolePolicy:RolePolicy")
            if name_of(n.inputs["role"]) == role.outputs["name"]
        ]

    def role(self, reference: str, service: str, asking: Node, **context: str) -> Node:
        """The role, when its trust policy lets the service assume it."""
        role = self.find("aws:iam/role:Role", reference, asking)
        if not self.trusts(role.outputs["arn"], service, **context):
            raise EdgeError(f"{asking} -> {role}: its trust policy does not let {service} assume it")
        return role

    def trusts(self, role_arn: str, service: str, **context: str) -> bool:
        """Whether the role with this ARN lets the service assume it."""
        trust = [n.inputs["assumeRolePolicy"] for n in self.of("aws:iam/role:Role") if n.outputs["arn"] == role_arn]
        context = {"aws:SourceAccount": self.site.account, **context}
        return allows(trust, "sts:AssumeRole", role_arn, principal=service, context=context)

    def queue_policies(self, queue: Node) -> list[Any]:
        own = [queue.inputs["policy"]] if queue.inputs.get("policy") else []
        return own + [
            n.inputs["policy"]
            for n in self.of("aws:sqs/queuePolicy:QueuePolicy")
            if n.inputs["queueUrl"] == queue.outputs["url"]
        ]

    def function_policy(self, function: Node) -> dict[str, Any]:
        return {
            "Statement": [
                _permission_statement(n.inputs)
                for n in self.of("aws:lambda/permission:Permission")
                if name_of(n.inputs["function"]) == function.outputs["name"]
            ]
        }


def _permission_statement(inputs: dict[str, Any]) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    if "sourceArn" in inputs:
        conditions["ArnLike"] = {"aws:SourceArn": inputs["sourceArn"]}
    if "sourceAccount" in inputs:
        conditions["StringEquals"] = {"aws:SourceAccount": inputs["sourceAccount"]}
    kind = "Service" if inputs["principal"].endswith(".amazonaws.com") else "AWS"
    return {
        "Effect": "Allow",
        "Principal": {kind: inputs["principal"]},
        "Action": inputs["action"],
        "Resource": "*",
        "Condition": conditions,
    }
