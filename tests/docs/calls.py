"""Calls of others that documents show: requests to the shop's API, the Pulumi CLI, the AWS CLI.

None of them can be made here: the first need the shop to run (`tests/e2e/test_administration.py`), the rest an account.
"""

import json
import re
from typing import Any

import botocore.session
import jsonschema
import yaml
from botocore import xform_name

from tests.docs.blocks import BlockError
from tests.graph.support import ROOT, shop

OPENAPI = json.loads((ROOT / "contracts" / "shop.openapi.json").read_text())
_PLACEHOLDER = re.compile(r"[A-Z][A-Z ]+")
_CURL = {"-s": False, "-f": False, "-H": True, "-d": True, "-X": True}
_PULUMI = {
    "up": {"-s": True},
    "preview": {"-s": True, "--policy-pack": True, "--diff": False},
    "refresh": {"--preview-only": False},
    "stack output": {"--json": False, "-s": True},
    "config set": {"-s": True},
    "state delete": {},
    "import": {},
}


def check_curl(words: list[str]) -> None:
    """The route is there, and the body is one that it takes."""
    given, (url,) = _options(words, _CURL)
    path = url.removeprefix("$API").partition("?")[0]
    method = given.get("-X", "POST" if "-d" in given else "GET").lower()
    routes = {each: re.sub(r"\{\w+\}", "[^/]+", each) for each in OPENAPI["paths"]}
    found = [OPENAPI["paths"][each] for each, pattern in routes.items() if re.fullmatch(pattern, path)]
    if not found or method not in found[0]:
        raise BlockError(f"the API has no {method.upper()} {path}; it has {', '.join(OPENAPI['paths'])}")
    if "-d" in given:
        schema = found[0][method]["requestBody"]["content"]["application/json"]["schema"]
        _check_body(json.loads(given["-d"]), {**schema, "components": OPENAPI["components"]})


def check_pulumi(words: list[str]) -> None:
    name = next((each for each in _PULUMI if words[: len(each.split())] == each.split()), None)
    if name is None:
        raise BlockError(f"tests/docs/calls.py knows the commands {', '.join(_PULUMI)}")
    given, rest = _options(words[len(name.split()) :], _PULUMI[name])
    if "-s" in given and not (ROOT / f"Pulumi.{given['-s']}.yaml").is_file():
        raise BlockError(f"there is no stack {given['-s']}")
    if "--policy-pack" in given and not (ROOT / given["--policy-pack"] / "PulumiPolicy.yaml").is_file():
        raise BlockError(f"{given['--policy-pack']} is no policy pack")
    if name == "config set":
        key, value = rest
        check_config({key: value})


def check_config(values: dict[str, Any]) -> None:
    """The project declares the keys, and its program takes the values."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    for key in values:
        if key.removeprefix("shop:") not in declared:
            raise BlockError(f"Pulumi.yaml declares no {key}; it has {', '.join(declared)}")
    plain = {key.removeprefix("shop:"): value for key, value in values.items()}
    shop("dev", **{key: value for key, value in plain.items() if not isinstance(value, dict)})


def check_aws(words: list[str]) -> None:
    """The service, its operation and the operation's parameters, as the AWS SDK's own models have them."""
    service, command, *rest = words
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        raise BlockError(f"AWS has no service {service}")
    model = session.get_service_model(service)
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    if command not in operations:
        raise BlockError(f"{service} has no {command}")
    shape = model.operation_model(operations[command]).input_shape
    known = {f"--{xform_name(each, '-')}" for each in shape.members} if shape else set()
    _options(rest, dict.fromkeys(known, True))


def _check_body(body: Any, schema: dict[str, Any]) -> None:
    for error in jsonschema.Draft202012Validator(schema).iter_errors(body):
        if not (isinstance(error.instance, str) and _PLACEHOLDER.fullmatch(error.instance)):
            raise BlockError(f"the route does not take this body: {error.message}")


def _options(words: list[str], known: dict[str, bool]) -> tuple[dict[str, str], list[str]]:
    """The options with their values, where they have one, and the other words."""
    given, rest, left = {}, [], list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            rest.append(word)
        elif word not in known:
            raise BlockError(f"there is no option {word}; there are {', '.join(sorted(known))}")
        else:
            given[word] = left.pop(0) if known[word] else ""
    return given, rest
