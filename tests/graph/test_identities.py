"""The ledger of what holds data: a resource that goes without an alias would be an empty one in its place."""

import pulumi
import pulumi_aws as aws
import pytest

from local.ledger import LedgerError, check, identities, ledger_of, write
from local.program import deploy
from tests.graph.support import ROOT, shop

TABLE = "aws:dynamodb/table:Table"


class Shelf(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("tests:index:Shelf", name, None, opts)
        keys = {"hash_key": "p", "attributes": [{"name": "p", "type": "S"}]}
        aws.dynamodb.Table(f"{name}-books", **keys, opts=pulumi.ResourceOptions(parent=self))
        aws.sqs.Queue(f"{name}-letters", opts=pulumi.ResourceOptions(parent=self))


def resources(*names, opts=None):
    return deploy(lambda: [Shelf(name, opts) for name in names] and None).resources


@pytest.fixture
def ledger(tmp_path):
    path = ledger_of(tmp_path, "dev")
    write(resources("poetry"), path)
    return path


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_shops_data_is_where_it_was(stack):
    """Mended by an alias, never by taking a line out, unless its data may go: see docs/preview.md."""
    check(shop(stack).resources, ledger_of(ROOT, stack))


def test_a_line_is_what_holds_data_and_nothing_of_the_stack(ledger):
    assert ledger.read_text() == f"tests:index:Shelf${TABLE}::poetry-books\n"
    check(resources("poetry"), ledger)


def test_a_rename_is_refused_and_says_what_to_do(ledger):
    with pytest.raises(LedgerError) as refused:
        check(resources("prose"), ledger)
    assert f"tests:index:Shelf${TABLE}::poetry-books" in str(refused.value)
    assert "under the new name: prose-books" in str(refused.value)
    assert "pulumi.Alias" in str(refused.value)


def test_a_rename_with_an_alias_is_none(ledger):
    renamed = resources("prose", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="poetry")]))
    write(renamed, ledger)
    check(renamed, ledger)
    assert len(ledger.read_text().split()) == 2, "what it was is not forgotten while the alias is there"
    with pytest.raises(LedgerError, match="poetry-books"):
        check(resources("prose"), ledger)


def test_what_is_new_is_written_down(ledger):
    with pytest.raises(LedgerError, match="foldstack identities --write"):
        check(resources("poetry", "prose"), ledger)
    write(resources("poetry", "prose"), ledger)
    check(resources("poetry", "prose"), ledger)


def test_writing_takes_nothing_out(ledger):
    write(resources("prose"), ledger)
    with pytest.raises(LedgerError, match="poetry-books"):
        check(resources("prose"), ledger)
    assert identities(resources("prose")) == [f"tests:index:Shelf${TABLE}::prose-books"]
