"""AWS clients for functions: made when first asked for, and never slower to give up than a function.

They are made by botocore, as boto3 makes them: importing boto3 itself also loads S3's transfer manager, which no
function uses and every cold start would wait for.

A request waits 1 s for a connection and 2 s for each read. With 3 attempts and the pauses between them that is 12 s
at most; the commit table's client makes one attempt, because the executor repeats the identical put itself.
"""

from functools import cache
from typing import Any

import botocore
import botocore.session
from botocore.config import Config

from . import consumption
from .sessions import Sessions, own_or_tenants

CONNECT_SECONDS = 1
READ_SECONDS = 2
SQL_SECONDS = 15
ATTEMPTS = 3


_AGENT = f"Botocore/{botocore.__version__} foldstack"
"""As it is, or botocore makes one up for every request, a tenth of what that costs the processor."""


@cache
def client(service: str, attempts: int = ATTEMPTS, *, checked: bool = True, read_seconds: int = READ_SECONDS) -> Any:
    """The low-level client of `service` for this sandbox. `attempts` counts the first one; `checked` has the SDK
    look at every parameter before it is sent, an eighth of what a put costs the processor."""
    made = session().create_client(
        service,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            tcp_keepalive=True,
            parameter_validation=checked,
            user_agent=_AGENT,
        ),
    )
    if service == "dynamodb":
        consumption.watch(made)
    return made


@cache
def session() -> botocore.session.Session:
    """One for the sandbox: it reads the service models, and keeps the role's credentials fresh. Its clients serve
    the function itself, and through `Sessions` its tenants."""
    return own_or_tenants(botocore.session.get_session())


@cache
def tenant_sessions(role: str) -> Sessions:
    """Those of a role, one a tenant, for this sandbox."""
    return Sessions(client("sts"), role)


def commit_table() -> Any:
    """The DynamoDB client for commits: a lost answer is the executor's to resolve, not the SDK's. Its parameters
    come from one module, `commit_store`."""
    return client("dynamodb", attempts=1, checked=False)


def views() -> Any:
    """The DynamoDB client for who writes views. Its parameters come from `view_store` and `view_batches` alone."""
    return client("dynamodb", checked=False)


def data_api() -> Any:
    """The RDS Data API's client: one attempt, since a statement that is repeated is done twice. A statement may take
    its time, and ends by the role's own limit."""
    return client("rds-data", attempts=1, read_seconds=SQL_SECONDS)
