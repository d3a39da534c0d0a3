"""Each rule holds for all that our components make, and each has a graph that breaks it."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from local.graph import Registered
from policies import RULES, violations
from tests.graph.support import ROOT, shop

VARIANTS = {
    "eventbridge": {},
    "kinesis": {"road": "kinesis"},
    "sns": {"road": "sns"},
    "sns-fifo": {"road": "sns-fifo"},
    "postgres": {"readModel": "postgres"},
    "split": {"splitRouter": True},
    "lake": {"lake": True},
}
TABLE, BUCKET = "aws:dynamodb/table:Table", "aws:s3/bucket:Bucket"
Break = Callable[[list[Registered]], None]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_the_components_make_keeps_to_every_rule(variant):
    assert violations(shop("dev", **VARIANTS[variant]).resources) == []


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_each_stack_keeps_to_every_rule(stack):
    assert violations(shop(stack).resources) == []


def test_a_stack_that_says_so_need_not_protect_its_data():
    throwaway = shop("local").resources
    assert violations(throwaway, "destroy") == []
    assert {each.rule for each in violations(throwaway)} == {"protected"}


def one(resources: list[Registered], type_: str) -> Registered:
    return next(each for each in resources if each.type == type_)


def put(type_: str, key: str, value: object) -> Break:
    def change(resources: list[Registered]) -> None:
        one(resources, type_).inputs[key] = value

    return change


def without(type_: str) -> Break:
    def change(resources: list[Registered]) -> None:
        resources.remove(one(resources, type_))

    return change


def unprotected(type_: str) -> Break:
    def change(resources: list[Registered]) -> None:
        each = one(resources, type_)
        each.options = replace(each.options, protect=False)

    return change


def allowed(**statement: object) -> Break:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    return put("aws:iam/rolePolicy:RolePolicy", "policy", json.dumps(document))


def trusted(principal: object) -> Break:
    document = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}}
    return put("aws:iam/role:Role", "assumeRolePolicy", json.dumps(document))


def one_route_open(resources: list[Registered]) -> None:
    route = one(resources, "aws:apigatewayv2/route:Route")
    opened = replace(route, urn=f"{route.urn}-open", inputs={**route.inputs, "authorizationType": "NONE"})
    resources.append(opened)


def logging_elsewhere(resources: list[Registered]) -> None:
    one(resources, "aws:lambda/function:Function").property_dependencies.pop("loggingConfig")


def deaf(kind: str) -> Break:
    """No alarm is about a resource of this kind."""

    def change(resources: list[Registered]) -> None:
        for each in resources:
            about = each.property_dependencies.get("dimensions", [])
            each.property_dependencies["dimensions"] = [urn for urn in about if f"${kind}::" not in urn]

    return change


S3 = "aws:s3/bucket"
BREAKING: dict[str, list[tuple[str, Break]]] = {
    "encrypted": [
        ("eventbridge", put(TABLE, "serverSideEncryption", {"enabled": False})),
        ("eventbridge", put("aws:sqs/queue:Queue", "sqsManagedSseEnabled", False)),
        ("sns", put("aws:sns/topic:Topic", "kmsMasterKeyId", None)),
        ("kinesis", put("aws:kinesis/stream:Stream", "encryptionType", "NONE")),
        ("postgres", put("aws:rds/cluster:Cluster", "storageEncrypted", False)),
        (
            "eventbridge",
            without(f"{S3}ServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"),
        ),
    ],
    "recoverable": [
        ("eventbridge", put(TABLE, "pointInTimeRecovery", {"enabled": False})),
        ("postgres", put("aws:rds/cluster:Cluster", "backupRetentionPeriod", 1)),
    ],
    "protected": [
        *(("postgres", unprotected(each)) for each in (TABLE, BUCKET, "aws:rds/cluster:Cluster")),
        ("eventbridge", unprotected("aws:cognito/userPool:UserPool")),
        ("eventbridge", put(TABLE, "deletionProtectionEnabled", False)),
        ("eventbridge", put("aws:cognito/userPool:UserPool", "deletionProtection", "INACTIVE")),
        ("eventbridge", put(BUCKET, "forceDestroy", True)),
        ("postgres", put("aws:rds/cluster:Cluster", "deletionProtection", False)),
    ],
    "private": [
        ("eventbridge", put(f"{S3}PublicAccessBlock:BucketPublicAccessBlock", "blockPublicPolicy", False)),
        ("eventbridge", without(f"{S3}PublicAccessBlock:BucketPublicAccessBlock")),
        ("eventbridge", without(f"{S3}Policy:BucketPolicy")),
        ("postgres", put("aws:rds/clusterInstance:ClusterInstance", "publiclyAccessible", True)),
    ],
    "rotating": [("eventbridge", lambda resources: resources.append(key()))],
    "least-privilege": [
        ("eventbridge", allowed(Action="dynamodb:*", Resource="arn:aws:dynamodb:::table/x")),
        ("eventbridge", allowed(Action=["dynamodb:Query"], Resource="*")),
        ("eventbridge", allowed(NotAction="iam:PassRole", Resource="arn:aws:dynamodb:::table/x")),
    ],
    "trusted-by-name": [
        ("eventbridge", trusted({"AWS": "arn:aws:iam::123456789012:root"})),
        ("eventbridge", trusted("*")),
    ],
    "authorized": [("eventbridge", one_route_open)],
    "logs-end": [
        ("eventbridge", put("aws:cloudwatch/logGroup:LogGroup", "retentionInDays", 0)),
        ("eventbridge", logging_elsewhere),
    ],
    "watched": [
        ("eventbridge", deaf("aws:lambda/function:Function")),
        ("eventbridge", deaf("aws:sqs/queue:Queue")),
    ],
    "tagged": [("eventbridge", put("aws:lambda/function:Function", "tags", {"service": "shop"}))],
}


def key() -> Registered:
    made = deepcopy(one(list(shop("dev").resources), TABLE))
    return replace(made, type="aws:kms/key:Key", urn=f"{made.urn}-key", inputs={})


def test_each_rule_is_broken_by_something():
    assert list(BREAKING) == [rule.name for rule in RULES]


@pytest.mark.parametrize(
    ("rule", "variant", "break_"),
    [
        pytest.param(rule, variant, break_, id=f"{rule}-{number}")
        for rule, cases in BREAKING.items()
        for number, (variant, break_) in enumerate(cases)
    ],
)
def test_a_graph_that_breaks_a_rule_is_found(rule, variant, break_):
    resources = deepcopy(list(shop("dev", **VARIANTS[variant]).resources))
    break_(resources)
    found = violations(resources)
    assert {each.rule for each in found} == {rule}
    assert all(each.message and each.urn in {resource.urn for resource in resources} for each in found)


def test_the_guarantees_that_are_documented_are_the_rules():
    rows = [line for line in (ROOT / "docs/guarantees.md").read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{rule.name}` | {rule.says} |" for rule in RULES]


def test_the_pack_is_a_folder_that_pulumi_starts():
    assert (Path(ROOT) / "policies" / "PulumiPolicy.yaml").is_file()
