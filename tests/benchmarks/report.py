"""Says what was measured: as Markdown for people, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.markdown import NONE, number, place, table
from benchmarks.samples import Outcome
from benchmarks.targets import TARGETS
from benchmarks.workload import Sizes

__all__ = ["report", "write_json"]

_PROCESSES = ("client", "gateway", "service", "worker", "postgres")


def report(at: str, outcomes: Sequence[Outcome], machine: Machine, problems: Sequence[str]) -> str:
    commits = [value for outcome in outcomes for value in outcome.commit_ms]
    repetitions = max(len(outcome.samples) for outcome in outcomes)
    parts = (place(at, repetitions, machine, commits), _figures(outcomes), _costs(outcomes))
    return "\n\n".join([*parts, *(f"**problem** {problem}" for problem in problems)]) + "\n"


def write_json(
    file: Path, at: str, outcomes: Sequence[Outcome], machine: Machine, sizes: Sizes, problems: Sequence[str]
) -> None:
    document = {
        "at": at,
        "machine": asdict(machine),
        "sizes": asdict(sizes),
        "scenarios": [
            {
                "scenario": outcome.scenario,
                "commit_ms": outcome.commit_ms,
                "figures": [asdict(series) | {"median": series.median} for series in outcome.series()],
                "costs_per_job": [asdict(sample.costs) for sample in outcome.samples if sample.costs is not None],
            }
            for outcome in outcomes
        ],
        "problems": list(problems),
    }
    file.write_text(json.dumps(document, indent=1) + "\n")


def _figures(outcomes: Sequence[Outcome]) -> str:
    heading = ("measure", "", "unit", "median", "min", "max", "must", "aim", "")
    return table(heading, "lllrrrrrl", _figure_rows(outcomes))


def _figure_rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    for outcome in outcomes:
        for series in outcome.series():
            values = [number(value) for value in (series.median, min(series.values), max(series.values))]
            target = TARGETS.get((outcome.scenario, series.what))
            verdict = (
                (target.words(target.must), target.words(target.aim), target.verdict(series.median))
                if target
                else ("", "", "")
            )
            yield outcome.scenario, series.what, series.unit, *values, *verdict


def _costs(outcomes: Sequence[Outcome]) -> str:
    unit = "CPU µs a job (of the lists: a poll; of records: a record)"
    heading = (unit, *_PROCESSES, "commits", "WAL bytes", "HOT updates")
    return table(heading, "lrrrrrrrr", _cost_rows(outcomes))


def _cost_rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    for outcome in outcomes:
        if costs := outcome.costs():
            cpu = [number(costs.cpu[name]) if name in costs.cpu else NONE for name in _PROCESSES]
            hot = NONE if costs.hot_share is None else f"{costs.hot_share:.0%}"
            yield outcome.scenario, *cpu, f"{costs.commits:.3f}", number(costs.wal_bytes), hot
