"""Event sourcing and CQRS on AWS: what a domain imports.

from foldstack import Aggregate, Command, Event, Projection, Service, State
"""

from typing import TYPE_CHECKING, Any

from .kernel.access import EVERYTHING, Roles
from .kernel.aggregate import Aggregate
from .kernel.api import Api, Body, QueryParameters
from .kernel.cascade import Cascade, Deletion
from .kernel.decision import Decision, Rejection
from .kernel.errors import DefinitionError, FoldstackError, InvalidValue
from .kernel.executor import Committed
from .kernel.http_answer import Answer
from .kernel.idempotency import command_id as derived_id
from .kernel.keys import ID_PATTERN, Tenant
from .kernel.messages import Command, Event, State
from .kernel.problem import problem
from .kernel.projection import EventMeta, Projection
from .kernel.reaction import Later, OutcomePending, ReactionContext, Reactions
from .kernel.request import CommandRequest, QueryRequest
from .kernel.saga import Saga
from .kernel.saga_messages import CancelSaga, SagaRetried, SagaStepSkipped, SagaStuck
from .kernel.saga_progress import SagaProgress
from .kernel.scenario import given
from .kernel.schedule import Schedules, Tick
from .kernel.service import Service, Settings

if TYPE_CHECKING:
    from .kernel.personal import Erased, Personal, erased

__all__ = [
    "EVERYTHING",
    "ID_PATTERN",
    "Aggregate",
    "Answer",
    "Api",
    "Body",
    "CancelSaga",
    "Cascade",
    "Command",
    "CommandRequest",
    "Committed",
    "Decision",
    "DefinitionError",
    "Deletion",
    "Erased",
    "Event",
    "EventMeta",
    "FoldstackError",
    "InvalidValue",
    "Later",
    "OutcomePending",
    "Personal",
    "Projection",
    "QueryParameters",
    "QueryRequest",
    "ReactionContext",
    "Reactions",
    "Rejection",
    "Roles",
    "Saga",
    "SagaProgress",
    "SagaRetried",
    "SagaStepSkipped",
    "SagaStuck",
    "Schedules",
    "Service",
    "Settings",
    "State",
    "Tenant",
    "Tick",
    "derived_id",
    "erased",
    "given",
    "problem",
]


def __getattr__(name: str) -> Any:
    """A domain without personal fields does not load what is for them."""
    if name in ("Erased", "Personal", "erased"):
        from .kernel import personal

        return getattr(personal, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
