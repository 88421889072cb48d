"""The results for people (tables) and for programs (JSON)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Machine
from benchmarks.samples import Outcome
from benchmarks.workload import Sizes

__all__ = ["print_report", "write_json"]

_PROCESSES = ("client", "gateway", "service", "worker", "postgres")


def print_report(console: Console, outcomes: Sequence[Outcome], machine: Machine, problems: Sequence[str]) -> None:
    console.print(_figures(outcomes))
    console.print(_costs(outcomes))
    commits = [value for outcome in outcomes for value in outcome.commit_ms]
    console.print(
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gib:g} GiB, {machine.system}; "
        f"Python {machine.python}, PostgreSQL {machine.postgres} with fsync and synchronous_commit on"
    )
    console.print(
        f"a synced commit took {statistics.median(commits):.2f} ms (median; {min(commits):.2f}-{max(commits):.2f}), "
        f"load at the start {machine.load[0]:.1f}"
    )
    for problem in problems:
        console.print(f"[bold red]problem[/] {problem}", soft_wrap=True)


def write_json(
    file: Path, outcomes: Sequence[Outcome], machine: Machine, sizes: Sizes, problems: Sequence[str]
) -> None:
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
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


def _figures(outcomes: Sequence[Outcome]) -> Table:
    repetitions = max(len(outcome.samples) for outcome in outcomes)
    table = _table(f"No-op jobs, repetitions: {repetitions}")
    table.add_column("")
    table.add_column("unit")
    for heading in ("median", "min", "max"):
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        for series in outcome.series():
            values = (series.median, min(series.values), max(series.values))
            table.add_row(outcome.scenario, series.what, series.unit, *map(_number, values))
    return table


def _costs(outcomes: Sequence[Outcome]) -> Table:
    table = _table("CPU in µs, commits and bytes of WAL per job (of the lists: per poll), medians")
    for heading in (*_PROCESSES, "commits", "WAL", "HOT"):
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        if costs := outcome.costs():
            cpu = [_number(costs.cpu[name]) if name in costs.cpu else "" for name in _PROCESSES]
            hot = "" if costs.hot_share is None else f"{costs.hot_share:.0%}"
            table.add_row(outcome.scenario, *cpu, f"{costs.commits:.3f}", _number(costs.wal_bytes), hot)
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("measure", no_wrap=True)
    return table


def _number(value: float) -> str:
    """At least three digits that count; a space between thousands."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ")
