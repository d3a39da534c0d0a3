import json

import pytest

from benchmarks import report
from benchmarks.measure import Comparison, Table, compare, percentile, take_turns


def sample(*values: float):
    """A side whose turns take these values, one after another."""
    left = iter(values)
    return lambda: next(left)


def comparison(faster: bool, goal: float | None = None, peer: str | None = None) -> Comparison:
    sides = {"ours": sample(10, 20, 30), "near": sample(20, 50, 60), "far": sample(90, 80, 90)}
    return compare("which?", sides, unit="ms", rounds=3, faster=faster, goal=goal, peer=peer)


def test_sides_take_turns_and_each_begins_a_round():
    order: list[str] = []
    sides = {name: (lambda name=name: order.append(name) or 0.0) for name in "abc"}
    take_turns(sides, 3)
    assert "".join(order) == "abcbcacab"


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    assert comparison(faster=True).ratios == {"near": 2.0, "far": 4.0}
    assert comparison(faster=False).ratios == {"near": 0.5, "far": 0.25}


def test_without_a_named_peer_the_hardest_judges():
    assert comparison(faster=True).judged_by == "near"
    assert comparison(faster=False).judged_by == "near"
    assert comparison(faster=True, peer="far").judged_by == "far"


@pytest.mark.parametrize(
    ("faster", "goal", "met"), [(True, 2.0, True), (True, 2.1, False), (False, 0.5, True), (False, 0.4, False)]
)
def test_a_goal_is_reached_from_its_own_side(faster: bool, goal: float, met: bool):
    document = comparison(faster, goal).to_dict()
    assert document["met"] is met
    assert document["goal"] == {"at_least" if faster else "at_most": goal}
    assert document["medians"] == {"ours": 20, "near": 50, "far": 90}


@pytest.mark.parametrize(("share", "value"), [(50, 50), (99, 99), (100, 100), (1, 1), (0, 1)])
def test_a_percentile_is_a_value_that_was_taken(share: int, value: float):
    taken = [float(n) for n in range(100, 0, -1)]
    assert percentile(taken, share) == value
    assert percentile([7.0], share) == 7.0


def test_without_a_goal_nothing_is_met_or_missed():
    assert not {"goal", "met"} & comparison(faster=True).to_dict().keys()


def test_the_report_shows_figures_verdicts_and_rows_of_different_columns(capsys: pytest.CaptureFixture[str]):
    rows = [{"name": "one", "ms": 12.34, "met": True}, {"name": "two", "extra": 3}]
    results: report.Results = {"a": comparison(faster=True, goal=3.0), "b": Table("rows?", rows, ("a remark",))}
    report.show(results)
    shown = capsys.readouterr().out
    for part in ("which?", "goal at least 3.0x: missed", "2.00x", "rows?", "12.3", "met", "extra", "a remark"):
        assert part in shown
    document = json.loads(report.as_json(results))
    assert document["b"] == {"question": "rows?", "rows": rows, "notes": ["a remark"]}
    assert document["machine"]["python"]
