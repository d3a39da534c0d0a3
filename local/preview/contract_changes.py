"""What a change of messages and routes means to those who have built on them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ANNOTATIONS = {"title", "description", "default", "examples"}
_LOWER, _UPPER = (
    {"minLength", "minItems", "minimum", "exclusiveMinimum"},
    {
        "maxLength",
        "maxItems",
        "maximum",
        "exclusiveMaximum",
    },
)


@dataclass(frozen=True)
class ContractChange:
    """`what` names the message or route and the place in it; `said` what is other, and how to mend what breaks."""

    breaking: bool
    what: str
    said: str


def contract_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[ContractChange]:
    """Between two sets of committed documents, by file name."""
    found: list[ContractChange] = []
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name), new.get(name)
        if was is None:
            found.append(ContractChange(False, name, "new"))
        elif now is None:
            found.append(ContractChange(True, name, "gone: who builds on it has nothing to go by"))
        elif name.endswith(".messages.json"):
            found += _of_messages(was, now)
        elif name.endswith(".openapi.json"):
            found += _of_routes(was, now)
    return found


def _of_messages(old: dict[str, Any], new: dict[str, Any]) -> Iterator[ContractChange]:
    mend = "give it a new version, and upcast the old one"
    for name, was in old["events"].items():
        now = new["events"].get(name)
        if now is None:
            read = was["version"] in new.get("gone", {}).get(name, [])
            yield ContractChange(
                not read,
                f"event {name}",
                "gone, and upcast" if read else "gone, and stored ones can't be read: upcast it",
            )
        elif now["version"] > was["version"]:
            yield ContractChange(False, f"event {name}", f"version {was['version']} -> {now['version']}, upcast")
        elif now["version"] < was["version"]:
            yield ContractChange(True, f"event {name}", f"version {was['version']} -> {now['version']}: never go back")
        else:
            yield from _of_schema(f"event {name}", was["schema"], now["schema"], mend)
    for name, was in old["commands"].items():
        now = new["commands"].get(name)
        if now is None:
            yield ContractChange(
                True, f"command {name}", "gone: those that wait in queues and timers can't be executed"
            )
        elif now["version"] == was["version"]:
            yield from _of_schema(f"command {name}", was["schema"], now["schema"], "give it a new version")
        else:
            yield ContractChange(False, f"command {name}", f"version {was['version']} -> {now['version']}")
    for kind in ("event", "command"):
        for name in new[f"{kind}s"].keys() - old[f"{kind}s"].keys():
            yield ContractChange(False, f"{kind} {name}", "new")


def _of_routes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[ContractChange]:
    routes = {(path, method): each for path, methods in new["paths"].items() for method, each in methods.items()}
    for path, methods in old["paths"].items():
        for method, was in methods.items():
            what = f"{method.upper()} {path}"
            now = routes.pop((path, method), None)
            if now is None:
                yield ContractChange(True, what, "gone: keep it beside what comes after it")
                continue
            if was.get("operationId") != now.get("operationId"):
                yield ContractChange(False, what, f"operationId {was.get('operationId')} -> {now.get('operationId')}")
            yield from _of_schema(
                f"{what}, body", _body(was, old), _body(now, new), "make what is new optional, and keep what is old"
            )
            for status in was["responses"]:
                if status not in now["responses"]:
                    yield ContractChange(True, f"{what}, {status}", "is not answered any more")
                elif status < "300":
                    yield from _gone_from_answer(
                        f"{what}, {status}", _answer(was, status, old), _answer(now, status, new)
                    )
    for path, method in routes:
        yield ContractChange(False, f"{method.upper()} {path}", "new")


def _of_schema(what: str, old: dict[str, Any], new: dict[str, Any], mend: str) -> Iterator[ContractChange]:
    """Of something that is read: what was written by the old schema must be good by the new one."""
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    for name in old_fields.keys() - new_fields.keys():
        yield ContractChange(True, f"{what}.{name}", f"gone, and what was sent with it is refused: {mend}")
    for name in new_fields.keys() - old_fields.keys():
        needed = name in new.get("required", [])
        said = f"new and required, and what was sent before has none: {mend}" if needed else "new, with a default"
        yield ContractChange(needed, f"{what}.{name}", said)
    for name in old_fields.keys() & new_fields.keys():
        was, now = _bare(old_fields[name], old), _bare(new_fields[name], new)
        if was != now:
            wider = _wider(was, now)
            said = "takes more than it did" if wider else f"is another type, or takes less than it did: {mend}"
            yield ContractChange(not wider, f"{what}.{name}", said)
        elif name in new.get("required", []) and name not in old.get("required", []):
            yield ContractChange(True, f"{what}.{name}", f"required now: {mend}")


def _gone_from_answer(what: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[ContractChange]:
    """Of something that is written: whoever reads it must find what was there."""
    for name, was in old.get("properties", {}).items():
        now = new.get("properties", {}).get(name)
        if now is None:
            yield ContractChange(True, f"{what}.{name}", "gone from the answer: keep it")
        elif not _says_as_much(_bare(was, old), _bare(now, new)):
            yield ContractChange(True, f"{what}.{name}", "is another type in the answer: add a field beside it")
    for name in new.get("properties", {}).keys() - old.get("properties", {}).keys():
        yield ContractChange(False, f"{what}.{name}", "new in the answer")


def _says_as_much(was: Any, now: Any) -> bool:
    """Whether a reader of the old finds all of it in the new; more fields do no harm, however deep."""
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(_says_as_much, was, now))
    if not isinstance(was, dict) or not isinstance(now, dict):
        return was == now
    fields, more = was.get("properties", {}), now.get("properties", {})
    if any(name not in more or not _says_as_much(fields[name], more[name]) for name in fields):
        return False
    rest = (was.keys() | now.keys()) - {"properties", "required"}
    kept = set(was.get("required", [])) <= set(now.get("required", []))
    return kept and all(_says_as_much(was.get(key), now.get(key)) for key in rest)


def _wider(was: Any, now: Any) -> bool:
    """Whether all that fits the old schema fits the new one, as far as limits, enumerations and alternatives go."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        return False
    if "anyOf" in now:
        mine = was.get("anyOf", [was])
        return all(any(each == other or _wider(each, other) for other in now["anyOf"]) for each in mine)
    return all(_limit_is_wider(key, was.get(key), now.get(key)) for key in was.keys() | now.keys())


def _limit_is_wider(key: str, was: Any, now: Any) -> bool:
    if was == now:
        return True
    if now is None:
        return key in _LOWER | _UPPER or key == "pattern"
    if was is None:
        return False
    if key == "enum":
        return set(was) <= set(now)
    return (key in _LOWER and now < was) or (key in _UPPER and now > was)


def _bare(schema: Any, document: dict[str, Any]) -> Any:
    """Without what only people read, and with what it refers to."""
    if isinstance(schema, list):
        return [_bare(each, document) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _bare(_resolved(schema["$ref"], document), document)
    return {
        key: {name: _bare(each, document) for name, each in value.items()}
        if key == "properties"
        else _bare(value, document)
        for key, value in schema.items()
        if key not in _ANNOTATIONS
    }


def _resolved(reference: str, document: dict[str, Any]) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _body(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    return _content(content, document)


def _answer(operation: dict[str, Any], status: str, document: dict[str, Any]) -> dict[str, Any]:
    return _content(operation["responses"][status].get("content", {}), document)


def _content(content: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    schema = next(iter(content.values()), {}).get("schema", {})
    found = _resolved(schema["$ref"], document) if "$ref" in schema else schema
    return {**found, "components": document.get("components", {})}
