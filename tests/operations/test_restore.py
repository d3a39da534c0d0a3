"""The epoch in a stack's file, and where it goes from there."""

from pathlib import Path

import pytest
import yaml

from local.operations.restore import raise_epoch
from local.stack_files import StackFileError
from tests.graph.support import FUNCTION, ROOT, shop

PROJECT = "name: shop\nruntime: python\nconfig:\n  storeEpoch: {type: integer, default: 1}\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    return tmp_path


def stack(program: Path, text: str) -> Path:
    file = program / "Pulumi.dev.yaml"
    file.write_text(text)
    return file


def test_it_is_added_and_all_else_left_as_it_is(program):
    text = "# ours\nconfig:\n  # where\n  aws:region: eu-central-1\n  shop:key:\n    secure: AAAB\n"
    file = stack(program, text)
    assert raise_epoch(program, "dev", 2) == "Pulumi.dev.yaml: shop:storeEpoch is 2, it was 1"
    assert file.read_text() == text.replace("config:\n", "config:\n  shop:storeEpoch: 2\n")
    assert yaml.safe_load(file.read_text())["config"]["shop:storeEpoch"] == 2


@pytest.mark.parametrize("written", ["shop:storeEpoch: 2", "'shop:storeEpoch': 2  # twice", 'shop:storeEpoch: "2"'])
def test_it_is_raised_in_place(program, written):
    file = stack(program, f"config:\n  aws:region: x\n  {written}\n  shop:a: b\n")
    raise_epoch(program, "dev", 5)
    config = yaml.safe_load(file.read_text())["config"]
    assert config == {"aws:region": "x", "shop:storeEpoch": 5, "shop:a": "b"}


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_epoch_is_never_used_again(program, epoch):
    file = stack(program, "config:\n  shop:storeEpoch: 3\n")
    with pytest.raises(StackFileError, match="the epoch of dev is 3"):
        raise_epoch(program, "dev", epoch)
    assert "storeEpoch: 3" in file.read_text()


def test_what_is_missing_is_named(program, tmp_path):
    with pytest.raises(StackFileError, match=r"Pulumi\.dev\.yaml does not exist"):
        raise_epoch(program, "dev", 2)
    stack(program, "config: {a: b}\n")
    with pytest.raises(StackFileError, match="add shop:storeEpoch: 2"):
        raise_epoch(program, "dev", 2)
    (program / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    with pytest.raises(StackFileError, match="declares no storeEpoch"):
        raise_epoch(program, "dev", 2)


def test_every_function_of_the_shop_is_told():
    told = {
        each.inputs["environment"]["variables"]["FOLDSTACK_STORE_EPOCH"]
        for each in shop("dev", storeEpoch=4).of(FUNCTION)
    }
    assert told == {"4"}
    assert yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["storeEpoch"]["default"] == 1
    assert shop("dev", storeEpoch=4).exports["operated"]["service"]["variables"]["FOLDSTACK_STORE_EPOCH"] == "4"
