import pytest
from foldstack import EVERYTHING, Api, DefinitionError, Roles


def test_a_role_has_its_permissions_and_no_others():
    roles = Roles(admin=EVERYTHING, buyer=("read", "purchase"), guest=(), clerk="read")
    assert roles.names == ("admin", "buyer", "guest", "clerk")
    assert [role for role in roles.names if roles.allow(role, "purchase")] == ["admin", "buyer"]
    assert roles.having("read") == ("admin", "buyer", "clerk")
    assert roles.having("something-new") == ("admin",)
    assert not roles.allow("stranger", "read")
    assert not roles.allow("", "read")
    assert not roles.allow("buyer", EVERYTHING)


@pytest.mark.parametrize("name", ["Read", "", "a b", "1st", "x" * 33, "a_b"])
def test_names_keep_the_grammar(name):
    with pytest.raises(DefinitionError, match="is no name"):
        Roles(buyer=(name,))
    with pytest.raises(DefinitionError, match="is no name"):
        Roles(**{name: ("read",)})
    with pytest.raises(DefinitionError, match="names no permission" if not name else "is no permission"):
        Api(Roles(buyer=("read",))).get("/things", permission=name)(lambda request: None)


def test_a_route_without_a_permission_does_not_load_where_there_are_roles():
    api = Api(Roles(admin=EVERYTHING))
    with pytest.raises(DefinitionError, match="GET /things names no permission, so nobody may call it"):
        api.get("/things")(lambda request: None)
    assert api.routes == []


def test_a_permission_that_nobody_could_have_does_not_load():
    with pytest.raises(DefinitionError, match="GET /things asks for 'read', and no role has it"):
        Api().get("/things", permission="read")(lambda request: None)
