"""The lake's functions fit into Lambda, and pyarrow without what was left out still does what they need."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore
import pytest

from components import bundle, lake_layers
from local.opt_folder import opt_folder
from tests.package.support import ROOT

WRITES = """
import json, sys
sys.path[:0], supplied = sys.argv[1:3], sys.argv[3]
sys.path.append(supplied)
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId
from foldstack.kernel.upcasting import StoredEvent
from foldstack.lake.columnar import read
from foldstack.lake.compaction import Compactor
from foldstack.lake.objects import StoredObject
from foldstack.lake.tables import tables_of
from foldstack.lake.writer import LakeWriter
from shop import service
import foldstack.lake.archive, foldstack.lake.composition

contents = {}
class Bucket:
    put, get = staticmethod(contents.__setitem__), staticmethod(contents.__getitem__)
    def list(self, prefix, after=""):
        return [StoredObject(key, len(content)) for key, content in contents.items() if key.startswith(prefix)]
    def delete(self, keys):
        raise AssertionError("not yet")

tables = {table.name: table for table in tables_of(service)}
data = {"product_id": "p", "name": "Tea", "price": {"amount": "19.99", "currency": "EUR"}, "stock": 1}
for id in "ab":
    stream, stored = StreamId.parse("acme#product#" + id), (StoredEvent("ProductCreated", 1, 1, data),)
    envelope = Envelope(stream, 1, 2, {}, ("ProductCreated",), "2026-11-20T10:00:00+00:00", 1, stored)
    LakeWriter(Bucket.put, service, tables.values(), print).write([envelope])
created = tables["event_product_created"]
done = Compactor(Bucket()).compact(created, created.location("acme", "2026-11-20"))
merged = next(content for key, content in contents.items() if "merged-" in key and key.endswith(".parquet"))
import pyarrow
rows = [str(row["price"]["amount"]) for row in read(merged).to_pylist()]
print(json.dumps([pyarrow.__file__, done.merged, rows]))
"""


@pytest.fixture(scope="module")
def host_opt(tmp_path_factory):
    """What a function of this machine's platform has in /opt, and its own folder."""
    home = tmp_path_factory.mktemp("opt")
    target = bundle.target("host")
    layers = [bundle.layer(target), *lake_layers.layers(target)]
    function = bundle.function(bundle.runtime_sources() | bundle.domain(ROOT, "shop"), target, layers)
    unpacked = []
    for number, archive in enumerate([*layers, function]):
        unpacked.append(home / str(number))
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(unpacked[-1])
    return opt_folder(unpacked[:-1], home), unpacked[-1]


def test_the_writer_and_the_compactor_run_on_what_is_left_of_pyarrow(host_opt, tmp_path):
    opt, task = host_opt
    supplied = Path(botocore.__file__).parents[1]  # boto3 comes from Lambda
    command = [sys.executable, "-I", "-S", "-c", WRITES, str(task), str(opt / "python"), str(supplied)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [f"{opt}/python/pyarrow/__init__.py", 2, ["19.990000000", "19.990000000"]]


@pytest.mark.parametrize("name", ["arm64-python3.13", "x86_64-python3.13"])
def test_the_layers_are_uploadable_and_leave_room(name):
    target = bundle.target(name)
    layers = [bundle.layer(target), *lake_layers.layers(target)]
    assert len(layers) <= 4  # of Lambda's five: one is the user's
    for each in layers:
        assert each.stat().st_size < bundle.ZIP_LIMIT
    total = sum(bundle.stable_zip.unzipped_size(each) for each in layers)
    assert total < bundle.UNZIPPED_LIMIT * 0.6


def test_the_parts_hold_each_file_once_and_nothing_that_writes_no_parquet():
    names: list[str] = []
    for each in lake_layers.layers(bundle.target("arm64-python3.13")):
        with zipfile.ZipFile(each) as opened:
            names += opened.namelist()
    assert len(set(names)) == len(names)
    assert {"python/pyarrow/libarrow.so.2600", "python/pyarrow/libparquet.so.2600"} < set(names)
    unwanted = ("/tests/", "/include/", "/src/", "_flight", "libarrow_s3", "_orc", "_gcsfs", ".pyx", ".pxd")
    assert [name for name in names if any(part in name for part in unwanted)] == []


def test_layers_lie_over_each_other_and_the_later_one_wins(tmp_path):
    for layer, files in {"one": {"a/x": "1", "both": "1"}, "two": {"a/y": "2", "both": "2"}}.items():
        for name, text in files.items():
            (tmp_path / layer / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / layer / name).write_text(text)
    folder = opt_folder([tmp_path / "one", tmp_path / "two"], tmp_path)
    found = {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert found == {"a/x": "1", "a/y": "2", "both": "2"}
    assert (tmp_path / "one" / "both").read_text() == "1"
    assert opt_folder([tmp_path / "one", tmp_path / "two"], tmp_path) == folder
    assert opt_folder([tmp_path / "one"], tmp_path) == tmp_path / "one"
