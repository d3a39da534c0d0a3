"""A whole program on this machine: requests, records and messages flow, deployments follow each other, data stays."""

import contextlib
import http.client
import json
import random
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from local.cloud import CloudError, LaptopCloud
from local.deployer import DeployError
from local.edges import EdgeError
from local.event_sources import Faults
from local.stand_ins import StandInError

pytestmark = pytest.mark.emulator
NOTES = Path(__file__).parent / "programs" / "notes"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(
        shutil.copytree(
            NOTES, tmp_path_factory.mktemp("programs") / "notes", ignore=shutil.ignore_patterns(".foldstack")
        )
    )


@pytest.fixture(scope="module")
def cloud(program: Path) -> Iterator[LaptopCloud]:
    with LaptopCloud(program) as running:
        running.up()
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of the program for one test to change."""
    return Path(shutil.copytree(NOTES, tmp_path / "notes", ignore=shutil.ignore_patterns(".foldstack")))


def call(cloud: LaptopCloud, method: str, path: str, body: Any = None, tenant: str = "north") -> tuple[int, Any]:
    where = urlsplit(cloud.outputs["apiUrl"])
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    headers = {"x-tenant-id": tenant, "content-type": "application/json"}
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None


def counts(cloud: LaptopCloud) -> dict[str, int]:
    items = cloud.client("dynamodb").scan(TableName=cloud.outputs["countsTable"])["Items"]
    return {item["tenant"]["S"]: int(item["notes"]["N"]) for item in items}


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_from_a_request_to_a_view(cloud: LaptopCloud) -> None:
    for n in range(3):
        assert call(cloud, "POST", f"/notes/{n}", {"text": f"note {n}"}, "west") == (201, {"greeting": "hello"})
    assert call(cloud, "GET", "/notes/2", tenant="west") == (200, {"text": "note 2"})
    assert call(cloud, "GET", "/notes/2", tenant="east") == (404, None)
    cloud.wait_idle()
    assert counts(cloud)["west"] == 3


def test_functions_are_called_by_either_name_and_through_aws(cloud: LaptopCloud) -> None:
    event = {"Records": [{"body": json.dumps({"detail": {"tenant": "direct"}})}]}
    assert cloud.invoke("counter", event).ok
    physical = next(f.name for f in cloud.functions if "counter" in f.name)
    assert cloud.invoke(physical, event).ok
    cloud.client("lambda").invoke(FunctionName=physical, Payload=json.dumps(event))
    assert counts(cloud)["direct"] == 3


def test_the_emulator_has_no_mapping_of_its_own(cloud: LaptopCloud) -> None:
    assert cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert sorted(source.name for source in cloud.sources) == ["counter", "relay"]


def test_a_stand_in_answers_under_the_configured_url(cloud: LaptopCloud) -> None:
    with urlopen(cloud.outputs["shelfUrl"]) as answer:
        assert answer.read() == b"shelf"


def test_files_are_private_and_hold_no_secret(cloud: LaptopCloud) -> None:
    written = json.loads((cloud.home / "outputs.json").read_text())
    assert cloud.outputs["password"] == "hunter2"
    assert written == {k: v for k, v in cloud.outputs.items() if k != "password"} == cloud.shown_outputs
    assert not stat.S_IMODE(cloud.home.stat().st_mode) & 0o077
    for file in cloud.home.iterdir():
        assert file.is_dir() or not stat.S_IMODE(file.stat().st_mode) & 0o077, file
    for file in cloud.home.rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes(), file


def test_a_home_has_one_cloud(cloud: LaptopCloud, program: Path) -> None:
    with pytest.raises(CloudError, match=r"a laptop cloud runs in .* already"):
        LaptopCloud(program).up()


def test_wait_idle_names_what_is_still_at_work(cloud: LaptopCloud) -> None:
    sqs = cloud.client("sqs")
    url = next(u for u in sqs.list_queues()["QueueUrls"] if "queue" in u)
    sqs.send_message(QueueUrl=url, MessageBody="no JSON", DelaySeconds=600)
    with pytest.raises(TimeoutError, match="still at work: counter"):
        cloud.wait_idle(0.1)
    sqs.purge_queue(QueueUrl=url)
    cloud.wait_idle()


def test_deploying_again_changes_what_runs(own: Path) -> None:
    with LaptopCloud(own) as cloud:
        before = dict(cloud.up())
        call(cloud, "POST", "/notes/1", {"text": "kept"})
        change(own / "app" / "notes.py", '"greeting": os', '"hail": os')
        change(own / "Pulumi.local.yaml", "hunter2", "hunter2\n  notes:greeting: good day")
        steps: list[tuple[str, str]] = []
        after = cloud.up(_Recorded(steps))
        assert {verb for verb, _ in steps if verb != "same"} == {"update"}
        assert {resource.split("'")[1] for verb, resource in steps if verb == "update"} == {"counter", "door", "relay"}
        assert after == before
        assert call(cloud, "POST", "/notes/2", {"text": "x"}) == (201, {"hail": "good day"})
        assert call(cloud, "GET", "/notes/1") == (200, {"text": "kept"})
        cloud.wait_idle()
        assert counts(cloud) == {"north": 2}


def test_the_programs_own_modules_are_read_anew(own: Path) -> None:
    (own / "naming.py").write_text("EXTRA = 'first'")
    change(own / "__main__.py", "import pulumi\n", "import naming\nimport pulumi\n")
    change(
        own / "__main__.py",
        'pulumi.export("shelfUrl"',
        'pulumi.export("extra", naming.EXTRA)\npulumi.export("shelfUrl"',
    )
    with LaptopCloud(own) as cloud:
        assert cloud.up()["extra"] == "first"
        (own / "naming.py").write_text("EXTRA = 'another'")
        assert cloud.up()["extra"] == "another"
    assert "naming" not in sys.modules


def test_an_error_of_a_later_deployment_leaves_what_ran(own: Path) -> None:
    with LaptopCloud(own) as cloud:
        cloud.up(config={"tables": ["extra"]})
        with pytest.raises(DeployError, match="'extra' holds data"):
            cloud.up()
        assert call(cloud, "POST", "/notes/1", {"text": "x"})[0] == 201
        cloud.up(replace_data=True)
        assert not [t for t in cloud.client("dynamodb").list_tables()["TableNames"] if "extra" in t]


def test_an_edge_that_aws_would_refuse_is_never_wired(own: Path) -> None:
    change(own / "__main__.py", '"ArnEquals": {"aws:SourceArn": rule.arn}', '"ArnEquals": {"aws:SourceArn": bus.arn}')
    cloud = LaptopCloud(own)
    with pytest.raises(EdgeError, match="EventRule 'noted' -> Queue 'queue': no queue policy"):
        cloud.up()
    with pytest.raises(CloudError, match="not up"):
        cloud.client("sqs")


def test_an_unknown_type_is_refused_before_anything_is_created(own: Path) -> None:
    with (own / "__main__.py").open("a") as program:
        program.write('\naws.ses.EmailIdentity("river", email="a@example.com")\n')
    steps: list[tuple[str, str]] = []
    with pytest.raises(DeployError, match=r"aws:ses/emailIdentity:EmailIdentity \('river'\)"):
        LaptopCloud(own).up(_Recorded(steps))
    assert steps == []


def test_data_is_kept_when_told(own: Path) -> None:
    with LaptopCloud(own) as cloud:
        before = dict(cloud.up())
        call(cloud, "POST", "/notes/1", {"text": "kept"})
        cloud.wait_idle()
        cloud.down(keep_data=True)
        assert "hunter2" not in "".join(f.read_text() for f in cloud.home.rglob("*.json"))
        steps: list[tuple[str, str]] = []
        after = cloud.up(_Recorded(steps))
        assert after["apiUrl"] == before["apiUrl"]
        assert call(cloud, "GET", "/notes/1") == (200, {"text": "kept"})
        call(cloud, "POST", "/notes/2", {"text": "new"})
        cloud.wait_idle()
        assert counts(cloud) == {"north": 2}
        cloud.down()
    with LaptopCloud(own) as cloud:
        cloud.up()
        assert call(cloud, "GET", "/notes/1") == (404, None)


def test_a_start_that_fails_keeps_the_data_that_was_kept(own: Path) -> None:
    cloud = LaptopCloud(own)
    cloud.up()
    call(cloud, "POST", "/notes/1", {"text": "kept"})
    cloud.wait_idle()
    cloud.down(keep_data=True)
    change(own / "__main__.py", 'pulumi.export("shelfUrl"', 'raise ValueError("a slip")\npulumi.export("shelfUrl"')
    with pytest.raises(ValueError, match="a slip"):
        cloud.up()
    change(own / "__main__.py", 'raise ValueError("a slip")\n', "")
    with cloud:
        cloud.up()
        assert call(cloud, "GET", "/notes/1") == (200, {"text": "kept"})


def test_faults_on_the_way_lose_nothing(own: Path) -> None:
    with LaptopCloud(own) as cloud:
        cloud.up(faults=Faults(7, crash=0.3, throttle=0.2, delay=0.2, duplicate=0.2))
        for n in range(10):
            call(cloud, "POST", f"/notes/{n}", {"text": "x"})
        cloud.wait_idle(120)
        assert counts(cloud)["north"] >= 10


def free_pair() -> int:
    """A port that is free, with the one after it, below those that the system hands out to whoever asks for any."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port


def test_ports_are_those_asked_for(own: Path) -> None:
    port = free_pair()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        with pytest.raises(CloudError, match=f"port {port} is taken: choose another with --port"):
            LaptopCloud(own, port=port).up()
    with LaptopCloud(own, port=port) as cloud:
        assert cloud.up()["apiUrl"] == f"http://127.0.0.1:{port + 1}"
        assert cloud.endpoint == f"http://127.0.0.1:{port}"


def test_a_stand_in_that_does_not_start(own: Path) -> None:
    (own / "shelf.py").write_text("raise SystemExit('no shelf today')")
    with pytest.raises(StandInError, match=r"stand-in shelf for notes:shelfUrl did not start:\nno shelf today"):
        LaptopCloud(own).up()


class _Recorded:
    def __init__(self, steps: list[tuple[str, str]]) -> None:
        self._steps = steps

    def stage(self, what: str) -> None:
        pass

    def total(self, resources: int) -> None:
        pass

    def step(self, verb: str, resource: str) -> None:
        self._steps.append((verb, resource))
