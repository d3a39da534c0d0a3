"""The parts of cascades, made of what a function was given, as `composition` makes all others."""

from ..kernel.cascade_index import CascadeIndex
from ..kernel.cascading import Send
from . import clients
from .cascade_index import DynamoCascadeIndex
from .environment import Environment
from .removals_queue import RemovalsQueue


def index(env: Environment) -> CascadeIndex:
    """Each request in the session of its tenant."""
    sessions = clients.tenant_sessions(env.tenant_role)
    return DynamoCascadeIndex(lambda: clients.client("dynamodb", attempts=1), env.cascade_table, sessions)


def send(env: Environment) -> Send:
    """Puts work into the queue of who removes."""
    return RemovalsQueue(clients.client("sqs"), env.removals_queue)
