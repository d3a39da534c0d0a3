"""Event sourcing and CQRS on AWS: what a domain imports.

from foldstack import Aggregate, Command, Event, Projection, Service, State
"""

from .kernel.access import EVERYTHING, Roles
from .kernel.aggregate import Aggregate
from .kernel.api import Api, Body, QueryParameters
from .kernel.decision import Decision, Rejection
from .kernel.errors import DefinitionError, FoldstackError, InvalidValue
from .kernel.executor import Committed
from .kernel.http_answer import Answer
from .kernel.idempotency import command_id as derived_id
from .kernel.keys import ID_PATTERN, Tenant
from .kernel.messages import Command, Event, State
from .kernel.problem import problem
from .kernel.projection import EventMeta, Projection
from .kernel.reaction import OutcomePending, ReactionContext, Reactions
from .kernel.request import CommandRequest, QueryRequest
from .kernel.scenario import given
from .kernel.service import Service, Settings

__all__ = [
    "EVERYTHING",
    "ID_PATTERN",
    "Aggregate",
    "Answer",
    "Api",
    "Body",
    "Command",
    "CommandRequest",
    "Committed",
    "Decision",
    "DefinitionError",
    "Event",
    "EventMeta",
    "FoldstackError",
    "InvalidValue",
    "OutcomePending",
    "Projection",
    "QueryParameters",
    "QueryRequest",
    "ReactionContext",
    "Reactions",
    "Rejection",
    "Roles",
    "Service",
    "Settings",
    "State",
    "Tenant",
    "derived_id",
    "given",
    "problem",
]
