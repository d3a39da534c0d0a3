import pytest
from foldstack import InvalidValue, Tenant
from foldstack.kernel.idempotency import command_id, request_hash
from foldstack.kernel.keys import StreamId, check_id
from hypothesis import given
from hypothesis import strategies as st

tenants = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
categories = st.from_regex(r"[a-z][a-z0-9-]{3,31}", fullmatch=True)
ids = st.from_regex(r"[A-Za-z0-9._~-]{1,128}", fullmatch=True)


@given(tenants, categories, ids)
def test_a_key_is_split_as_it_was_built(tenant, category, id):
    stream = StreamId.of(Tenant(tenant), category, id)
    assert StreamId.parse(stream.key) == stream
    assert stream.key == f"{tenant}#{stream.path}"


@given(st.tuples(tenants, categories, ids), st.tuples(tenants, categories, ids))
def test_two_streams_never_share_a_key(one, two):
    keys = {StreamId(Tenant(tenant), category, id).key for tenant, category, id in (one, two)}
    assert len(keys) == (1 if one == two else 2)


@pytest.mark.parametrize("tenant", ["", "-a", "A", "a_b", "a#b", "a/b", "ä", "a\n", "a" * 64, "a b", "a\x00"])
def test_tenants_outside_the_grammar(tenant):
    with pytest.raises(InvalidValue, match="x-tenant-id: 1 to 63"):
        Tenant(tenant, "x-tenant-id")


@pytest.mark.parametrize("id", ["", "a#b", "a/b", "a b", "é", "a\n", "x" * 129, "a%23b", "a@1"])
def test_ids_outside_the_grammar(id):
    with pytest.raises(InvalidValue, match="productId: 1 to 128"):
        check_id(id, "productId")


@pytest.mark.parametrize("key", ["", "acme", "acme#shelf", "acme#shelf#", "acme#cmd#x", "acme#shelf#x#y", "A#shelf#x"])
def test_what_is_no_key(key):
    with pytest.raises(InvalidValue):
        StreamId.parse(key)


parts = st.lists(st.text(max_size=8), min_size=1, max_size=4)


@given(parts, parts)
def test_command_ids_differ_where_any_part_does(one, two):
    assert (command_id(*one) == command_id(*two)) == (one == two)


@given(parts)
def test_a_command_id_is_an_id_and_stable(one):
    assert len(check_id(command_id(*one), "id")) == 22
    assert command_id(*one) == command_id(*one)


def test_parts_do_not_flow_into_each_other():
    made = {
        command_id("ab", "c"),
        command_id("a", "bc"),
        command_id("abc"),
        command_id("ab\x1f1:c"),
        command_id("", "abc"),
    }
    assert len(made) == 5


def test_tenants_get_other_ids_for_the_same_key():
    assert command_id("acme", "me", "POST /x", "key") != command_id("umbrella", "me", "POST /x", "key")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value):
    """The same JSON, its keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(json)
def test_a_request_hash_does_not_see_the_order_of_keys(body):
    assert request_hash("POST", "/x", {"a": "1", "b": "2"}, body) == request_hash(
        "POST", "/x", {"b": "2", "a": "1"}, shuffled(body)
    )


@given(json, json)
def test_a_request_hash_sees_every_other_difference(one, two):
    from foldstack.kernel.idempotency import _sorted
    from pydantic_core import to_json

    same = to_json(_sorted(one)) == to_json(_sorted(two))
    assert (request_hash("POST", "/x", {}, one) == request_hash("POST", "/x", {}, two)) == same


def test_a_request_hash_sees_method_route_and_path():
    hashes = {
        request_hash("POST", "/x/{id}", {"id": "1"}, {}),
        request_hash("PUT", "/x/{id}", {"id": "1"}, {}),
        request_hash("POST", "/y/{id}", {"id": "1"}, {}),
        request_hash("POST", "/x/{id}", {"id": "2"}, {}),
        request_hash("POST", "/x/{id}", {"id": "1"}, {"a": 1}),
        request_hash("POST", "/x/{id}", {"id": "1"}, {"a": True}),
        request_hash("POST", "/x/{id}", {"id": "1"}, {"a": "1"}),
        request_hash("POST", "/x/{id}", {"id": "1"}, [1, 2]),
        request_hash("POST", "/x/{id}", {"id": "1"}, [2, 1]),
    }
    assert len(hashes) == 9
