"""The pre-token-generation trigger, given Cognito's events of version V3_0."""

import importlib
import sys

import pytest

from tests.consumers.functions import Context

pytestmark = pytest.mark.emulator

SCOPE = "people/api"


@pytest.fixture
def trigger(monkeypatch, auth, emulator):
    from foldstack.aws import clients

    monkeypatch.setenv("FOLDSTACK_TENANTS_TABLE", auth.tenants_table)
    monkeypatch.setenv("FOLDSTACK_API_SCOPE", SCOPE)
    monkeypatch.setattr(clients, "client", lambda service: emulator.client(service))
    sys.modules.pop("foldstack.handlers.claims", None)
    return importlib.import_module("foldstack.handlers.claims")


@pytest.fixture
def subject(members):
    members.add_tenant("acme")
    return members.invite("ann@acme.example", "acme", "buyer", send=False)


def event(subject, source="TokenGeneration_Authentication", client="browser", **attributes):
    """As the developer guide has it; what a user can set is in there as well."""
    return {
        "version": "3",
        "triggerSource": source,
        "region": "us-east-1",
        "userPoolId": "us-east-1_pool",
        "userName": subject,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client},
        "request": {
            "userAttributes": {"sub": subject, "email_verified": "true", **attributes},
            "groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None},
            "scopes": ["aws.cognito.signin.user.admin"],
            "clientMetadata": {"tenant": "other", "role": "admin"},
        },
        "response": {"claimsAndScopeOverrideDetails": None},
    }


def machine_event(client="robots-id"):
    made = event("", "TokenGeneration_ClientCredentials", client)
    return {**made, "userName": "ClientCredentials", "request": {**made["request"], "userAttributes": {}}}


def access(answer):
    details = answer["response"]["claimsAndScopeOverrideDetails"]
    assert details.keys() == {"accessTokenGeneration"}
    return details["accessTokenGeneration"]


@pytest.mark.parametrize(
    "source", ["HostedAuth", "Authentication", "NewPasswordChallenge", "AuthenticateDevice", "RefreshTokens"]
)
def test_claims_come_from_the_table_and_not_from_what_a_user_can_set(trigger, subject, source):
    asked = event(
        subject, f"TokenGeneration_{source}", **{"custom:tenant": "other", "tenant": "other", "role": "admin"}
    )
    given = access(trigger.handler(asked, Context()))
    assert given == {"claimsToAddOrOverride": {"tenant": "acme", "role": "buyer"}, "scopesToAdd": [SCOPE]}


def test_a_machine_has_claims_by_its_client_and_the_scopes_it_was_granted(trigger, members):
    members.add_tenant("acme")
    members.admit_machine("robot", "acme", "viewer")
    given = access(trigger.handler(machine_event(), Context()))
    assert given == {"claimsToAddOrOverride": {"tenant": "acme", "role": "viewer"}}


def test_a_changed_role_is_in_the_next_token(trigger, members, subject):
    members.set_role("ann@acme.example", "viewer")
    given = access(trigger.handler(event(subject, "TokenGeneration_RefreshTokens"), Context()))
    assert given["claimsToAddOrOverride"]["role"] == "viewer"


def test_whoever_is_unknown_or_suspended_gets_no_token_always_in_the_same_words(
    trigger, members, subject, dynamodb, auth
):
    def put(p, s, **fields):
        item = {"p": p, "s": s, **fields}
        dynamodb.put_item(TableName=auth.tenants_table, Item={name: {"S": value} for name, value in item.items()})

    refused = []

    def refuse(asked):
        with pytest.raises(trigger.NoAccess) as error:
            trigger.handler(asked, Context())
        refused.append(str(error.value))
        assert asked["response"] == {"claimsAndScopeOverrideDetails": None}

    refuse(event("nobody"))
    refuse(event(""))
    refuse(machine_event("nobody"))
    # A user's id is none of a machine's, nor the other way round.
    refuse(machine_event(subject))
    refuse(event("robots-id"))
    refuse(event(subject, "TokenGeneration_SomethingNew"))
    members.set_user("ann@acme.example", "suspended")
    refuse(event(subject))
    members.set_user("ann@acme.example", "active")
    members.set_tenant("acme", "suspended")
    refuse(event(subject))
    for tenant in ("gone", "", "Acme", "a#b"):
        put(f"tenant#{tenant}", "other" if tenant == "gone" else "tenant", status="active")
        put(f"user#{subject}", "membership", tenant=tenant, role="buyer", status="active")
        refuse(event(subject))
    put("tenant#acme", "tenant", status="active")
    put(f"user#{subject}", "membership", tenant="acme", status="active")
    refuse(event(subject))
    assert set(refused) == {"this account has no access"}


def test_what_the_table_does_not_answer_is_no_refusal(trigger, monkeypatch, subject):
    """Cognito asks again; a sign-in is refused in the end, and the log says why."""
    from foldstack.kernel.errors import StoreTimeout

    def lost(*_, **__):
        raise StoreTimeout("no answer")

    monkeypatch.setattr("foldstack.aws.tenants.ask", lost)
    with pytest.raises(StoreTimeout):
        trigger.handler(event(subject), Context())
