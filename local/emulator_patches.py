"""The emulator's entry: small patches of ministack, each for one rule of AWS that it lacks, then its own main().

`main` is run in an interpreter of its own, with the names of the patches as arguments. Every patch touches private
names, so another release of ministack is refused: read the patch again against it, then move the pin.
"""

import base64
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from xml.sax.saxutils import escape

from .emulator_keys import keys_by_table, statements, table_name

PINNED = "1.5.33"

_TAG_PATTERN = r"[\w\s.:/=+@-]{0,256}"
_TAG = re.compile(_TAG_PATTERN).fullmatch
_VARIABLE = re.compile(r"\$\{([^},]+)(?:,\s*'([^']*)')?\}")


def loopback() -> None:
    """Every listener binds loopback: the emulator's MQTT, SFTP and DSQL fronts name 0.0.0.0 themselves."""
    bind = socket.socket.bind

    def bind_loopback(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_INET and address[0] in ("", "0.0.0.0"):
            address = ("127.0.0.1", *address[1:])
        elif self.family == socket.AF_INET6 and address[0] in ("", "::"):
            address = ("::1", *address[1:])
        bind(self, address)

    socket.socket.bind = bind_loopback  # type: ignore[method-assign]


def stream_arn() -> None:
    """A DynamoDB stream is a resource of its own: the policy is checked on the stream's exact ARN."""
    from ministack.core import iam_actions

    original = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, headers: dict, body: bytes, *rest: Any) -> str:
        if service != "dynamodbstreams":
            return original(service, method, path, headers, body, *rest)
        request = _json(body)
        iterator = request.get("ShardIterator")
        if isinstance(iterator, str):
            request = _json(_decoded(iterator))
            return request.get("arn") or "*"
        return request.get("StreamArn") or "*"

    iam_actions.extract_resource_arn = extract_resource_arn


def batches() -> None:
    """SQS and SNS have no permission for a batch: it is allowed, or not, as the single action."""
    from ministack.core import iam_actions

    original = iam_actions.extract_iam_action

    def extract_iam_action(service: str, *rest: Any, **named: Any) -> str | None:
        action = original(service, *rest, **named)
        return action.removesuffix("Batch") if service in ("sqs", "sns") and action else action

    iam_actions.extract_iam_action = extract_iam_action


def secure_transport() -> None:
    """Loopback stands for TLS: a policy that refuses what comes without it would refuse everything here."""
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_condition_key


def leading_keys() -> None:
    """`dynamodb:LeadingKeys`: the partition keys a request names, judged table by table."""
    from ministack.core import iam_actions, iam_evaluator

    context_of, resolve = iam_actions.dynamodb_service_context, iam_evaluator._resolve_condition_key

    def service_context(body: bytes) -> dict:
        return {**context_of(body), "dynamodb:LeadingKeys": keys_by_table(_json(body))}

    def resolve_condition_key(key: str, context: Any) -> Any:
        value = resolve(key, context)
        if key.lower() != "dynamodb:leadingkeys" or not isinstance(value, dict):
            return value
        return value.get(table_name(context.resource_arn))

    iam_actions.dynamodb_service_context = service_context
    iam_evaluator._resolve_condition_key = resolve_condition_key


def encryption_context() -> None:
    """`kms:EncryptionContext:NAME`: what a request says that its data is about."""
    from ministack.core import iam_actions

    original = iam_actions.request_tag_context

    def request_tag_context(service: str, iam_action: str, body: bytes, *rest: Any) -> dict:
        found = original(service, iam_action, body, *rest)
        said = _json(body).get("EncryptionContext") if service == "kms" else None
        if not isinstance(said, dict):
            return found
        return {**found, **{f"kms:EncryptionContext:{name}": str(value) for name, value in said.items()}}

    iam_actions.request_tag_context = request_tag_context


def partiql() -> None:
    """A batch of PartiQL is no action of its own: each statement is allowed, or not, by what it does to its table."""
    from ministack.core import iam_actions

    original = iam_actions.dynamodb_transaction_checks

    def checks(iam_action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
        stated = statements(_json(body))
        if not stated:
            return original(iam_action, body, region, account)
        return [
            (f"dynamodb:PartiQL{what}", f"arn:aws:dynamodb:{region}:{account}:table/{table}") for what, table in stated
        ]

    iam_actions.dynamodb_transaction_checks = checks


def policy_variables() -> None:
    """`${aws:PrincipalTag/tenant}` and its like, in resources and in conditions."""
    from ministack.core import iam_evaluator

    first_match = iam_evaluator._first_match

    def substituted(statement: Any, context: Any) -> Any:
        def text(value: Any) -> str:
            return _VARIABLE.sub(lambda found: _value_of(found, context), str(value))

        conditions = {
            operator: {k: [text(x) for x in (v if isinstance(v, list) else [v])] for k, v in block.items()}
            for operator, block in statement.conditions.items()
        }
        return dataclasses.replace(
            statement,
            resources=[text(x) for x in statement.resources],
            not_resources=[text(x) for x in statement.not_resources],
            conditions=conditions,
        )

    def first_match_substituted(context: Any, statements: list, effect: str) -> Any:
        ready = []
        for statement in statements:
            if "${" in repr(statement):
                try:
                    statement = substituted(statement, context)
                except LookupError:
                    # A permission that depends on what is not there grants nothing; a denial stays as written.
                    if statement.effect == "Allow":
                        continue
            ready.append(statement)
        return first_match(context, ready, effect)

    def _value_of(found: re.Match[str], context: Any) -> str:
        name, default = found.group(1).strip(), found.group(2)
        if name in ("*", "?", "$"):
            raise LookupError(f"${{{name}}} as a literal is not emulated")
        value = iam_evaluator._resolve_condition_key(name, context)
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else None
        value = default if value is None else str(value)
        if value is None or "*" in value or "?" in value:
            raise LookupError(name)
        return value

    iam_evaluator._first_match = first_match_substituted


def session_tags() -> None:
    """The tags of a session keep AWS's grammar, and a trust policy sees which of them are transitive."""
    from ministack.core import iam_evaluator
    from ministack.services import sts

    tags_of, evaluate = sts._session_tags, iam_evaluator.evaluate_trust_policy
    transitive: ContextVar[tuple[str, ...]] = ContextVar("transitive", default=())

    def _session_tags(params: dict, check: bool = True) -> tuple[list, Any]:
        named = [value for key, value in params.items() if key.startswith("TransitiveTagKeys")]
        transitive.set(tuple(str(each) for value in named for each in (value if isinstance(value, list) else [value])))
        tags, error = tags_of(params, check)
        for text in (text for tag in tags or [] for text in (tag["Key"], tag["Value"])):
            if not _TAG(text):
                message = f"Value '{escape(text)}' at 'tags' failed to satisfy constraint: {_TAG_PATTERN}"
                return [], sts._error(400, "ValidationError", message, ns="sts")
        return tags or [], error

    def evaluate_trust_policy(document: Any, caller: str, context: Any = None) -> bool:
        if context is not None and (keys := transitive.get()):
            known = {**context.service_context, "sts:transitivetagkeys": list(keys)}
            context = dataclasses.replace(context, service_context=known)
        return evaluate(document, caller, context)

    sts._session_tags = _session_tags
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy


def stream_records() -> None:
    """What a table's stream still holds is kept with the table: a commit that was not relayed is not lost."""
    from ministack.services import dynamodb

    state_of, restore = dynamodb.get_state, dynamodb.load_persisted_state

    def get_state() -> dict:
        return {
            **state_of(),
            "stream_records": dynamodb._stream_records,
            "stream_trimmed": dynamodb._stream_trimmed,
        }

    def load_persisted_state(data: dict) -> None:
        restore(data)
        dynamodb._stream_records.update(data.get("stream_records", {}))
        dynamodb._stream_trimmed.update(data.get("stream_trimmed", {}))

    dynamodb.get_state = get_state
    dynamodb.load_persisted_state = load_persisted_state


def data_api() -> None:
    """The RDS Data API runs its statements on the laptop's own PostgreSQL."""
    _beside("emulator_data_api").apply()


def schedule_arn() -> None:
    """A schedule is a resource of its group: the policy is checked on its whole name."""
    _beside("emulator_scheduler").names()


def pass_role() -> None:
    """A role is given to a schedule by those alone who may pass it."""
    _beside("emulator_scheduler").passed_roles()


def service_roles() -> None:
    """The laptop plays the services: it may assume a role that is for one resource of theirs."""
    _beside("emulator_scheduler").service_roles()


def schedules() -> None:
    """Schedules are listed whole, page by page, and fired by the laptop."""
    _beside("emulator_scheduler").lists()


def athena() -> None:
    """Athena's dialect, bound parameters, projected partitions, the caller's own permissions, and its events."""
    from . import emulator_athena

    emulator_athena.apply()


def deliveries() -> None:
    """A rule and a topic deliver to Firehose, too."""
    from . import emulator_firehose

    emulator_firehose.apply()


def partiql_streams() -> None:
    """What PartiQL changes is in the table's stream."""
    from . import emulator_partiql

    emulator_partiql.apply()


def token_triggers() -> None:
    """A trigger that raises refuses the token, in Cognito's words: its callers are answered 500 else."""
    _beside("emulator_cognito").apply()


PATCHES: dict[str, Callable[[], None]] = {
    "loopback": loopback,
    "stream-arn": stream_arn,
    "batches": batches,
    "secure-transport": secure_transport,
    "leading-keys": leading_keys,
    "encryption-context": encryption_context,
    "partiql": partiql,
    "policy-variables": policy_variables,
    "session-tags": session_tags,
    "stream-records": stream_records,
    "data-api": data_api,
    "schedule-arn": schedule_arn,
    "pass-role": pass_role,
    "service-roles": service_roles,
    "schedules": schedules,
    "token-triggers": token_triggers,
    "athena": athena,
    "deliveries": deliveries,
    "partiql-streams": partiql_streams,
}


def apply(names: list[str]) -> None:
    """Apply patches by name. Another ministack than the pinned one, or an unknown name, ends the process."""
    found = importlib.metadata.version("ministack")
    if found != PINNED:
        raise SystemExit(
            f"ministack {found} is installed, the patches in {__file__} were written against {PINNED}:"
            " install that one, or read each patch against the new source and move the pin"
        )
    for name in names:
        if name not in PATCHES:
            raise SystemExit(f"no patch is called {name!r}; there are {', '.join(PATCHES)}")
        PATCHES[name]()


def _beside(name: str) -> Any:
    """A module in this file's folder, by its path: this interpreter is isolated, and imports nothing from there."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _json(body: bytes) -> dict:
    """The request's JSON; {} for anything else, which ministack's own handler then refuses."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(iterator: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(iterator.encode("ascii", "replace"))
    except ValueError:
        return b"{}"


def _stop_with_the_parent() -> None:
    # Not through sys.stdin: its lock would be held while the interpreter ends.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    names, sys.argv = sys.argv[1:], ["ministack"]
    apply(names)
    from ministack.app import main as serve

    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    serve()
