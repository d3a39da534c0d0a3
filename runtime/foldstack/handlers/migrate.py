"""Entry point of a migration: brings the database to what the domain's projections need. Run by each deployment."""

import json
import secrets
import time
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from ..aws import clients, composition, domain
from ..aws.environment import Environment
from ..aws.sql.migration import Login, Roles, migrate
from ..aws.store_errors import ask, error_code
from ..kernel.errors import Unavailable

_MARGIN = 10.0

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"done": [...]}`, empty where the database was as it should be. A database that is waking is waited for."""
    until = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    while True:
        try:
            roles = Roles(_login("projector"), _login("reader"))
            projections = composition.projections(environment, service)
            done = migrate(composition.sql(environment), environment.service, projections, roles)
        except Unavailable as error:
            if time.monotonic() + error.retry_after >= until:
                raise
            log.info("the database can't be asked yet: %s", error)
            time.sleep(error.retry_after)
            continue
        log.info("migrated", done=done)
        return {"done": done}


def _login(role: str) -> Login:
    """A role's login as its secret has it; made here for a new secret, so that nobody ever sees it."""
    arn, manager = environment.sql_roles[role], clients.client("secretsmanager")
    try:
        kept = ask(manager.get_secret_value, SecretId=arn).get("SecretString")
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        kept = None
    if kept is not None:
        known = json.loads(kept)
        return Login(known["username"], known["password"])
    made = Login(f"foldstack_{role}", secrets.token_hex(24))
    value = json.dumps({"username": made.role, "password": made.password})
    ask(manager.put_secret_value, SecretId=arn, SecretString=value)
    return made
