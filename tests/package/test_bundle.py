"""What is in a bundle, and that nothing but its input decides its bytes."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from components import bundle
from tests.package.support import ROOT, build, copy_tree, python_of

ARM64, X86_64 = 0xB7, 0x3E  # e_machine of an ELF file
UPLOAD = "arm64-python3.13"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


@pytest.fixture(scope="module")
def upload_layer(tmp_path_factory):
    cache = tmp_path_factory.mktemp("upload")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        return bundle.layer(bundle.target(UPLOAD))


def messy_copy(into: Path) -> Path:
    """The tree as another machine may hold it: other times and modes, and what editors and runs leave behind."""
    tree = copy_tree(into)
    for file in sorted((tree / "runtime").rglob("*.py"), reverse=True):
        file.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IXUSR)
        os.utime(file, (1_000_000_000, 1_000_000_000))
    for folder in (tree / "runtime/foldstack", tree / "runtime/foldstack/kernel", tree / "shop"):
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "left.cpython-311.pyc").write_bytes(b"left")
        (folder / ".DS_Store").write_bytes(b"left")
    return tree


def test_two_folders_give_the_same_bytes(tmp_path):
    targets = [(UPLOAD, False), ("host", False), ("host", True)]
    one = build(copy_tree(tmp_path / "one"), tmp_path / "cache-one", targets)
    two = build(messy_copy(tmp_path / "two" / "deeper"), tmp_path / "cache-two", targets)
    assert len(one) == 6
    assert [sha256(path) for path in one] == [sha256(path) for path in two]
    assert [path.name for path in one] == [path.name for path in two]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_another_python_gives_the_same_bytes(version, tmp_path, upload_layer):
    python = python_of(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    built = build(ROOT, tmp_path / "other", [(UPLOAD, False)], python)
    target = bundle.target(UPLOAD)
    here = bundle.function(bundle.runtime_sources() | bundle.domain(ROOT, "shop"), target)
    assert [sha256(path) for path in built] == [sha256(upload_layer), sha256(here)]


def test_the_upload_layer_is_of_its_platform(upload_layer):
    with zipfile.ZipFile(upload_layer) as archive:
        libraries = {name: archive.read(name) for name in archive.namelist() if name.endswith(".so")}
    assert any("pydantic_core" in name for name in libraries)
    for name, content in libraries.items():
        assert ".cpython-313-aarch64-linux-gnu." in name
        assert int.from_bytes(content[18:20], "little") == ARM64
    assert upload_layer.stat().st_size < 32 * 1024**2  # of which SQLAlchemy is 19


def test_the_layer_holds_no_trace_of_its_installation(upload_layer):
    listed = names(upload_layer)
    assert listed == sorted(listed)
    assert {name.split("/")[0] for name in listed} == {"python"}
    assert "python/pydantic/__init__.py" in listed
    assert "python/aws_lambda_powertools/__init__.py" in listed
    assert "python/pydantic-" in "".join(name for name in listed if name.endswith("METADATA"))
    for name in listed:
        assert Path(name).name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", ".lock"}
        assert not name.endswith(".pyc")
        assert not name.startswith(("python/bin/", "python/boto"))


def test_the_zips_say_nothing_of_machine_or_day(upload_layer):
    function = bundle.function(bundle.runtime_sources(), bundle.target(UPLOAD))
    for path in (upload_layer, function):
        with zipfile.ZipFile(path) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert {entry.external_attr >> 16 for entry in archive.infolist()} == {stat.S_IFREG | 0o644}
            assert {entry.create_system for entry in archive.infolist()} == {3}
            assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_function_holds_the_runtime_and_the_domain():
    target = bundle.target(UPLOAD)
    listed = names(bundle.function(bundle.runtime_sources() | bundle.domain(ROOT, "shop"), target))
    runtime = {path for path in (ROOT / "runtime").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {name for name in listed if name.startswith("foldstack/")} == {
        path.relative_to(ROOT / "runtime").as_posix() for path in runtime
    }
    assert {name.split("/")[0] for name in listed} == {"foldstack", "shop"}
    assert "shop/__init__.py" in listed


def test_what_is_for_the_laptop_stays_there(tmp_path):
    shop = tmp_path / "store"
    for name in ("__init__.py", "demo.py", "stand_ins/bank.py", "tests/test_store.py", "goods/demo.py", "goods/a.json"):
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).write_text("")
    function = bundle.function(bundle.domain(tmp_path, "store.goods"), bundle.target(UPLOAD))
    assert names(function) == ["store/__init__.py", "store/goods/a.json", "store/goods/demo.py"]


def test_a_domain_may_be_one_module(tmp_path):
    (tmp_path / "till.py").write_text("x = 1\n")
    function = bundle.function(bundle.domain(tmp_path, "till"), bundle.target("host"))
    assert names(function) == ["till.py"]


def test_one_byte_more_is_another_bundle(tmp_path):
    (tmp_path / "till.py").write_text("x = 1\n")
    target = bundle.target(UPLOAD)
    before = bundle.function(bundle.domain(tmp_path, "till"), target)
    assert bundle.function(bundle.domain(tmp_path, "till"), target) == before
    (tmp_path / "till.py").write_text("x = 2\n")
    assert bundle.function(bundle.domain(tmp_path, "till"), target) != before


@pytest.mark.parametrize("precompile", [False, True])
def test_a_host_bundle_runs_with_nothing_else(precompile, tmp_path):
    target = bundle.target("host", precompile)
    layer = bundle.layer(target)
    function = bundle.function(bundle.runtime_sources() | bundle.domain(ROOT, "shop"), target, [layer])
    for archive, place in ((layer, "opt"), (function, "task")):
        shutil.unpack_archive(archive, tmp_path / place)
    paths = [str(tmp_path / "task"), str(tmp_path / "opt/python")]
    program = (
        f"import sys; sys.path[:0] = {paths}; import shop, foldstack, aws_lambda_powertools, pydantic;"
        "print(foldstack.__file__, pydantic.__file__, pydantic.__spec__.cached)"
    )
    ran = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    foldstack, pydantic, compiled = ran.stdout.split()
    assert foldstack.startswith(paths[0])
    assert pydantic.startswith(paths[1])
    assert Path(compiled).exists() == precompile


def test_byte_code_is_never_checked_against_its_source():
    function = bundle.function(bundle.runtime_sources(), bundle.target("host", precompile=True))
    with zipfile.ZipFile(function) as archive:
        compiled = [archive.read(name) for name in archive.namelist() if name.endswith(".pyc")]
    assert compiled
    assert all(int.from_bytes(content[4:8], "little") == 0b01 for content in compiled)


def test_precompiling_without_the_interpreter_is_an_error():
    target = replace(bundle.target(UPLOAD, precompile=True), python_version="3.99")
    with pytest.raises(bundle.BundleError, match=r"needs a Python 3\.99 (?s:.*)set precompile to false"):
        bundle.function(bundle.runtime_sources(), target)


def test_targets():
    upload = bundle.target(UPLOAD)
    assert (upload.runtime, upload.architecture) == ("python3.13", "arm64")
    assert bundle.target("x86_64-python3.13").architecture == "x86_64"
    assert bundle.target("host").runtime == f"python3.{sys.version_info.minor}"
    with pytest.raises(bundle.BundleError, match=r"target 'arm64': must be 'arm64-python3\.13'"):
        bundle.target("arm64")


@pytest.mark.parametrize(
    ("requirements", "printed"),
    [
        ("jmespath==1.1.0\n", "hash"),
        (f"jmespath==1.1.0 --hash=sha256:{'0' * 64}\n", "[Hh]ash"),
        (f"no-such-distribution-{'x' * 40}==1.0 --hash=sha256:{'0' * 64}\n", "no-such-distribution"),
    ],
    ids=["no hash", "another hash", "no such package"],
)
def test_what_uv_refuses_is_told_as_uv_told_it(requirements, printed, tmp_path):
    pins = tmp_path / "pins.txt"
    pins.write_text(requirements)
    with pytest.raises(
        bundle.BundleError, match=f"layer for {UPLOAD} of .*pins.txt: (?s:.*){printed}(?s:.*)To mend it"
    ):
        bundle.layer(bundle.target(UPLOAD), pins)
    assert not list((tmp_path / "cache").rglob("*.zip"))
    assert not list((tmp_path / "cache").rglob("building-*"))


def test_a_name_of_the_standard_library_is_refused(tmp_path):
    (tmp_path / "queue.py").write_text("")
    with pytest.raises(bundle.BundleError, match="'queue' at a bundle's root would hide Python's own"):
        bundle.function(bundle.domain(tmp_path, "queue"), bundle.target("host"))


def test_a_domain_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(bundle.BundleError, match="domain 'store': neither"):
        bundle.domain(tmp_path, "store")


def test_a_link_to_a_folder_is_refused(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/__init__.py").write_text("")
    (tmp_path / "store/goods").mkdir()
    (tmp_path / "store/goods/linked").symlink_to(tmp_path)
    with pytest.raises(bundle.BundleError, match="linked links to a folder"):
        bundle.function(bundle.domain(tmp_path, "store"), bundle.target("host"))


def test_lambdas_limits_are_checked(tmp_path, monkeypatch):
    (tmp_path / "till.py").write_bytes(b"#" * 1000)
    target = bundle.target("host")
    fits = bundle.function(bundle.domain(tmp_path, "till"), target)
    monkeypatch.setattr(bundle, "UNZIPPED_LIMIT", 1999)
    with pytest.raises(bundle.BundleError, match=r"function of till\.py: 2000 bytes with its layers, .* limit is 1999"):
        bundle.function(bundle.domain(tmp_path, "till"), target, [fits])
    monkeypatch.setattr(bundle, "ZIP_LIMIT", 999)
    with pytest.raises(bundle.BundleError, match=r"function of till\.py: \d+ bytes zipped, Lambda's limit is 999"):
        bundle.function(bundle.domain(tmp_path, "till"), target)


@pytest.mark.parametrize(
    ("file", "groups"),
    [
        ("lambda_requirements.txt", ["lambda"]),
        ("lambda_requirements_personal.txt", ["lambda", "personal"]),
        ("lambda_requirements_lake.txt", ["lake"]),
    ],
)
def test_the_shipped_pins_are_those_of_the_lock(file, groups):
    only = [option for group in groups for option in ("--only-group", group)]
    command = ["uv", "export", "--frozen", *only, "--no-header", "--no-annotate", "--quiet"]
    uv = Path(sys.executable).parent / "uv"
    fresh = subprocess.run([uv, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shipped = (ROOT / "components" / file).read_text()
    assert shipped == fresh, f"run: {' '.join(command[:-1])} -o components/{file}"
