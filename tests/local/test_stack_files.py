"""Configuration of a stack: types, defaults, and what is refused with a word on how to mend it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack_files import STAND_IN_URL, StackFileError, StackFiles, read_stack_files

BLOCK = {
    "minutes": {"type": "integer", "default": 15},
    "anonymous": {"type": "boolean", "default": False},
    "url": {"type": "string"},
    "names": {"type": "array", "items": {"type": "string"}, "default": ["a"]},
    "key": {"type": "string", "secret": True, "default": ""},
    "pulumi:autonaming": {"value": {"pattern": "${project}-${stack}-${name}-${hex(6)}"}},
}
URL = {"shop:url": "http://x"}


def read(folder: Path, given: dict[str, Any], overrides: dict[str, Any] | None = None, **project: Any) -> StackFiles:
    (folder / "Pulumi.yaml").write_text(
        yaml.safe_dump({"name": "shop", "runtime": "python", "config": BLOCK, **project})
    )
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": given}))
    return read_stack_files(folder, "local", overrides)


def test_values_are_text_as_the_sdk_reads_them(tmp_path: Path) -> None:
    files = read(tmp_path, {**URL, "anonymous": True, "shop:minutes": "20"})
    assert files.config == {
        "shop:minutes": "20",
        "shop:anonymous": "true",
        "shop:url": "http://x",
        "shop:names": '["a"]',
        "shop:key": "",
        "pulumi:autonaming": '{"pattern": "${project}-${stack}-${name}-${hex(6)}"}',
    }
    assert files.secret_keys == {"shop:key"}
    assert (files.project, files.stack, files.region, files.default_tags) == ("shop", "local", "us-east-1", {})


def test_overrides_go_over_the_file_and_are_typed_alike(tmp_path: Path) -> None:
    assert read(tmp_path, URL, {"minutes": 3}).config["shop:minutes"] == "3"
    with pytest.raises(StackFileError, match="shop:minutes must be of type integer; it is 'soon'"):
        read(tmp_path, URL, {"minutes": "soon"})
    with pytest.raises(StackFileError, match="unknown key shop:minuts"):
        read(tmp_path, URL, {"minuts": 3})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**URL, "shop:minutes": "soon"}, "shop:minutes must be of type integer; it is 'soon'"),
        ({**URL, "shop:minutes": True}, "shop:minutes must be of type integer; it is True"),
        ({**URL, "shop:anonymous": "yes"}, "shop:anonymous must be of type boolean; it is 'yes'"),
        ({"shop:url": 3}, "shop:url must be of type string; it is 3"),
        ({**URL, "shop:names": ["a", 1]}, "shop:names must be of type array"),
        ({}, r"no value for shop:url, and Pulumi.yaml gives no default"),
        ({**URL, "shop:minuts": 3}, "unknown key shop:minuts; known in shop: anonymous, key, minutes, names, url"),
        ({**URL, "foldstack:standins": {}}, "unknown key foldstack:standins; known in foldstack: demo, standIns"),
        ({**URL, "aws:profile": "me"}, "unknown key aws:profile"),
        ({**URL, "gcp:zone": "b"}, "gcp:zone is in no namespace known here"),
        ({**URL, "shop:key": {"secure": "AAAB"}}, r"shop:key is encrypted \(`secure:`\).* Put a plain value"),
        ({**URL, "shop:names": [{"secure": "AAAB"}]}, "shop:names is encrypted"),
        ({**URL, "pulumi:autonaming": {"mode": "verbatim"}}, "pulumi:autonaming is not supported"),
        ({**URL, "foldstack:standIns": {"adress": "m"}}, "standIns names adress, which Pulumi.yaml does not declare"),
        ({**URL, "foldstack:standIns": ["m"]}, "standIns must map configuration keys to Python modules"),
    ],
)
def test_faults_name_file_and_key(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    with pytest.raises(StackFileError, match=message) as raised:
        read(tmp_path, config)
    assert str(tmp_path / "Pulumi.local.yaml") in str(raised.value)


def test_faults_of_the_project_file(tmp_path: Path) -> None:
    with pytest.raises(StackFileError, match="does not exist: run in a Pulumi project's directory"):
        read_stack_files(tmp_path, "local")
    with pytest.raises(StackFileError, match="runtime is 'nodejs'"):
        read(tmp_path, URL, runtime={"name": "nodejs"})
    with pytest.raises(StackFileError, match="has type 'int'; allowed are string, integer"):
        read(tmp_path, URL, config={"minutes": {"type": "int"}})
    with pytest.raises(StackFileError, match="minutes must be of type integer; it is 'x'"):
        read(tmp_path, URL, config={"minutes": {"type": "integer", "default": "x"}})
    read(tmp_path, URL)
    with pytest.raises(StackFileError, match="stacks of this project are: local"):
        read_stack_files(tmp_path, "dev")
    (tmp_path / "Pulumi.local.yaml").write_text("config: [")
    with pytest.raises(StackFileError, match="is not YAML"):
        read_stack_files(tmp_path, "local")


def test_the_laptops_own_keys_are_not_the_programs(tmp_path: Path) -> None:
    files = read(tmp_path, {"foldstack:standIns": {"url": "shop.stand_in"}, "foldstack:demo": "shop.demo"})
    assert files.stand_ins == {"shop:url": "shop.stand_in"}
    assert files.demo == "shop.demo"
    assert files.config["shop:url"] == STAND_IN_URL
    assert not [key for key in files.config if key.startswith("foldstack:")]


def test_region_tags_and_main(tmp_path: Path) -> None:
    config = {**URL, "aws:region": "eu-central-1", "aws:defaultTags": {"tags": {"team": "shop"}}}
    files = read(tmp_path, config, main="infrastructure")
    assert files.region == "eu-central-1"
    assert files.default_tags == {"team": "shop"}
    assert files.main == tmp_path / "infrastructure"
