"""Event sourcing and CQRS on AWS as Pulumi components."""

from .analytics_lake import AnalyticsLake, AnalyticsLakeArgs
from .arguments import ArgumentError
from .deletion_cascade import DeletionCascade, DeletionCascadeArgs
from .domain_source import DomainSource
from .event_sourced_service import EventSourcedService, EventSourcedServiceArgs
from .existing import ExistingBus, ExistingTable, ExistingUserPool
from .handles import (
    Authorizer,
    Commands,
    Domain,
    Events,
    OperatedAuth,
    OperatedCascade,
    OperatedLake,
    OperatedPipeline,
    OperatedService,
    Queries,
    SqlConnection,
    Tables,
    Tasks,
    Tenants,
)
from .http_api import HttpApi, HttpApiArgs
from .overrides import FunctionSettings, Network
from .projection_pipeline import ProjectionPipeline, ProjectionPipelineArgs
from .schedules import ServiceSchedule
from .scope import Operations
from .sql_store import SqlStore, SqlStoreArgs
from .tenant_auth import TenantAuth, TenantAuthArgs

__all__ = [
    "AnalyticsLake",
    "AnalyticsLakeArgs",
    "ArgumentError",
    "Authorizer",
    "Commands",
    "DeletionCascade",
    "DeletionCascadeArgs",
    "Domain",
    "DomainSource",
    "EventSourcedService",
    "EventSourcedServiceArgs",
    "Events",
    "ExistingBus",
    "ExistingTable",
    "ExistingUserPool",
    "FunctionSettings",
    "HttpApi",
    "HttpApiArgs",
    "Network",
    "OperatedAuth",
    "OperatedCascade",
    "OperatedLake",
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
    "Tables",
    "Tasks",
    "TenantAuth",
    "TenantAuthArgs",
    "Tenants",
]
