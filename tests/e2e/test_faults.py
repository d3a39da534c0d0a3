"""Through the real pollers, with faults put in: deliveries repeated, late and out of order, calls throttled, functions
killed before or after their work. At rest every view equals what the commands say."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from boto3.dynamodb.types import TypeDeserializer

from local.cloud import LaptopCloud
from local.event_sources.faults import Faults

PROGRAM = Path(__file__).parent / "programs" / "journal"
STREAMS = 12
_plain = TypeDeserializer().deserialize


class Journal:
    """A cloud of its own, and a model of what it was told."""

    def __init__(self, cloud: LaptopCloud, seed: int, road: str) -> None:
        self.cloud, self.rng, self.road = cloud, random.Random(seed), road
        self.expected: dict[str, dict] = {}
        self.burnt: set[str] = set()
        self.sent = 0

    def up(self, faults: Faults | None = None, poison: str = "") -> None:
        self.cloud.up(faults=faults, config={"road": self.road, "poison": poison})

    def command(self, kind: str, id: str, **fields) -> None:
        """Executes one command; one whose function was refused or killed is repeated with its key."""
        self.sent += 1
        document = {"tenant": "acme", "command": kind, "key": f"k{self.sent}", "data": {"id": id, **fields}}
        answer = self.cloud.invoke("journal-commands", document)
        assert answer.ok, answer
        assert json.loads(answer.payload)["status"] == "committed", answer.payload
        if id in self.burnt:
            return
        row = self.expected.setdefault(id, {"text": "", "stars": 0})
        if kind == "Burn":
            self.burnt.add(id)
            del self.expected[id]
        elif kind == "Write":
            row["text"] = fields["text"]
        elif kind == "Rate":
            row["stars"] = fields["stars"]

    def history(self, id: str, length: int) -> None:
        """A random history of one stream; streams are independent, and may be told at once."""
        rng = random.Random(f"{self.rng.random()}{id}")
        self.command("Write", id, text="first")
        for _ in range(length):
            what = rng.random()
            if what < 0.35:
                self.command("See", id, times=rng.randint(1, 3))
            elif what < 0.65:
                self.command("Rate", id, stars=rng.randint(0, 5))
            elif what < 0.95:
                self.command("Write", id, text=f"text {rng.randint(0, 9)}")
            else:
                self.command("Burn", id)

    def histories(self, length: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: self.history(f"e{n}", length), range(STREAMS)))

    def items(self) -> list[dict]:
        table = self.cloud.outputs["viewTables"]["entries"]
        pages = self.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        return [{k: _plain(v) for k, v in item.items()} for page in pages for item in page["Items"]]

    def rows(self) -> dict[str, dict]:
        found = [i for i in self.items() if i["p"] == "acme#entries#1.1" and "row" in i]
        return {i["s"]: {"text": i["row"]["text"], "stars": int(i["row"]["stars"])} for i in found}

    def totals(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for item in self.items():
            if item["p"].endswith("#totals"):
                for name in ("entries", "stars"):
                    sums[name] = sums.get(name, 0) + int(item.get(f"f.{name}", 0))
        return sums

    def assert_at_rest(self, timeout: float = 120) -> None:
        self.cloud.wait_idle(timeout)
        assert self.rows() == self.expected
        stars = sum(row["stars"] for row in self.expected.values())
        assert self.totals() == {"entries": len(self.expected), "stars": stars}


@pytest.fixture
def journal(tmp_path, road):
    with LaptopCloud(PROGRAM, home=tmp_path) as cloud:
        yield Journal(cloud, seed=3, road=road)


def test_views_equal_the_commands_under_every_fault(journal):
    faults = Faults(11, duplicate=0.3, delay=0.3, delay_seconds=0.5, shuffle=0.5, throttle=0.1, crash=0.08)
    journal.up(faults)
    journal.histories(12)
    journal.assert_at_rest()
    invoked = sum(source.calls for source in journal.cloud.sources)
    assert journal.sent == STREAMS * 13
    assert invoked > 0


def test_poison_stops_one_stream_until_it_is_mended_and_redriven(journal):
    journal.up(Faults(5, duplicate=0.2, shuffle=0.3), poison="bad")
    journal.histories(3)
    journal.command("Write", "sick", text="good")
    journal.cloud.wait_idle(60)
    journal.command("Write", "sick", text="bad")
    journal.command("Rate", "sick", stars=4)
    journal.histories(2)
    journal.cloud.wait_idle(60)
    healthy = {id: row for id, row in journal.expected.items() if id != "sick"}
    assert {id: row for id, row in journal.rows().items() if id != "sick"} == healthy
    assert journal.rows()["sick"] == {"text": "good", "stars": 0}
    assert any(item.get("parked") for item in journal.items() if item["s"] == "sick")

    journal.up()
    redrive = {"redrive": {"projection": "entries", "stream": "acme#entry#sick"}}
    assert journal.cloud.invoke("journal-views-projector", redrive).ok
    journal.assert_at_rest()
    assert journal.rows()["sick"] == {"text": "bad", "stars": 4}
