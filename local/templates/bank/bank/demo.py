"""A walk through, by `make demo`: two tenants with accounts of the same name, which are not the same."""


def run(call, settle) -> None:
    """`call(tenant, method, path, body=None, headers=None, role=None)` sends one request; `settle()` waits for views."""
    for tenant, amount in (("north", 100), ("south", 7)):
        assert call(tenant, "POST", "/accounts", {"accountId": "till", "owner": f"{tenant} branch"}).status == 201
        assert call(tenant, "POST", "/accounts/till/deposits", {"amount": amount}).status == 204
        assert call(tenant, "POST", "/accounts/till/withdrawals", {"amount": 8}, None, "teller").status in (204, 409)
    settle()
    assert call("north", "GET", "/accounts/till").json["balance"] == 92
    assert call("south", "GET", "/accounts/till").json["balance"] == 7
    assert call("south", "POST", "/accounts/till/deposits", {"amount": 1}, None, "auditor").status == 403
    assert len(call("north", "GET", "/accounts").json["items"]) == 1
