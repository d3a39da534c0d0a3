"""Event sourcing and CQRS on AWS as Pulumi components."""

from .arguments import ArgumentError
from .domain_source import DomainSource
from .event_sourced_service import EventSourcedService, EventSourcedServiceArgs
from .handles import (
    Authorizer,
    Commands,
    Domain,
    Events,
    OperatedAuth,
    OperatedPipeline,
    OperatedService,
    Queries,
    SqlConnection,
    Tenants,
)
from .http_api import HttpApi, HttpApiArgs
from .projection_pipeline import ProjectionPipeline, ProjectionPipelineArgs
from .schedules import ServiceSchedule
from .scope import Operations
from .sql_store import SqlStore, SqlStoreArgs
from .tenant_auth import TenantAuth, TenantAuthArgs

__all__ = [
    "ArgumentError",
    "Authorizer",
    "Commands",
    "Domain",
    "DomainSource",
    "EventSourcedService",
    "EventSourcedServiceArgs",
    "Events",
    "HttpApi",
    "HttpApiArgs",
    "OperatedAuth",
    "OperatedPipeline",
    "OperatedService",
    "Operations",
    "ProjectionPipeline",
    "ProjectionPipelineArgs",
    "Queries",
    "ServiceSchedule",
    "SqlConnection",
    "SqlStore",
    "SqlStoreArgs",
    "TenantAuth",
    "TenantAuthArgs",
    "Tenants",
]
