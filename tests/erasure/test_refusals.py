"""What `foldstack erase` refuses before it asks anybody."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.commands import app
from tests.package.support import ROOT


@pytest.fixture
def run(tmp_path: Path):
    def run(domain: str, *arguments: str, **variables: str) -> str:
        outputs = tmp_path / "outputs.json"
        told = {"FOLDSTACK_DOMAIN": domain, "FOLDSTACK_SERVICE": "any", **variables}
        outputs.write_text(json.dumps({"operated": {"service": {"variables": told}, "pipelines": []}}))
        options = ["--program", str(ROOT), "--outputs", str(outputs)]
        done = CliRunner().invoke(app, ["erase", *arguments, *options], catch_exceptions=False)
        assert done.exit_code != 0
        return " ".join(done.output.split())

    return run


@pytest.mark.parametrize(("domain", "name"), [("shop:service", "shop"), ("tests.erasure.domain:service", "customers")])
def test_a_service_without_keys_has_nobody_to_erase(run, domain, name):
    said = run(domain, "c1", "--tenant", "acme", "--why", "asked")
    assert f"{name} keeps no keys of persons" in said
    assert "`personal: True`" in said


def test_it_asks_why(run):
    assert "Missing option '--why'" in run("shop:service", "c1", "--tenant", "acme")
    assert "say it" in run("shop:service", "c1", "--tenant", "acme", "--why", " ")


def test_a_tenant_keeps_its_grammar(run):
    assert "tenant: 1 to 63 of a-z" in run("shop:service", "c1", "--tenant", "Acme", "--why", "asked")
