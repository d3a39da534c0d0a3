"""Query tasks: a question, asked in a session of its caller's tenant, whose answer is fetched later.

The row of a task is written before its query is started, and the query bears the task's id as its token: whoever finds
a task without a query starts it again, and there is one query all the same.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json, to_json

from ..aws.store_errors import ask, error_code
from ..kernel.errors import KeyReuse, Unavailable
from ..kernel.idempotency import request_hash
from ..kernel.keys import Tenant
from .questions import Question

RESULTS = "results"
LIFE_SECONDS = 7 * 24 * 3600
"""Of a task and of its results."""
MOST_ROWS = 1000
"""In one page: as many as Athena gives."""

Status = Literal["accepted", "running", "succeeded", "failed"]
_ENDED: dict[str, Status] = {"SUCCEEDED": "succeeded", "FAILED": "failed", "CANCELLED": "failed"}
_PLACE = re.compile(rf"s3://[^/]+/{RESULTS}/([^/]+)/([^/]+)/.+").fullmatch
_TOO_MUCH = "it would read more than one query may: ask about fewer days"
_FAILED = "the query failed"


class Missing(LookupError):
    """No such task of this caller's."""


class NotStarted(Unavailable):
    """Athena did not take the query now."""


@dataclass(frozen=True)
class Task:
    """`subject` asked `question` with `parameters`; `hash` is of both. `query` is Athena's id of the query, empty until
    it is started; times are in seconds since 1970, `error` is for the caller."""

    tenant: Tenant
    id: str
    subject: str
    question: str
    parameters: Mapping[str, Any]
    literals: tuple[str, ...]
    hash: str
    asked_at: float
    status: Status = "accepted"
    query: str = ""
    ended_at: float = 0.0
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ("succeeded", "failed")


class Page(NamedTuple):
    """Of a result: columns by name and type, rows of values, and what to ask for the next page with."""

    columns: list[dict[str, str]]
    rows: list[list[Any]]
    next: str | None


class Place(NamedTuple):
    """Where queries run: names in Athena, in Glue, in S3 and in DynamoDB."""

    workgroup: str
    database: str
    bucket: str
    table: str


@dataclass
class Tasks:
    """`client` makes a client of a service that acts for one tenant, `own` one that acts for the function."""

    place: Place
    client: Callable[[str, Tenant], Any]
    own: Callable[[str], Any]
    clock: Callable[[], float] = field(default=time.time)

    def ask(self, tenant: Tenant, subject: str, id: str, question: Question, given: Mapping[str, Any]) -> Task:
        """Have a task; the one of this id where there is one. Raises BadParameters, KeyReuse for another request of
        this id, Unavailable."""
        literals = question.literals(tenant, given)
        asked = request_hash("POST", f"/tasks/{question.name}", {}, dict(given))
        task = Task(
            tenant, id, subject, question.name, {**given}, tuple(literals), asked, self.clock(), status="accepted"
        )
        if not self._put(task):
            task = self.find(tenant, subject, id)
            if task.hash != asked:
                raise KeyReuse("this key was sent with another request before: take a new one")
        return task if task.query else self._start(task, question)

    def look(self, task: Task, question: Question) -> Task:
        """What became of it, as Athena says it where nobody told yet."""
        if task.ended:
            return task
        if not task.query:
            return self._start(task, question)
        return self._settle(task, self._execution(task))

    def find(self, tenant: Tenant, subject: str, id: str) -> Task:
        """Raises Missing, for a task of somebody else too."""
        key = {"p": {"S": f"{tenant}#{id}"}}
        found = ask(self._rows(tenant).get_item, TableName=self.place.table, Key=key, ConsistentRead=True).get("Item")
        if found is None or found["subject"]["S"] != subject:
            raise Missing(id)
        return _task(tenant, id, found)

    def told(self, query: str) -> Task | None:
        """A query has ended: so has its task, if it is one's."""
        answer = ask(self.own("athena").get_query_execution, QueryExecutionId=query)
        execution = answer["QueryExecution"]
        place = _PLACE(execution["ResultConfiguration"]["OutputLocation"])
        if place is None or place[1] == "-":
            return None
        tenant, id = Tenant(place[1]), place[2]
        key = {"p": {"S": f"{tenant}#{id}"}}
        found = ask(self._rows(tenant).get_item, TableName=self.place.table, Key=key, ConsistentRead=True).get("Item")
        return self._settle(_task(tenant, id, found), execution) if found else None

    def page(self, task: Task, after: str | None) -> Page:
        """Of the result of a task that has succeeded: the first one, or the one after it."""
        more = {"NextToken": after} if after else {}
        athena = self.client("athena", task.tenant)
        answer = ask(athena.get_query_results, QueryExecutionId=task.query, MaxResults=MOST_ROWS, **more)
        found = answer["ResultSet"]
        types = [column["Type"] for column in found["ResultSetMetadata"]["ColumnInfo"]]
        columns = [{"name": each["Name"], "type": each["Type"]} for each in found["ResultSetMetadata"]["ColumnInfo"]]
        rows = found["Rows"] if after else found["Rows"][1:]  # the first row of all are the names
        typed = [
            [_typed(type_, cell.get("VarCharValue")) for type_, cell in zip(types, row["Data"], strict=True)]
            for row in rows
        ]
        return Page(columns, typed, answer.get("NextToken"))

    def _start(self, task: Task, question: Question) -> Task:
        athena = self.client("athena", task.tenant)
        place = f"s3://{self.place.bucket}/{RESULTS}/{task.tenant}/{task.id}/"
        try:
            answer = ask(
                athena.start_query_execution,
                QueryString=question.sql,
                ExecutionParameters=list(task.literals),
                QueryExecutionContext={"Database": self.place.database},
                WorkGroup=self.place.workgroup,
                ResultConfiguration={"OutputLocation": place},
                ClientRequestToken=task.id,
            )
        except athena.exceptions.TooManyRequestsException as error:
            raise NotStarted("too many queries run: ask for the task again in a while") from error
        return self._change(task, status="running", query=answer["QueryExecutionId"])

    def _execution(self, task: Task) -> Mapping[str, Any]:
        athena = self.client("athena", task.tenant)
        return ask(athena.get_query_execution, QueryExecutionId=task.query)["QueryExecution"]

    def _settle(self, task: Task, execution: Mapping[str, Any]) -> Task:
        state = execution["Status"]["State"]
        if task.ended or state not in _ENDED:
            return task
        error = {"FAILED": _FAILED, "CANCELLED": _TOO_MUCH}.get(state, "")
        query = execution["QueryExecutionId"]
        return self._change(task, status=_ENDED[state], query=query, ended_at=self.clock(), error=error)

    def _put(self, task: Task) -> bool:
        client = self._rows(task.tenant)
        item = {
            **_key(task),
            "subject": {"S": task.subject},
            "question": {"S": task.question},
            "parameters": {"S": to_json(task.parameters).decode()},
            "literals": {"S": to_json(task.literals).decode()},
            "hash": {"S": task.hash},
            "asked_at": {"N": repr(task.asked_at)},
            "status": {"S": task.status},
            "ttl": {"N": str(int(task.asked_at) + LIFE_SECONDS)},
        }
        return _unless_refused(
            client.put_item, TableName=self.place.table, Item=item, ConditionExpression="attribute_not_exists(p)"
        )

    def _change(self, task: Task, **changes: Any) -> Task:
        """A task that has ended stays as it is: whoever is late reads it."""
        now = Task(**{**task.__dict__, **changes})
        changed = _unless_refused(
            self._rows(task.tenant).update_item,
            TableName=self.place.table,
            Key=_key(task),
            UpdateExpression="SET #status = :status, #query = :query, ended_at = :ended, #error = :error",
            ConditionExpression="#status IN (:accepted, :running)",
            ExpressionAttributeNames={"#status": "status", "#query": "query", "#error": "error"},
            ExpressionAttributeValues={
                ":status": {"S": now.status},
                ":query": {"S": now.query},
                ":ended": {"N": repr(now.ended_at)},
                ":error": {"S": now.error},
                ":accepted": {"S": "accepted"},
                ":running": {"S": "running"},
            },
        )
        return now if changed else self.find(task.tenant, task.subject, task.id)

    def _rows(self, tenant: Tenant) -> Any:
        return self.client("dynamodb", tenant)


def _key(task: Task) -> dict[str, Any]:
    return {"p": {"S": f"{task.tenant}#{task.id}"}}


def _task(tenant: Tenant, id: str, item: Mapping[str, Any]) -> Task:
    return Task(
        tenant,
        id,
        item["subject"]["S"],
        item["question"]["S"],
        from_json(item["parameters"]["S"]),
        tuple(from_json(item["literals"]["S"])),
        item["hash"]["S"],
        float(item["asked_at"]["N"]),
        item["status"]["S"],
        item.get("query", {}).get("S", ""),
        float(item.get("ended_at", {}).get("N", 0)),
        item.get("error", {}).get("S", ""),
    )


def _unless_refused(operation: Callable[..., Any], **parameters: Any) -> bool:
    """Whether it was done, and its condition held."""
    from botocore.exceptions import ClientError

    try:
        ask(operation, **parameters)
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _typed(type_: str, text: str | None) -> Any:
    """As JSON has it: whole numbers, reals and booleans as such, decimals and moments as texts, exact."""
    if text is None:
        return None
    if type_ in ("bigint", "integer", "smallint", "tinyint"):
        return int(text)
    if type_ in ("double", "float", "real"):
        return float(text) if text not in ("NaN", "Infinity", "-Infinity") else text
    if type_ == "boolean":
        return text == "true"
    if type_ == "timestamp":
        return text.replace(" ", "T") + "Z"
    return text
