"""A team's own KMS key: what is under it, and who may use it, through which service.

Not proven here: that KMS, DynamoDB and S3 ask for no more than this.
"""

import pytest

from components import ArgumentError, EventSourcedService
from components.permissions import KEEPING, READING
from local.preview.changes import changes
from local.preview.snapshot import Resource, Snapshot
from policies import violations
from tests.graph.brought import of_component, under_key
from tests.graph.support import DOMAIN, component, statements_of
from tests.graph.test_privileges import actions_of, described, faults, resources_of

ROLE = "aws:iam/role:Role"
KEY = "aws:kms/key:Key"
KEPT = {f"kms:{each}" for each in KEEPING}
READ = {f"kms:{each}" for each in READING}
OPENED = {"kms:Decrypt"}
STORES = ("dynamodb", "s3")
VARIANTS = {
    "eventbridge": {},
    "kinesis": {"road": "kinesis"},
    "sns": {"road": "sns"},
    "postgres": {"sql": True},
    "split": {"split": True},
    "silo": {"silo": True},
    "silo, split": {"silo": True, "split": True},
}


@pytest.fixture(params=VARIANTS)
def graph(request):
    return under_key(**VARIANTS[request.param])


def ours(graph):
    return graph.one(KEY, "ours").outputs["arn"]


def test_all_data_and_secrets_are_under_it(graph):
    keys = {
        each.name: each.inputs["serverSideEncryption"].get("kmsKeyArn") for each in graph.of("aws:dynamodb/table:Table")
    }
    for each in graph.of("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"):
        keys[each.name] = each.inputs["rules"][0]["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId")
    for each in graph.of("aws:secretsmanager/secret:Secret"):
        keys[each.name] = each.inputs.get("kmsKeyId")
    for each in graph.of("aws:rds/cluster:Cluster"):
        keys |= {each.name: each.inputs.get("kmsKeyId"), "master": each.inputs.get("masterUserSecretKmsKeyId")}
    for each in graph.of("aws:kinesis/stream:Stream"):
        keys[each.name] = each.inputs["kmsKeyId"]
    for each in graph.of("aws:sns/topic:Topic"):
        keys[each.name] = each.inputs["kmsMasterKeyId"]
    for each in graph.of("aws:athena/workgroup:Workgroup"):
        kept = each.inputs["configuration"]["resultConfiguration"]["encryptionConfiguration"]
        keys[each.name] = kept["kmsKeyArn"]
    assert len(keys) >= 9
    assert set(keys.values()) == {ours(graph)}, keys


def test_no_component_makes_another(graph):
    """Not for personal data, and not for a silo."""
    assert {each.name for each in graph.of(KEY)} == {"ours", "logs"}
    assert graph.one("foldstack:index:EventSourcedService", "crm").outputs["commands"]["kms_key_arn"] == ours(graph)


def test_logs_are_under_the_key_that_is_for_them(graph):
    groups = graph.of("aws:cloudwatch/logGroup:LogGroup")
    assert len(groups) >= 6
    assert {each.inputs["kmsKeyId"] for each in groups} == {graph.one(KEY, "logs").outputs["arn"]}


def uses(graph):
    """Role -> what it may do with the key through which services, the personal data's own way apart."""
    found = {}
    for role in graph.of(ROLE):
        for statement in statements_of(graph, role):
            if any(action.startswith("kms:") for action in actions_of(statement)):
                assert resources_of(statement) == [ours(graph)]
                like = statement["Condition"]["StringLike"]
                if "kms:EncryptionContext:tenant" in like:
                    continue
                services = tuple(each.removesuffix(".*.amazonaws.com") for each in like["kms:ViaService"])
                found.setdefault(role.name, {}).setdefault(services, set()).update(actions_of(statement))
    return found


SERVICE = {
    "crm-commands-tenant-role": {STORES: KEPT},
    "crm-effects-tenant-role": {STORES: KEPT},
    "crm-effects-role": {("secretsmanager",): OPENED},
    "crm-relay-role": {STORES: KEPT},
    "crm-erase-role": {STORES: KEPT},
    "people-claims-role": {("dynamodb",): READ},
}
LAKE = {
    "facts-writer-role": {STORES: KEPT, ("s3",): KEPT},
    "facts-compactor-role": {("s3",): KEPT},
    "facts-archive-delivery-role": {("s3",): KEPT},
    "facts-asking-tenant-role": {STORES: KEPT},
    "facts-asking-role": {("dynamodb",): KEPT},
}
CASCADE = {"cleaning-collector-tenant-role": {STORES: KEPT}, "cleaning-remover-tenant-role": {STORES: KEPT}}
PROJECTOR = {"rows-projector-role": {STORES: KEPT, ("dynamodb",): KEPT}}
ROUTER = {
    "door-router-tenant-role": {STORES: KEPT},
    "door-router-role": {("dynamodb",): KEPT, ("secretsmanager",): OPENED},
}


def test_whoever_holds_what_is_under_it_may_use_it_and_nobody_else():
    assert uses(under_key()) == {**SERVICE, **LAKE, **CASCADE, **PROJECTOR, **ROUTER}


def test_halves_of_a_door_have_each_what_it_reads():
    assert uses(under_key(split=True)) == {
        **SERVICE,
        **LAKE,
        **CASCADE,
        **PROJECTOR,
        "door-commands-tenant-role": {STORES: KEPT},
        "door-commands-role": {("dynamodb",): KEPT, ("secretsmanager",): OPENED},
        "door-queries-tenant-role": {STORES: KEPT},
        "door-queries-role": {("dynamodb",): KEPT},
    }


@pytest.mark.parametrize("road", ["kinesis", "sns"])
def test_on_a_road_under_it_the_relay_publishes_with_it(road):
    relay = uses(under_key(road))["crm-relay-role"]
    assert relay == {STORES: KEPT, (road,): {"kms:Decrypt", "kms:GenerateDataKey"}}
    projector = uses(under_key(road))["rows-projector-role"]
    assert projector.get(("kinesis",)) == (OPENED if road == "kinesis" else None)


def test_what_a_reader_of_a_stream_gives_up_is_kept_under_it():
    """By whoever reads one: Lambda writes with the function's own role."""
    found = uses(under_key("kinesis"))
    for role in ("rows-projector-role", "facts-writer-role", "cleaning-collector-role"):
        assert "kms:GenerateDataKey" in found[role]["s3",], role


def test_logins_of_a_database_are_opened_with_it():
    found = uses(under_key(sql=True))
    assert found["rows-migrate-role"] == {("secretsmanager",): {"kms:Decrypt", "kms:GenerateDataKey"}}
    assert found["rows-projector-role"] == {STORES: KEPT, ("secretsmanager",): OPENED}
    assert found["door-router-role"][("secretsmanager",)] == OPENED


def test_in_a_session_it_is_used_for_a_tenant_alone(graph):
    checked = 0
    for role in graph.of(ROLE):
        for statement in statements_of(graph, role) if role.name.endswith("-tenant-role") else ():
            if statement["Sid"].startswith("UseKey"):
                only = statement["Condition"].get("StringEquals", {}).get("aws:PrincipalTag/tenant")
                needed = statement["Condition"].get("Null", {}).get("aws:PrincipalTag/tenant")
                assert (only, needed) in {("big-corp", None), (None, "false")}
                checked += 1
    assert checked >= 3


def test_least_privilege_and_every_rule_hold(graph):
    for role in graph.of(ROLE):
        statements = statements_of(graph, role)
        assert [fault for statement in statements for fault in faults(statement)] == []
        names = [statement["Sid"] for statement in statements]
        assert len(set(names)) == len(names)
        if not role.name.startswith("facts-"):  # a lake's are in test_lake
            assert all(described(graph, each) for statement in statements for each in resources_of(statement))
    broken = {(each.rule, each.urn.rsplit("::", 1)[1]) for each in violations(graph.resources)}
    assert broken <= {("trusted-by-name", "crm-erase-role")}, "as without a key"


def test_queues_stay_with_the_keys_of_sqs(graph):
    for each in graph.of("aws:sqs/queue:Queue"):
        assert each.inputs["sqsManagedSseEnabled"] is True
        assert "kmsMasterKeyId" not in each.inputs


def test_without_one_nothing_says_anything_of_keys():
    graph = component(EventSourcedService, "plain", {"domain": DOMAIN, "operations": {"key_arn": ""}})
    assert not [s for role in graph.of(ROLE) for s in statements_of(graph, role) if "kms:" in str(s)]
    assert of_component(graph, "plain", KEY) == []


@pytest.mark.parametrize(
    "key", ["alias/ours", "1234abcd-12ab", "arn:aws:s3:::bucket", "arn:aws:kms:eu-west-1:123456789012:alias/ours"]
)
def test_a_key_is_told_by_its_arn(key):
    with pytest.raises(ArgumentError, match=r"operations.key_arn: given .*; allowed: an ARN, arn:aws:kms"):
        component(EventSourcedService, "crm", {"domain": DOMAIN, "operations": {"key_arn": key}})


@pytest.mark.parametrize(
    ("type_", "key", "kind"),
    [
        ("aws:rds/cluster:Cluster", "kmsKeyId", "replace"),
        ("aws:dynamodb/table:Table", "serverSideEncryption", "change"),
        ("aws:kinesis/stream:Stream", "kmsKeyId", "change"),
        ("aws:sns/topic:Topic", "kmsMasterKeyId", "change"),
        ("aws:secretsmanager/secret:Secret", "kmsKeyId", "change"),
        ("aws:cloudwatch/logGroup:LogGroup", "kmsKeyId", "change"),
    ],
)
def test_a_preview_knows_what_another_key_does(type_, key, kind):
    """As AWS has it: a cluster can't change its key, the others can."""
    options = {"protect": False, "retain_on_delete": False, "ignore_changes": [], "replace_on_changes": []}
    old, new = (
        Snapshot({"urn": Resource("urn", type_, "it", "", True, {key: f"arn:{which}"}, options)}, {})
        for which in ("old", "new")
    )
    assert [change.resource.name for change in changes(old, new).of(kind)] == ["it"]
