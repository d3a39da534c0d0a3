"""The functions of the notes program."""

import json
import os
from functools import cache

import boto3


@cache
def client(service):
    return boto3.client(service)


def door(event, context):
    http = event["requestContext"]["http"]
    key = {"id": {"S": f"{event['headers']['x-tenant-id']}#{event['rawPath'].rsplit('/', 1)[-1]}"}}
    if http["method"] == "POST":
        text = json.loads(event["body"])["text"]
        used = client("dynamodb").put_item(
            TableName=os.environ["TABLE"], Item={**key, "text": {"S": text}}, ReturnConsumedCapacity="TOTAL"
        )
        cost = {
            "message": "command cost",
            "route": "POST /notes/{id}",
            "requests": 1,
            "read_units": 0,
            "write_units": used["ConsumedCapacity"]["CapacityUnits"],
            "milliseconds": 1.5,
        }
        print(json.dumps(cost))
        return {"statusCode": 201, "body": json.dumps({"greeting": os.environ["GREETING"]})}
    item = client("dynamodb").get_item(TableName=os.environ["TABLE"], Key=key).get("Item")
    if item is None:
        return {"statusCode": 404}
    return {"statusCode": 200, "body": json.dumps({"text": item["text"]["S"]})}


def relay(event, context):
    entries = [
        {
            "Source": "notes",
            "DetailType": "noted",
            "EventBusName": os.environ["BUS"],
            "Detail": json.dumps({"tenant": record["dynamodb"]["Keys"]["id"]["S"].split("#")[0]}),
        }
        for record in event["Records"]
    ]
    client("events").put_events(Entries=entries)
    return {"batchItemFailures": []}


def counter(event, context):
    for record in event["Records"]:
        tenant = json.loads(record["body"])["detail"]["tenant"]
        client("dynamodb").update_item(
            TableName=os.environ["TABLE"],
            Key={"tenant": {"S": tenant}},
            UpdateExpression="ADD notes :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    return {"batchItemFailures": []}
