"""SqlStore: its shape, what it hands out, and what happens to it with the stack. Not proven: that Aurora starts."""

import json

import pytest

from components import ArgumentError, SqlStore
from components.environment import _merged
from tests.graph.support import component, functions, shop

CLUSTER, INSTANCE = "aws:rds/cluster:Cluster", "aws:rds/clusterInstance:ClusterInstance"
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
INVOCATION = "aws:lambda/invocation:Invocation"


def sql_shop(**config):
    return shop("dev", readModel="postgres", **config)


def test_it_is_one_encrypted_serverless_instance_behind_the_data_api():
    graph = sql_shop()
    cluster, instance = graph.one(CLUSTER).inputs, graph.one(INSTANCE).inputs
    assert (cluster["engine"], cluster["engineMode"]) == ("aurora-postgresql", "provisioned")
    assert cluster["storageEncrypted"] is True
    assert cluster["enableHttpEndpoint"] is True
    assert cluster["manageMasterUserPassword"] is True
    assert "masterPassword" not in cluster
    assert instance["instanceClass"] == "db.serverless"
    assert instance["publiclyAccessible"] is False
    assert instance["clusterIdentifier"] == graph.one(CLUSTER).id


def test_at_rest_it_pauses_and_costs_its_secrets_and_its_alarm():
    scaling = sql_shop().one(CLUSTER).inputs["serverlessv2ScalingConfiguration"]
    assert scaling == {"minCapacity": 0, "maxCapacity": 4, "secondsUntilAutoPause": 300}
    awake = component(SqlStore, "sql", {"minimum_half_acus": 1, "maximum_acus": 8}).one(CLUSTER).inputs
    assert awake["serverlessv2ScalingConfiguration"] == {"minCapacity": 0.5, "maxCapacity": 8}


@pytest.mark.parametrize(("removal", "kept"), [("keep", True), ("destroy", False)])
def test_its_data_go_with_the_stack_only_when_told(removal, kept):
    cluster = sql_shop(removal=removal).one(CLUSTER)
    assert cluster.options.protect is kept
    assert cluster.options.retain_on_delete is kept
    assert cluster.inputs["deletionProtection"] is kept
    assert cluster.inputs["skipFinalSnapshot"] is not kept
    assert ("finalSnapshotIdentifier" in cluster.inputs) is kept
    assert cluster.inputs["backupRetentionPeriod"] == (14 if kept else 1)


def test_each_role_has_a_secret_and_no_value_is_in_the_graph():
    graph = sql_shop()
    secrets = {each.name for each in graph.of(SECRET)}
    assert {"shop-sql-secret-projector", "shop-sql-secret-reader"} < secrets
    assert graph.of(VERSION) == []


def test_a_migration_runs_when_code_or_cluster_changes_and_before_anything_uses_the_views():
    graph = sql_shop()
    migration = graph.one(INVOCATION, "shop-views-migration")
    migrate, projector, router = (
        next(each for each in functions(graph) if each.name == name)
        for name in ("shop-views-migrate", "shop-views-projector", "shop-api-router")
    )
    assert migration.inputs["functionName"] == migrate.outputs["name"]
    assert migration.inputs["triggers"] == {
        "code": migrate.outputs["codeSha256"],
        "cluster": graph.one(CLUSTER).outputs["arn"],
    }
    assert json.loads(migration.inputs["input"]) == {"views": ["checkout", "products", "purchases"]}
    for user in (projector, router):
        assert migration.urn in user.dependencies, user
    assert graph.one(INSTANCE).urn in migration.dependencies


def test_there_are_no_view_tables():
    tables = {each.name for each in sql_shop().of("aws:dynamodb/table:Table")}
    assert tables == {"shop-commits", "shop-ids", "shop-auth-tenants", "shop-api-limits"}
    assert sql_shop().exports["viewTables"] == {}
    assert shop("dev").of(CLUSTER) == []


def test_an_unknown_read_model_is_refused_with_what_is_allowed():
    with pytest.raises(Exception, match=r"readModel: given 'mysql'; allowed: dynamodb or postgres"):
        shop("dev", readModel="mysql")


def test_faults_are_told_together():
    with pytest.raises(ArgumentError) as error:
        component(SqlStore, "sql", {"engine_version": "9.6", "minimum_half_acus": 99, "maximum_acus": 2})
    assert {fault.path for fault in error.value.faults} == {"engine_version", "minimum_half_acus"}


def queries(store, tables=(), views=(), cluster=""):
    return {
        "commit_table_name": store,
        "view_tables": {name: f"t-{name}" for name in tables},
        "sql_views": list(views),
        "sql_cluster_arn": cluster,
        "sql_secret_arn": cluster and f"{cluster}-reader",
        "sql_database": "foldstack",
    }


def test_a_door_reads_one_store():
    one = _merged("c", ["c"], [queries("c", views=["b"], cluster="x"), queries("c", views=["a"], cluster="x")])
    assert json.loads(one["sql"])["views"] == ["a", "b"]
    assert one["tables"] == ""
    for other in (queries("c", tables=["a"]), queries("c", views=["a"], cluster="y")):
        with pytest.raises(ValueError, match="a, b are in several stores"):
            _merged("c", ["c"], [queries("c", views=["b"], cluster="x"), other])
    with pytest.raises(ValueError, match="two pipelines have a view b"):
        _merged("c", ["c"], [queries("c", views=["b"], cluster="x"), queries("c", tables=["b"])])
