"""Changes of a program, each told as what Pulumi would do."""

import json

import pytest

from local.preview import report
from local.preview.changes import Changes, counts
from local.preview.revision import checked_out
from local.preview.snapshot import take
from local.preview.values import ABSENT, OTHER_SECRET
from tests.graph.support import ROOT
from tests.preview.conftest import KEY

TABLE, FUNCTION, POLICY = "aws:dynamodb/table:Table", "aws:lambda/function:Function", "aws:iam/rolePolicy:RolePolicy"


def told(found: Changes) -> dict[str, str]:
    return {f"{change.kind} {change.resource.name}": change.risk for change in found.of_resources}


def values(found: Changes, name: str) -> dict[str, tuple]:
    (change,) = (change for change in found.of_resources if change.resource.name == name)
    return {each.path: (each.old, each.new) for each in change.differences}


def test_the_same_program_in_another_folder_changes_nothing(edited):
    found = edited()
    assert not found
    assert report.summary(found) == "no changes"


def test_the_shop_built_twice_in_two_folders_is_the_same():
    with checked_out(ROOT, "HEAD") as one, checked_out(ROOT, "HEAD") as another:
        old, new = (take(folder, "dev", KEY, "HEAD") for folder in (one, another))
    assert old == new
    assert len(old.resources) > 100


def test_a_renamed_table_is_another_one_and_the_old_ones_data_is_at_risk(edited):
    found = edited(('Table(\n    "prices"', 'Table(\n    "costs"'))
    assert told(found).keys() == {"create costs", "change reading", "delete prices"}
    assert "data, which is lost when it is deleted" in told(found)["delete prices"]
    (policy,) = found.of("change")
    assert policy.unknown == {"policy"}
    assert found.at_risk[0].resource.name == "prices"


def test_a_renamed_service_would_lose_its_events_and_is_refused_by_its_protection(edited):
    found = edited(('EventSourcedService(\n    "days"', 'EventSourcedService(\n    "nights"'))
    assert {change.resource.name for change in found.at_risk} >= {"days-commits", "days-ids", "days-bodies"}
    assert all("protected" in change.risk for change in found.at_risk if change.resource.type == TABLE)
    assert counts(found)["create"] == counts(found)["delete"] > 10


def test_a_rename_with_an_alias_moves_all_that_is_in_it(edited):
    found = edited(
        ('EventSourcedService(\n    "days"', 'EventSourcedService(\n    "nights"'),
        (
            '"target": "host",\n    },\n',
            '"target": "host",\n        "service": "days",\n    },\n'
            '    pulumi.ResourceOptions(aliases=[pulumi.Alias(name="days")]),\n',
        ),
    )
    assert [change.resource.name for change in found.of("replace")] == ["nights-layer"], "nothing is kept in that"
    assert counts(found)["delete"] == counts(found)["create"] == 0
    assert found.at_risk == []
    (table,) = (change for change in found.of_resources if change.resource.name == "nights-commits")
    assert table.moved_from.endswith("::days-commits")
    assert set(values(found, "nights-commits")) == {"tags.component"}


def test_a_new_index_changes_the_table_in_place(edited):
    found = edited(
        (
            'attributes=[{"name": "p", "type": "S"}],',
            'attributes=[{"name": "p", "type": "S"}, {"name": "shelf", "type": "S"}],\n    global_secondary_indexes='
            '[{"name": "by-shelf", "hash_key": "shelf", "projection_type": "ALL"}],',
        )
    )
    assert told(found) == {"change prices": ""}
    index = {"name": "by-shelf", "hashKey": "shelf", "projectionType": "ALL"}
    assert values(found, "prices") == {
        "attributes[1]": (ABSENT, {"name": "shelf", "type": "S"}),
        "globalSecondaryIndexes": (ABSENT, [index]),
    }


def test_another_key_replaces_the_table_and_what_names_it_is_known_later(edited):
    found = edited(('hash_key="p"', 'hash_key="q"'), ('{"name": "p", "type": "S"}', '{"name": "q", "type": "S"}'))
    table, policy = found.of_resources
    assert (table.kind, table.forced_by, "lost" in table.risk) == ("replace", ("hashKey",), True)
    assert (policy.kind, policy.resource.name, policy.unknown) == ("change", "reading", {"policy"})
    assert report.document(found)["changes"][1]["differences"] == [{"path": "policy", "new": None}]


def test_what_is_made_of_a_replaced_resources_name_is_replaced_with_it(edited):
    found = edited(('Role("readers", ', 'Role("readers", path="/teams/", '))
    assert {change.resource.name: change.forced_by for change in found.of("replace")} == {
        "readers": ("path",),
        "reading": ("role",),
    }


def test_memory_is_one_number(edited):
    found = edited(('"memory_mb": 512', '"memory_mb": 1024'))
    assert told(found) == {"change door-router": ""}
    assert values(found, "door-router") == {"memorySize": (512, 1024)}


def test_a_function_that_goes_is_deleted_with_all_that_is_its_own(edited):
    found = edited(('"letters", visibility_timeout_seconds=30', '"others", visibility_timeout_seconds=30'))
    assert told(found) == {"create others": "", "delete letters": ""}


def test_an_edited_policy_shows_the_statement_that_changed(edited):
    found = edited(('["dynamodb:GetItem"]', '["dynamodb:GetItem", "dynamodb:Query"]'))
    assert values(found, "reading") == {"policy.Statement[0].Action[1]": (ABSENT, "dynamodb:Query")}


def test_an_edited_handler_names_the_file_for_each_function(edited):
    found = edited(("from foldstack import", "from typing import Any\nfrom foldstack import"), file="books/__init__.py")
    assert {change.resource.type for change in found.of_resources} == {FUNCTION}
    assert all(set(values(found, each.resource.name)) == {"code: books/__init__.py"} for each in found.of_resources)
    assert len(found.of_resources) == 4


def test_another_secret_is_told_and_not_shown(edited, program):
    found = edited(("secure: AAABAJ3kfJ5cD8", "secure: BBBBcD8AJ3kfJ5"), file="Pulumi.dev.yaml")
    assert counts(found) == {"replace": 0, "delete": 0, "change": 1, "create": 0}
    (change,) = found.of_resources
    assert [each.new for each in change.differences] == [OTHER_SECRET]
    everything = json.dumps(report.document(found)) + report.markdown(found)
    assert "AAAB" not in everything
    assert "BBBB" not in everything


@pytest.mark.parametrize(
    ("old", "new", "guard"),
    [
        ("deletion_protection_enabled=True", "deletion_protection_enabled=False", "deletionProtectionEnabled"),
        ('deletion_protection="ACTIVE"', 'deletion_protection="INACTIVE"', "deletionProtection"),
        ('"status": "Enabled"', '"status": "Suspended"', "versioningConfiguration.status"),
    ],
)
def test_a_guard_that_falls_is_a_risk(edited, old, new, guard):
    (change,) = edited((old, new)).at_risk
    assert change.risk.endswith(f"guarded less: {guard}")


def test_an_ignored_change_is_none(edited):
    found = edited(
        (
            "visibility_timeout_seconds=30",
            'visibility_timeout_seconds=60, opts=pulumi.ResourceOptions(ignore_changes=["visibilityTimeoutSeconds"])',
        )
    )
    assert [each.path for change in found.of_resources for each in change.differences] == ["options.ignore_changes[0]"]


def test_outputs_are_compared_too(edited):
    found = edited(('pulumi.export("prices", prices.name)', 'pulumi.export("queue", queue.url)'))
    assert {each.path for each in found.of_exports} == {"prices", "queue"}
