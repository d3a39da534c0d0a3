"""The infrastructure, from the program alone: see it with `foldstack preview`."""

from functools import cache
from pathlib import Path

import pytest
from foldstack.local.ledger import check, ledger_of
from foldstack.local.preview.contract_files import check as check_contracts
from foldstack.local.preview.contract_files import made
from foldstack.local.program import deploy
from foldstack.local.stack_files import read_stack_files
from foldstack.policies import violations

ROOT = Path(__file__).resolve().parents[1]
STACKS = ["dev", "staging", "prod"]


@cache
def graph(stack):
    return deploy(ROOT, stack=stack)


@pytest.mark.parametrize("stack", STACKS)
def test_it_keeps_to_the_rules(stack):
    assert violations(graph(stack).resources) == []


@pytest.mark.parametrize("stack", STACKS)
def test_data_stays_where_it_is(stack):
    check(graph(stack).resources, ledger_of(ROOT, stack))


def test_contracts_are_what_the_models_say():
    """After a change: `foldstack contracts --write`; `foldstack preview` says what it means to others."""
    files = read_stack_files(ROOT, "dev")
    check_contracts(ROOT, made(files, graph("dev").resources))


def test_outputs_are_what_others_refer_to():
    assert graph("prod").exports.keys() == {"apiUrl", "eventTable", "viewTables", "operated"}
