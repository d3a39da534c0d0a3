"""What others build on: the schemas of a service's messages, and how they travel, as documents to commit.

python -m foldstack.contracts shop:service contracts
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from . import openapi
from .aws.domain import load
from .kernel.messages import Message
from .kernel.service import Service
from .lake.questions import Question


def documents(service: Service, questions: Iterable[Question] = ()) -> dict[str, dict[str, Any]]:
    """File name -> JSON document: `messages`, `asyncapi`, and `openapi` where there are routes. `questions` are those
    of the service's lake."""
    found = {"messages": messages(service), "asyncapi": asyncapi(service)}
    if service.api.routes:
        found["openapi"] = openapi.document(service, questions)
    return {f"{service.name}.{kind}.json": document for kind, document in found.items()}


def text(document: dict[str, Any]) -> str:
    """As it is committed."""
    return json.dumps(document, indent=2) + "\n"


def messages(service: Service) -> dict[str, Any]:
    """JSON Schema of every event and command, by type name; `reads` are older versions that are still understood."""
    events = {each.type_name: each for aggregate in service.aggregates.values() for each in aggregate.events}
    old: dict[str, list[int]] = {}
    for name, version in sorted(pair for each in service.aggregates.values() for pair in each.upcasters.old):
        old.setdefault(name, []).append(version)
    return {
        "service": service.name,
        "events": {name: _described(events[name], old.get(name, [])) for name in sorted(events)},
        "gone": {name: versions for name, versions in old.items() if name not in events},
        "commands": {name: _described(service.commands[name], []) for name in sorted(service.commands)},
    }


def asyncapi(service: Service) -> dict[str, Any]:
    """AsyncAPI 3.0: commits as they are published on the service's road, a CloudEvent for each commit."""
    events = sorted(
        {each.type_name: each for aggregate in service.aggregates.values() for each in aggregate.events}.items()
    )
    references, definitions = models_json_schema(
        [(event, "validation") for _, event in events], ref_template="#/components/schemas/{model}"
    )
    one_of = [_event(name, event.schema_version, references[event, "validation"]) for name, event in events]
    data = {"type": "array", "items": {"oneOf": one_of}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": service.name, "version": "1"},
        "channels": {
            "commits": {
                "address": f"{service.name}/commits",
                "description": "In the order of their stream where the road keeps one; each at least once. `prev` says "
                "which event of a type came before, so that a consumer knows what it has missed.",
                "messages": {"commit": {"$ref": "#/components/messages/commit"}},
            }
        },
        "operations": {"published": {"action": "send", "channel": {"$ref": "#/channels/commits"}}},
        "components": {
            "messages": {
                "commit": {
                    "name": "foldstack.commit",
                    "contentType": "application/cloudevents+json",
                    "payload": {"$ref": "#/components/schemas/Commit"},
                }
            },
            "schemas": {"Commit": _envelope(service.name, data), **definitions.get("$defs", {})},
        },
    }


def _described(message: type[Message], reads: Iterable[int]) -> dict[str, Any]:
    older = {"reads": list(reads)} if reads else {}
    return {"version": message.schema_version, **older, "schema": message.model_json_schema()}


def _event(name: str, version: int, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "schema", "version", "data"],
        "properties": {
            "type": {"const": name},
            "schema": {"type": "integer", "maximum": version},
            "version": {"type": "integer", "minimum": 1, "description": "its place in the stream"},
            "data": schema,
        },
    }


def _envelope(source: str, data: dict[str, Any]) -> dict[str, Any]:
    string, number = {"type": "string"}, {"type": "integer", "minimum": 1}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "tenant", "first", "next", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**string, "description": "stream@first, the same whenever it is sent again"},
            "source": {"const": source},
            "type": {"const": "foldstack.commit"},
            "subject": {**string, "description": "the stream: tenant#category#id"},
            "time": {**string, "format": "date-time"},
            "tenant": string,
            "first": number,
            "next": number,
            "prev": {"type": "object", "additionalProperties": {"type": "integer"}},
            "epoch": number,
            "types": {"type": "array", "items": string},
            "correlation": string,
            "causation": string,
            "traceparent": string,
            "data": data,
        },
    }


def main(address: str, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, document in documents(load(address)).items():
        (Path(folder) / name).write_text(text(document))


if __name__ == "__main__":
    main(*sys.argv[1:])
