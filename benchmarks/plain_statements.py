"""The peer of `consumers`: what one writes by hand for this one view, a statement for each event, done at once.

It reads nothing, since its statements do the arithmetic, and is repeated without harm, since they name the version they
expect. It knows no gap and no order but the one delivered, no poison, no generations and no totals.
"""

from typing import Any, Protocol

import psycopg

from .deliveries import Record, document_of
from .metered import Meter

Rows = dict[str, tuple[str, int, int]]
"""By id: name, units held, version reached."""
TABLE = (
    "create table plain_stocks (tenant text, id text, name text, held bigint, next bigint, primary key (tenant, id))"
)
_CREATE = "insert into plain_stocks values ({tenant}, {id}, {name}, 0, {next}) on conflict do nothing"
_HOLD = (
    "update plain_stocks set held = held + {quantity}, next = {next} "
    "where tenant = {tenant} and id = {id} and next = {first}"
)
_ROWS = "select id, name, held, next from plain_stocks where tenant = {tenant}"


class Plain(Protocol):
    meter: Meter

    def consume(self, records: list[Record]) -> None: ...
    def rows(self, tenant: str) -> Rows: ...


class OnDynamoDB:
    """One conditional request an event."""

    def __init__(self, client: Any, table: str, meter: Meter) -> None:
        self.meter = meter
        self._client = client
        self._table = table

    def consume(self, records: list[Record]) -> None:
        for record in records:
            document = document_of(record)
            key = {"p": {"S": document["tenant"]}, "s": {"S": document["subject"].rpartition("#")[2]}}
            first, next = {"N": str(document["first"])}, {"N": str(document["next"])}
            for event in document["data"]:
                if event["type"] == "StockCreated":
                    row = {"name": {"S": event["data"]["name"]}, "held": {"N": "0"}}
                    self._client.put_item(
                        TableName=self._table,
                        Item={**key, **row, "n": next},
                        ConditionExpression="attribute_not_exists(p)",
                        ReturnConsumedCapacity="TOTAL",
                    )
                else:
                    quantity = {"N": str(event["data"]["quantity"])}
                    self._client.update_item(
                        TableName=self._table,
                        Key=key,
                        UpdateExpression="SET n = :next ADD held :quantity",
                        ConditionExpression="n = :first",
                        ExpressionAttributeValues={":next": next, ":first": first, ":quantity": quantity},
                        ReturnConsumedCapacity="TOTAL",
                    )

    def rows(self, tenant: str) -> Rows:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table, KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": {"S": tenant}}
        )
        items = [item for page in pages for item in page["Items"]]
        return {i["s"]["S"]: (i["name"]["S"], int(i["held"]["N"]), int(i["n"]["N"])) for i in items}


class OverDataApi:
    """One statement an event, committed by itself."""

    def __init__(self, client: Any, cluster: str, secret: str, database: str, meter: Meter) -> None:
        self.meter = meter
        self._client = client
        self._of = {"resourceArn": cluster, "secretArn": secret, "database": database}

    def consume(self, records: list[Record]) -> None:
        for record in records:
            for text, values in _statements(record):
                self._run(text, values)

    def rows(self, tenant: str) -> Rows:
        found = self._run(_ROWS, {"tenant": tenant})["records"]
        texts = [[value for field in record for value in field.values()] for record in found]
        return {id: (name, held, next) for id, name, held, next in texts}

    def _run(self, text: str, values: dict[str, Any]) -> Any:
        kinds = {str: "stringValue", int: "longValue"}
        return self._client.execute_statement(
            sql=text.format(**{name: f":{name}" for name in values}),
            parameters=[{"name": name, "value": {kinds[type(value)]: value}} for name, value in values.items()],
            **self._of,
        )


class OverPsycopg:
    """One statement an event, committed by itself, on a connection that stays open."""

    def __init__(self, connection: psycopg.Connection[Any], meter: Meter) -> None:
        self.meter = meter
        self._connection = connection

    def consume(self, records: list[Record]) -> None:
        for record in records:
            for text, values in _statements(record):
                self._run(text, values)
                self.meter.requests += 1
                self.meter.statements += 1
                self.meter.transactions += 1

    def rows(self, tenant: str) -> Rows:
        found = self._run(_ROWS, {"tenant": tenant}).fetchall()
        return {id: (name, held, next) for id, name, held, next in found}

    def _run(self, text: str, values: dict[str, Any]) -> Any:
        query = text.format(**{name: f"%({name})s" for name in values})
        return self._connection.execute(query.encode(), values)


def _statements(record: Record) -> list[tuple[str, dict[str, Any]]]:
    document = document_of(record)
    of = {"tenant": document["tenant"], "id": document["subject"].rpartition("#")[2], "next": document["next"]}
    return [
        (_CREATE, {**of, "name": event["data"]["name"]})
        if event["type"] == "StockCreated"
        else (_HOLD, {**of, "first": document["first"], "quantity": event["data"]["quantity"]})
        for event in document["data"]
    ]
