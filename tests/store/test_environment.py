"""What a function is told: its variables, and the address of its domain."""

import pytest
from foldstack import Service
from foldstack.aws import domain
from foldstack.aws.environment import Environment
from foldstack.kernel.errors import ConfigurationError, DefinitionError

from .domain import shelf

service = Service("shelves", aggregates=[shelf])
not_a_service = 5


def test_every_variable_has_a_property():
    read = Environment.read(
        {
            "FOLDSTACK_DOMAIN": "shop:service",
            "FOLDSTACK_SERVICE": "shop",
            "FOLDSTACK_COMMIT_TABLE": "commits",
            "FOLDSTACK_ID_TABLE": "ids",
            "FOLDSTACK_BODIES_BUCKET": "bodies",
            "FOLDSTACK_STORE_EPOCH": "3",
            "FOLDSTACK_VIEW_TABLES": '{"products": "t1"}',
            "FOLDSTACK_ROAD": "arn:bus",
            "FOLDSTACK_EFFECTS_QUEUE": "https://effects",
            "FOLDSTACK_EFFECT_TYPES": "Paid,Sent",
            "FOLDSTACK_PARKED_QUEUE": "https://queue",
            "FOLDSTACK_ROUTES": "queries",
            "FOLDSTACK_ANONYMOUS": "true",
            "FOLDSTACK_INLINE_SECONDS": "2.5",
            "FOLDSTACK_SECRETS": '{"key": "arn"}',
            "OWN": "x",
        }
    )
    assert (read.domain, read.service, read.commit_table, read.id_table) == ("shop:service", "shop", "commits", "ids")
    assert (read.bodies_bucket, read.road, read.parked_queue) == ("bodies", "arn:bus", "https://queue")
    assert (read.effects_queue, read.effect_types) == ("https://effects", {"Paid", "Sent"})
    assert (read.store_epoch, read.routes, read.anonymous, read.inline_seconds) == (3, "queries", True, 2.5)
    assert (read.view_tables, read.secrets) == ({"products": "t1"}, {"key": "arn"})
    assert read.variables["OWN"] == "x"


def test_defaults():
    read = Environment.read({})
    assert (read.store_epoch, read.routes, read.anonymous, read.inline_seconds) == (1, "all", False, 5)
    assert read.secrets == {}
    assert (read.effects_queue, read.effect_types) == ("", set())


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("domain", "FOLDSTACK_DOMAIN"),
        ("commit_table", "FOLDSTACK_COMMIT_TABLE"),
        ("road", "FOLDSTACK_ROAD"),
        ("view_tables", "FOLDSTACK_VIEW_TABLES"),
    ],
)
def test_a_missing_variable_is_named(name, variable):
    for variables in ({}, {variable: ""}):
        with pytest.raises(ConfigurationError, match=f"{variable} is not set"):
            getattr(Environment(variables), name)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FOLDSTACK_STORE_EPOCH", "0"),
        ("FOLDSTACK_STORE_EPOCH", "1.5"),
        ("FOLDSTACK_INLINE_SECONDS", "soon"),
        ("FOLDSTACK_INLINE_SECONDS", "nan"),
        ("FOLDSTACK_ROUTES", "some"),
        ("FOLDSTACK_ANONYMOUS", "yes"),
        ("FOLDSTACK_VIEW_TABLES", "[]"),
        ("FOLDSTACK_SECRETS", "{"),
        ("FOLDSTACK_SECRETS", '{"a": 1}'),
    ],
)
def test_a_wrong_value_is_named_when_the_function_starts(variable, value):
    with pytest.raises(ConfigurationError, match=variable):
        Environment.read({variable: value})


def test_anonymous_is_never_on_by_mistake():
    assert Environment.read({"FOLDSTACK_ANONYMOUS": ""}).anonymous is False


# The domain


def test_a_domain_is_loaded_from_its_address():
    assert domain.load(f"{__name__}:service").name == "shelves"


@pytest.mark.parametrize(
    ("address", "teaches"),
    [
        ("shop", "names no domain"),
        ("shop:", "names no domain"),
        (":service", "names no domain"),
        ("no_such_module:service", "no module no_such_module"),
        ("tests.store.no_such:service", "no module tests.store.no_such"),
        (f"{__name__}:missing", "missing is not there; .* has service"),
        (f"{__name__}:not_a_service", "is a int, not a Service"),
    ],
)
def test_a_wrong_address_teaches(address, teaches):
    with pytest.raises(DefinitionError, match=teaches):
        domain.load(address)


def test_an_import_that_fails_inside_the_domain_shows_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_domain.py").write_text("import a_package_that_is_not_bundled\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_bundled"):
        domain.load("broken_domain:service")
