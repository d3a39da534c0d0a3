"""What is in a sandbox, and what is not."""

from pathlib import Path

import pytest

from local.function_host import FunctionSpec
from local.supplied import link_supplied

from .handlers import ECHO, Make


def test_nothing_of_the_host_environment_is_in_a_sandbox(
    function: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id=USERS\naws_secret_access_key=x\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "users")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "USERS")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    made = function(
        """
        import os, boto3
        def handler(event, context):
            return {"environment": dict(os.environ), "key": boto3.Session().get_credentials().access_key}
        """,
        environment={"OWN": "1", "MINISTACK_LAMBDA_PROXY_URL": "http://127.0.0.1:1/"},
        timeout=20,
    )
    answer = made.answer()
    assert answer["key"].startswith("ASIA")
    environment = answer["environment"]
    assert environment["OWN"] == "1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == made.spec.name
    assert environment["LAMBDA_TASK_ROOT"] == str(made.spec.task_dir)
    expected = {
        "OWN",
        "PATH",
        "LANG",
        "TZ",
        "HOME",
        "TMPDIR",
        "LC_CTYPE",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
    assert {name for name in environment if not name.startswith("AWS_")} <= expected
    assert not {"AWS_PROFILE", "AWS_ACCESS_KEY_ID"} & set(environment)
    assert environment["HOME"] != str(tmp_path)


def test_only_what_lambda_supplies_can_be_imported(function: Make, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    for name, where in (("in_layer", "layer"), ("in_both", "layer"), ("boto3", "")):
        if where:
            (layer / "python").mkdir(parents=True, exist_ok=True)
            (layer / "python" / f"{name}.py").write_text(f"WHERE = {where!r}")
    made = function(
        """
        import importlib
        def handler(names, context):
            found = {}
            for name in names:
                try: module = importlib.import_module(name)
                except ImportError: found[name] = None
                else: found[name] = getattr(module, "WHERE", "supplied")
            return found
        """,
        layer_dirs=[layer],
        timeout=20,
    )
    (made.spec.task_dir / "in_both.py").write_text("WHERE = 'task'")
    environment = ["ministack", "typer", "rich", "pulumi", "pytest", "pydantic", "h11", "local", "foldstack", "yaml"]
    for name in environment:
        if name != "foldstack":
            importlib_finds(name)
    supplied = ["boto3", "botocore", "awslambdaric", "urllib3", "dateutil", "simplejson"]
    answer = made.answer([*environment, *supplied, "in_layer", "in_both"])
    assert {name: answer[name] for name in environment} == dict.fromkeys(environment)
    assert {name: answer[name] for name in supplied} == dict.fromkeys(supplied, "supplied")
    assert (answer["in_layer"], answer["in_both"]) == ("layer", "task")


def importlib_finds(name: str) -> None:
    """The test would prove nothing of a module that this environment does not have either."""
    import importlib.util

    assert importlib.util.find_spec(name) is not None, name


def test_what_is_supplied_is_a_closed_list(tmp_path: Path) -> None:
    folder = link_supplied(tmp_path / "supplied")
    names = {path.name.split("-")[0].split(".")[0] for path in folder.iterdir()}
    assert names == {
        "awslambdaric",
        "boto3",
        "botocore",
        "dateutil",
        "jmespath",
        "python_dateutil",
        "runtime_client",
        "s3transfer",
        "simplejson",
        "six",
        "snapshot_restore_py",
        "urllib3",
    }


def test_byte_code_is_kept_for_the_next_sandbox(function: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    made = function(ECHO)
    assert made.answer(1) == 1
    assert list((made.spec.task_dir / "__pycache__").glob("app.*.pyc"))


def test_an_environment_that_aws_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sets AWS_REGION, which AWS Lambda reserves"):
        FunctionSpec("f", "arn", "app.handler", tmp_path, [], {"AWS_REGION": "eu-west-1"}, "role")
