"""The reports of the benchmarks: a figure that is set beside the wrong one, or a lost one, would be believed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.machine import Machine
from benchmarks.meter import Costs
from benchmarks.peers.chart import chart
from benchmarks.peers.phases import Phase
from benchmarks.peers.results import PlayerFacts, Results
from benchmarks.peers.tables import report
from benchmarks.publishing import publish
from benchmarks.samples import Sample
from benchmarks.targets import Target

_MACHINE = Machine(2, "a processor", 8.0, "Linux", "3.11", "18", (0.1, 0.2, 0.3))
_COSTS = Costs({"worker": 20.0, "postgres": 10.0}, 0.01, 500.0, 1.0)
_RATE = ("rate", "jobs/s")


def _results(phase: Phase, figure: tuple[str, str], **values: list[float]) -> Results:
    results = Results("a day", _MACHINE, {})
    for name, repetitions in values.items():
        results.players.append(PlayerFacts(name, "1.0", "best settings"))
        for value in repetitions:
            results.add(name, phase, 0.2, Sample({figure: value}, _COSTS))
    return results


def test_the_ratio_is_that_of_the_medians_to_the_best_peer() -> None:
    results = _results(Phase.DRAIN, _RATE, jobline=[10.0, 30.0, 90.0], slow=[5.0], fast=[20.0, 19.0, 1.0])
    assert "| drain, 1 process (jobs/s) | 30.0 | fast | 19.0 | **1.58 ×** | 1.5 × | 2 × | pass |" in report(results)


def test_of_waiting_less_is_better() -> None:
    results = _results(Phase.LATENCY, ("p50", "ms"), jobline=[5.0], slow=[20.0], fast=[4.0])
    assert "| fast | 4.00 | **0.80 ×** | 1 × | ≤ 4 ms | **missed** |" in report(results)


def test_enqueueing_one_by_one_is_compared_with_the_peer_that_the_target_names() -> None:
    results = _results(Phase.ENQUEUE, _RATE, jobline=[600.0], pgqueuer=[900.0], **{"graphile-worker": [500.0]})
    assert "| graphile-worker | 500 | **1.20 ×** |" in report(results)


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    results = _results(Phase.DRAIN, _RATE, jobline=[10.0, 30.0], other=[20.0])
    results.problems.append("something to know")
    results.write(tmp_path / "results.json")
    assert report(Results.read(tmp_path / "results.json")) == report(results)


def test_the_chart_is_well_formed_and_names_everybody() -> None:
    results = _results(Phase.DRAIN, _RATE, jobline=[10.0], **{"a < b": [20.0]})
    words = "".join(ElementTree.fromstring(chart(results)).itertext())
    assert "jobline" in words
    assert "a < b" in words


def test_a_report_replaces_the_one_before_it_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- it -->\nold\n<!-- /it -->\nafter\n")
    publish("it", "new", page)
    assert page.read_text() == "before\n<!-- it -->\n\nnew\n\n<!-- /it -->\nafter\n"
    with pytest.raises(ValueError, match="no place"):
        publish("other", "new", page)


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target(80, 95), 95.0, "aim reached"),
        (Target(80, 95), 90.0, "pass"),
        (Target(80, 95), 79.0, "**missed**"),
        (Target(2, 0.5, is_upper=True), 0.4, "aim reached"),
        (Target(2, 0.5, is_upper=True), 2.1, "**missed**"),
    ],
)
def test_a_target_bounds_from_below_or_from_above(target: Target, value: float, verdict: str) -> None:
    assert target.verdict(value) == verdict
