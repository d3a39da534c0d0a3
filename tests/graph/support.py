"""Runs the program, or one component, without creating anything, and reads the graph it registers.

Nothing here proves that AWS accepts the graph, only that it is the one we mean.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import bundle
from local import program as laptop
from local.monitor import Registered
from local.program import Deployment

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "aws:lambda/function:Function"
LAYER_ZIP, FUNCTION_ZIP = ROOT / "layer.zip", ROOT / "function.zip"
DOMAIN = {"path": str(ROOT), "entry": "shop:service"}
COMPONENTS = "foldstack:index:"


def deploy(run: Callable[[], Any] | Path, **options: Any) -> Deployment:
    """As `local.program.deploy`, with names of zips instead of zips: building them is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "layer", lambda target, *_, **__: LAYER_ZIP)
        patch.setattr(bundle, "function", lambda sources, target, layers: FUNCTION_ZIP)
        return laptop.deploy(run, **options)


@cache
def shop(stack: str, preview: bool = False, **config: str | int | bool) -> Deployment:
    """The program of this repository, with `config` over the stack's file; the lake has tests of its own."""
    stand_in = {"paymentProviderUrl": "http://127.0.0.1:1"} if stack == "local" else {}
    return deploy(ROOT, stack=stack, preview=preview, config={"lake": False, **stand_in, **config})


@cache
def blog(preview: bool = False, **config: str | int | bool) -> Deployment:
    """A program with a DeletionCascade, beside views and a lake."""
    return deploy(ROOT / "tests" / "e2e" / "programs" / "blog", stack="local", preview=preview, config=config)


def component(make: type[pulumi.ComponentResource], name: str, args: Mapping[str, Any], **options: Any) -> Deployment:
    """One component alone."""
    return deploy(lambda: make(name, dict(args)), **options)  # pyright: ignore


def functions(graph: Deployment) -> list[Registered]:
    return graph.of(FUNCTION)


def role_of(graph: Deployment, function: Registered) -> Registered:
    return by_arn(graph, function.inputs["role"])


def tenant_role_of(graph: Deployment, function: Registered) -> Registered | None:
    """The role that a function assumes for a tenant; None where it serves all tenants at once."""
    arn = function.inputs["environment"]["variables"].get("FOLDSTACK_TENANT_ROLE")
    return by_arn(graph, arn) if arn else None


def statements_of(graph: Deployment, role: Registered) -> list[dict[str, Any]]:
    """What the policies attached to a role say."""
    attached = [
        each for each in graph.of("aws:iam/rolePolicy:RolePolicy") if each.inputs["role"] == role.outputs["name"]
    ]
    return [statement for each in attached for statement in document(each.inputs["policy"])]


def document(policy: str) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    return json.loads(policy)["Statement"]


def by_arn(graph: Deployment, arn: str) -> Registered:
    """The resource that has an ARN, or whose stream has it."""
    found = [each for each in graph.resources if arn in (each.outputs.get("arn"), each.outputs.get("streamArn"))]
    assert len(found) == 1, f"{len(found)} resources have the ARN {arn}"
    return found[0]


def strings(value: Any) -> list[str]:
    """All strings in a value, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for key, each in value.items() for text in (key, *strings(each))]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return []
