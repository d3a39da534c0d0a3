"""What administrators' commands do to the tenants table and the user pool."""

import pytest
from botocore.exceptions import ClientError
from foldstack.aws.tenants import SUSPENDED, attributes, member_key
from foldstack.kernel.errors import InvalidValue, OperationRefused

pytestmark = pytest.mark.emulator


@pytest.fixture
def stored(dynamodb, auth):
    def read(subject, machine=False):
        key = attributes(member_key(subject, machine=machine))
        item = dynamodb.get_item(TableName=auth.tenants_table, Key=key).get("Item")
        return item and {name: value["S"] for name, value in item.items() if name not in ("p", "s")}

    return read


def test_tenants_are_added_once_and_listed_with_their_status(members):
    assert members.add_tenant("acme") is True
    members.add_tenant("other")
    members.set_tenant("acme", SUSPENDED)
    assert members.add_tenant("acme") is False
    assert set(members.tenants()) == {("acme", "suspended", None), ("other", "active", None)}


def test_a_tenants_own_limit_is_set_changed_and_taken_away(members):
    members.add_tenant("acme")
    for limit in (5, 9, 9, None, None):
        members.set_limit("acme", limit)
        assert list(members.tenants()) == [("acme", "active", limit)]
    members.set_limit("acme", 7)
    members.set_tenant("acme", SUSPENDED)
    members.add_tenant("acme")
    assert list(members.tenants()) == [("acme", "suspended", 7)], "the rest is as it was"
    for wrong in (0, -1, 600_001):
        with pytest.raises(InvalidValue, match="limit: 1 to 600000 requests a minute, or default"):
            members.set_limit("acme", wrong)
    with pytest.raises(OperationRefused, match="there is no tenant nobody"):
        members.set_limit("nobody", 5)
    with pytest.raises(OperationRefused, match="there is no tenant gone"):
        members.set_tenant("gone", SUSPENDED)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a" * 64, "a#b", "a\n"])
def test_a_tenant_outside_the_grammar_is_never_added(members, name):
    with pytest.raises(InvalidValue):
        members.add_tenant(name)
    assert list(members.tenants()) == []


def test_a_user_is_invited_changed_and_removed(members, stored, emulator, auth):
    members.add_tenant("acme")
    subject = members.invite("ann@acme.example", "acme", "buyer", send=False)
    assert stored(subject) == {"tenant": "acme", "role": "buyer", "status": "active"}
    assert members.invite("ann@acme.example", "acme", "viewer") == subject
    assert members.role("ann@acme.example") == "viewer"
    members.set_role("ann@acme.example", "admin")
    members.set_user("ann@acme.example", SUSPENDED)
    assert stored(subject) == {"tenant": "acme", "role": "admin", "status": "suspended"}
    members.remove_user("ann@acme.example")
    assert stored(subject) is None
    with pytest.raises(ClientError, match="UserNotFound"):
        emulator.client("cognito-idp").admin_get_user(UserPoolId=auth.user_pool_id, Username="ann@acme.example")
    with pytest.raises(OperationRefused, match=r"there is no user ann@acme\.example"):
        members.remove_user("ann@acme.example")


def test_a_user_belongs_to_one_tenant(members, stored):
    for tenant in ("acme", "other"):
        members.add_tenant(tenant)
    subject = members.invite("ann@acme.example", "acme", "buyer", send=False)
    with pytest.raises(OperationRefused, match="belongs to acme, and to one tenant alone"):
        members.invite("ann@acme.example", "other", "admin")
    assert stored(subject)["tenant"] == "acme"


def test_what_does_not_exist_is_refused_and_leaves_no_account(members):
    with pytest.raises(OperationRefused, match="there is no tenant acme: `foldstack tenant add acme`"):
        members.invite("ann@acme.example", "acme", "buyer")
    members.add_tenant("acme")
    assert members.role("ann@acme.example") is None
    with pytest.raises(InvalidValue, match="role: is one of admin, buyer, viewer; got 'boss'"):
        members.admit_machine("robot", "acme", "boss")
    with pytest.raises(OperationRefused, match="no machine is called toaster; there are robot"):
        members.admit_machine("toaster", "acme", "viewer")


def test_a_machine_is_admitted_suspended_and_removed(members, stored):
    members.add_tenant("acme")
    members.admit_machine("robot", "acme", "viewer")
    members.set_machine("robot", SUSPENDED)
    assert stored("robots-id", machine=True) == {"tenant": "acme", "role": "viewer", "status": "suspended"}
    members.admit_machine("robot", "acme", "buyer")
    assert stored("robots-id", machine=True) == {"tenant": "acme", "role": "buyer", "status": "active"}
    members.remove_machine("robot")
    assert stored("robots-id", machine=True) is None
