"""What a function is told by its environment variables."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pydantic_core import from_json

from ..kernel.errors import ConfigurationError

_ROUTES = ("all", "commands", "queries")
_OF_ONE_STORE = frozenset(
    f"FOLDSTACK_{name}"
    for name in (
        "COMMIT_TABLE",
        "ID_TABLE",
        "BODIES_BUCKET",
        "KEY_TABLE",
        "KMS_KEY",
        "TIMERS",
        "VIEW_TABLES",
        "SQL",
        "SILOS",
    )
)


class SqlConnection(NamedTuple):
    """A database behind the RDS Data API, as one role: ARNs of the cluster and of the role's secret."""

    cluster: str
    secret: str
    database: str
    views: tuple[str, ...]


class Timers(NamedTuple):
    """A group of EventBridge Scheduler, and what its schedules send to, as whom."""

    group: str
    role: str
    queue: str
    dead_letters: str


class DrainedQueue(NamedTuple):
    """The queue that a function drains: what is given out `attempts` times in vain becomes a dead letter, and is
    hidden for `hidden_seconds` in between unless somebody says otherwise."""

    url: str
    attempts: int
    hidden_seconds: int


@dataclass(frozen=True)
class Environment:
    """Each property reads one FOLDSTACK_* variable. A function is given those it needs: asking for another raises
    ConfigurationError naming it. Values are checked by `read`, when the function starts."""

    variables: Mapping[str, str]

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> "Environment":
        """From this process's environment; raises ConfigurationError for a value that can't be right."""
        environment = cls(dict(os.environ if variables is None else variables))
        _ = environment.store_epoch, environment.routes, environment.anonymous, environment.inline_seconds
        if "FOLDSTACK_VIEW_TABLES" in environment.variables:
            _ = environment.view_tables
        if "FOLDSTACK_SQL" in environment.variables:
            _ = environment.sql
        if "FOLDSTACK_TIMERS" in environment.variables:
            _ = environment.timers
        if environment.limits_table:
            _ = environment.requests_per_minute
        _ = environment.secrets, environment.queue, environment.silos, environment.tenant_metrics
        return environment

    @property
    def domain(self) -> str:
        """`module:attribute` of the Service."""
        return self._text("DOMAIN")

    @property
    def service(self) -> str:
        return self._text("SERVICE")

    @property
    def commit_table(self) -> str:
        return self._text("COMMIT_TABLE")

    @property
    def id_table(self) -> str:
        return self._text("ID_TABLE")

    @property
    def tenants_table(self) -> str:
        """The table of tenants and their members; empty where the tokens are somebody else's."""
        return self._text("TENANTS_TABLE", "")

    @property
    def limits_table(self) -> str:
        """The table that counts tenants' requests; empty where none are limited."""
        return self._text("LIMITS_TABLE", "")

    @property
    def requests_per_minute(self) -> int:
        """Of a tenant without a limit of its own."""
        return int(self._number("REQUESTS_PER_MINUTE", None, whole=True))

    @property
    def tenant_metrics(self) -> bool:
        """Whether each tenant's usage is a metric."""
        return self._one_of("TENANT_METRICS", ("true", "false"), "false") == "true"

    @property
    def api_scope(self) -> str:
        """The scope that tells an access token for the API from any other token."""
        return self._text("API_SCOPE")

    @property
    def bodies_bucket(self) -> str:
        return self._text("BODIES_BUCKET")

    @property
    def lake_bucket(self) -> str:
        """Where the Parquet files of the lake are."""
        return self._text("LAKE_BUCKET")

    @property
    def folded_views(self) -> tuple[str, ...]:
        """The views whose rows the lake folds from commits itself."""
        return tuple(filter(None, self.variables.get("FOLDSTACK_FOLDED_VIEWS", "").split(",")))

    @property
    def lake_database(self) -> str:
        """The lake's database in Glue."""
        return self._text("LAKE_DATABASE")

    @property
    def lake_workgroup(self) -> str:
        """The workgroup of Athena that asks it."""
        return self._text("LAKE_WORKGROUP")

    @property
    def lake_tasks(self) -> str:
        """The table of query tasks."""
        return self._text("LAKE_TASKS")

    @property
    def lake_questions(self) -> str:
        """The folder of questions in the bundle."""
        return self._text("LAKE_QUESTIONS")

    @property
    def tenant_role(self) -> str:
        """The ARN of the role that tenants' rows are reached in; empty where a function serves all of them at once."""
        return self._text("TENANT_ROLE", "")

    @cached_property
    def silos(self) -> "Mapping[str, Environment]":
        """Of tenants that have stores of their own: what their requests read instead of this."""
        told = self._object("SILOS", self._text("SILOS", "{}"))
        shared = {name: value for name, value in self.variables.items() if name not in _OF_ONE_STORE}
        found: dict[str, Environment] = {}
        for tenant, given in told.items():
            if not isinstance(given, dict):
                raise ConfigurationError("FOLDSTACK_SILOS", f"must be a JSON object of objects; {tenant} is {given!r}")
            texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
            found[tenant] = Environment({**shared, **{f"FOLDSTACK_{name}": text for name, text in texts.items()}})
        return found

    def of(self, tenant: str) -> "Environment":
        """What a tenant's requests read."""
        return self.silos.get(tenant, self)

    @property
    def road(self) -> str:
        """The ARN of the bus, stream or topic that the relay publishes on: its service is the road."""
        return self._text("ROAD")

    @property
    def effects_queue(self) -> str:
        """The URL of the queue of effects, where the relay feeds it; else empty."""
        return self.variables.get("FOLDSTACK_EFFECTS_QUEUE", "")

    @cached_property
    def effect_types(self) -> frozenset[str]:
        """The stored event types that effects answer; none where they answer all."""
        return frozenset(filter(None, self.variables.get("FOLDSTACK_EFFECT_TYPES", "").split(",")))

    @property
    def parked_queue(self) -> str:
        """The URL of the parking queue."""
        return self._text("PARKED_QUEUE")

    @property
    def key_table(self) -> str:
        """Where keys of personal data are; empty where the service was not told to have any."""
        return self.variables.get("FOLDSTACK_KEY_TABLE", "")

    @property
    def kms_key(self) -> str:
        """The ARN of the KMS key that wraps them."""
        return self._text("KMS_KEY")

    @property
    def consumer(self) -> str:
        """The name under which events are republished to this function; of none, it takes them all."""
        return self._text("CONSUMER", "")

    @property
    def store_epoch(self) -> int:
        """Raised by a restore, which re-uses versions."""
        return int(self._number("STORE_EPOCH", "1", whole=True))

    @property
    def inline_seconds(self) -> float:
        """How long a request drives effects itself."""
        return self._number("INLINE_SECONDS", "5", whole=False)

    @cached_property
    def view_tables(self) -> Mapping[str, str]:
        """View name -> table name."""
        return self._names("VIEW_TABLES", self._text("VIEW_TABLES"))

    @property
    def has_sql(self) -> bool:
        """Whether its views are in PostgreSQL."""
        return bool(self.variables.get("FOLDSTACK_SQL"))

    @cached_property
    def sql(self) -> SqlConnection:
        """Where those views are, and which: {"cluster", "secret", "database", "views": {name: name}}."""
        value = self._object("SQL", self._text("SQL"))
        try:
            cluster, secret, database = (value[name] for name in ("cluster", "secret", "database"))
            return SqlConnection(cluster, secret, database, tuple(value["views"]))
        except (KeyError, TypeError) as error:
            raise ConfigurationError(
                "FOLDSTACK_SQL", f"must name cluster, secret, database and views; {error} is not there"
            ) from None

    @property
    def view_names(self) -> tuple[str, ...]:
        """Of the views that it has, wherever they are."""
        if self.folded_views:
            return self.folded_views
        return self.sql.views if self.has_sql else tuple(self.view_tables)

    @cached_property
    def sql_roles(self) -> Mapping[str, str]:
        """Role (projector, reader) -> ARN of its secret: what a migration sets up."""
        return self._names("SQL_ROLES", self._text("SQL_ROLES"))

    @cached_property
    def queue(self) -> DrainedQueue | None:
        """The queue that it drains, if it does: {"url", "attempts", "hidden_seconds"}."""
        text = self._text("QUEUE", "{}")
        value = self._object("QUEUE", text)
        if not value:
            return None
        try:
            return DrainedQueue(str(value["url"]), int(value["attempts"]), int(value["hidden_seconds"]))
        except (KeyError, TypeError, ValueError):
            raise ConfigurationError(
                "FOLDSTACK_QUEUE", f"must name url, attempts and hidden_seconds; it is {text[:200]!r}"
            ) from None

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        """Secret name -> ARN."""
        return self._names("SECRETS", self._text("SECRETS", "{}"))

    @property
    def schedules(self) -> tuple[str, ...]:
        """The schedules that the stack fires."""
        return tuple(filter(None, self.variables.get("FOLDSTACK_SCHEDULES", "").split(",")))

    @property
    def timers(self) -> Timers:
        """Where a Later is kept: {"group", "role", "queue", "dead_letters"}, the name of a group and ARNs."""
        value = self._names("TIMERS", self._text("TIMERS"))
        try:
            return Timers(**value)
        except TypeError:
            raise ConfigurationError(
                "FOLDSTACK_TIMERS", f"must name {', '.join(Timers._fields)}; it names {', '.join(value)}"
            ) from None

    @property
    def dead_letters(self) -> str:
        """The URL of the queue for messages that are not worth another try."""
        return self._text("DEAD_LETTERS")

    @property
    def routes(self) -> str:
        """`all`, `commands` or `queries`."""
        return self._one_of("ROUTES", _ROUTES, "all")

    @property
    def anonymous(self) -> bool:
        """Whether the tenant may come from a header alone."""
        return self._one_of("ANONYMOUS", ("true", "false"), "false") == "true"

    def _text(self, name: str, default: str | None = None) -> str:
        value = self.variables.get(f"FOLDSTACK_{name}") or default
        if value is None:
            raise ConfigurationError(
                f"FOLDSTACK_{name}", "is not set, and this function needs it; the component that made it sets it"
            )
        return value

    def _number(self, name: str, default: str | None, *, whole: bool) -> float:
        text = self._text(name, default)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = -1
        if not (1 if whole else 0) <= value < 2**53:
            kind = "a whole number from 1 on" if whole else "a number of seconds"
            raise ConfigurationError(f"FOLDSTACK_{name}", f"must be {kind}; it is {text!r}")
        return value

    def _one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self._text(name, default)
        if value not in allowed:
            raise ConfigurationError(f"FOLDSTACK_{name}", f"must be one of {', '.join(allowed)}; it is {value!r}")
        return value

    def _names(self, name: str, text: str) -> Mapping[str, str]:
        value = self._object(name, text)
        if not all(isinstance(each, str) for each in value.values()):
            raise ConfigurationError(f"FOLDSTACK_{name}", f"must be a JSON object of texts; it is {text[:200]!r}")
        return value

    def _object(self, name: str, text: str) -> Mapping[str, Any]:
        try:
            value: Any = from_json(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ConfigurationError(f"FOLDSTACK_{name}", f"must be a JSON object of texts; it is {text[:200]!r}")
        return value
