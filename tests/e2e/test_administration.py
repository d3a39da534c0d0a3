"""The commands for tenants, users and tokens, and what the README has people type."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.commands import app
from tests.docs.blocks import read
from tests.docs.shell import lines
from tests.e2e.conftest import ROOT, Client
from tests.e2e.sessions import claims

Run = Callable[..., str]


def call(client: Client, token: str, method: str = "GET", path: str = "/products") -> int:
    return Client(client.url, None).send(method, path, headers={"authorization": f"Bearer {token}"}).status


def test_a_token_is_alone_on_the_last_line(run, client):
    """The tenant is new, and so is the user."""
    printed = run("local", "token", "--tenant", client.tenant, "--user", "ann", "--role", "viewer")
    token = printed.splitlines()[-1]
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token)
    assert {"tenant": client.tenant, "role": "viewer", "token_use": "access"}.items() <= claims(token).items()
    assert call(client, token) == 200
    assert call(client, token, "DELETE", "/products/a") == 403
    named = run("local", "token", "--tenant", client.tenant, "--user", f"bob@{client.tenant}.example").splitlines()[-1]
    assert claims(named)["role"] == "admin", "the domain's first"
    again = run("local", "token", "--tenant", client.tenant, "--user", "bob", "--role", "buyer").splitlines()[-1]
    assert (claims(again)["sub"], claims(again)["role"]) == (claims(named)["sub"], "buyer")
    kept = run("local", "token", "--tenant", client.tenant, "--user", "bob").splitlines()[-1]
    assert claims(kept)["role"] == "buyer", "its own"


def test_a_token_that_is_refused_says_so(run, client):
    token = ("local", "token", "--tenant", client.tenant, "--user", "ann")
    run(*token)
    run("tenant", "suspend", client.tenant)
    assert "PreTokenGeneration failed with error this account has no access." in run(*token, status=1)
    run("tenant", "resume", client.tenant)
    run(*token)
    assert "role: is one of admin, buyer, viewer; got 'owner'" in run(*token, "--role", "owner", status=1)
    assert "tenant: 1 to 63 of" in run("local", "token", "--tenant", "A b", "--user", "ann", status=1)


def test_a_tenant_and_its_user_from_the_first_day_to_the_last(run, client, tokens):
    tenant, email = client.tenant, f"ann@{client.tenant}.example"
    assert "is added" in run("tenant", "add", tenant)
    assert "was there already" in run("tenant", "add", tenant)
    assert f"{tenant} active" in run("tenant", "list").splitlines()
    run("user", "invite", email, "--tenant", tenant, "--role", "viewer")
    assert claims(tokens.of(tenant, email)["access_token"])["role"] == "viewer"
    run("user", "role", email, "buyer")
    run("user", "suspend", email)
    assert "no access" in run("local", "token", "--tenant", tenant, "--user", email, status=1)
    run("user", "resume", email)
    token = run("local", "token", "--tenant", tenant, "--user", email).splitlines()[-1]
    assert claims(token)["role"] == "buyer"
    run("user", "remove", email)
    assert f"there is no user {email}" in run("user", "remove", email, status=1)
    run("tenant", "suspend", tenant)
    assert f"{tenant} suspended" in run("tenant", "list").splitlines()


def test_a_machine_from_the_first_day_to_the_last(run, client):
    run("tenant", "add", client.tenant)
    machine = ("machine", "admit", "warehouse", "--tenant", client.tenant, "--role")
    run(*machine, "viewer")
    run("machine", "suspend", "warehouse")
    run(*machine, "buyer")
    run("machine", "remove", "warehouse")
    assert "belongs to no tenant" in run("machine", "suspend", "warehouse", status=1)


def test_a_stack_without_auth_is_told_what_to_export(tmp_path):
    operated = {"service": {"variables": {"FOLDSTACK_DOMAIN": "shop:service"}}, "pipelines": []}
    (tmp_path / "outputs.json").write_text(json.dumps({"operated": operated}))
    done = CliRunner().invoke(app, ["tenant", "list", "--outputs", str(tmp_path / "outputs.json")])
    assert done.exit_code == 1
    assert '"auth": AUTH.operated' in done.output.replace("\n", " ")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's examples are for curl")
def test_the_readmes_requests_work_as_they_are_written(program, cloud, client):
    (block,) = [each for each in read("README.md") if "foldstack local token" in each.text]
    for each in (".venv", "shop"):
        (program / each).symlink_to(ROOT / each)
    commands = list(lines(block.text))
    assert [each.split("=")[0] for each in commands[:2]] == ["API", "TOKEN"]
    known = dict(os.environ)
    for name, line in zip(("API", "TOKEN"), commands, strict=False):
        line = line.replace("--tenant acme", f"--tenant {client.tenant}")
        known[name] = bash(f"{line}\necho ${name}", program, known).strip()
    assert known["API"] == cloud.outputs["apiUrl"]
    answers = []
    for command in commands[2:]:
        cloud.wait_idle()  # a person types slower than views follow
        held = answers[-1].get("reservationId", "") if answers else ""
        answers.append(json.loads(bash(command.replace("PASTE IT HERE", held), program, known)))
    assert [sorted(each)[0] for each in answers[:3]] == ["available", "expiresAt", "amount"]
    assert answers[2]["status"] == "paid"
    assert answers[3]["productId"] == "pen"


def bash(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
