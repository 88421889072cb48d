"""The report of a run as Markdown, which reads well in a terminal, too."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.markdown import NONE, number, place, spread, table
from benchmarks.peers.contenders import JOBLINE
from benchmarks.peers.phases import Phase
from benchmarks.peers.results import Results
from benchmarks.peers.targets import TARGETS, Target

__all__ = ["best_peer", "report"]

_RATE = ("rate", "jobs/s")
_RATES = tuple(phase for phase in Phase if phase is not Phase.LATENCY)
_WAITS = tuple((f"p{rank}", "ms") for rank in (50, 95, 99))
_PROCESSES = ("client", "service", "worker", "postgres")


def report(results: Results) -> str:
    """Everything but the chart."""
    parts = (_heading(results), _ratios(results), _figures(results), _costs(results), _settings(results))
    absent = (f"Left out: {each}." for each in results.absent)
    problems = (f"**problem** {problem}" for problem in results.problems)
    return "\n\n".join((*parts, *absent, *problems)) + "\n"


def best_peer(results: Results, target: Target) -> tuple[str, float] | None:
    """Whom the target compares with, and its median; None when nobody was measured."""
    medians = [
        (player.name, statistics.median(values))
        for player in results.players
        if player.name != JOBLINE.name
        and target.peer in ("", player.name)
        and (values := results.values(player.name, target.phase, target.figure))
    ]
    choose = min if target.less_is_better else max
    return choose(medians, key=lambda named: named[1]) if medians else None


def _heading(results: Results) -> str:
    repetitions = max(len(outcome.samples) for outcome in results.outcomes.values())
    return place(results.at, repetitions, results.machine, results.commit_ms())


def _ratios(results: Results) -> str:
    return table(("measure", "Jobline", "best peer", "", "ratio", "must", "aim", ""), "lrlrrrrl", _ratio_rows(results))


def _ratio_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for target in TARGETS:
        values = results.values(JOBLINE.name, target.phase, target.figure)
        best = best_peer(results, target)
        if not values or best is None:
            continue
        ours, (name, theirs) = statistics.median(values), best
        ratio = target.ratio(ours, theirs)
        verdict = "aim reached" if target.reaches_aim(ratio, ours) else "pass" if ratio >= target.must else "**missed**"
        aim = f"{target.aim:g} ×" if target.aim is not None else f"≤ {target.aim_at_most:g} ms"
        title = f"{target.title} ({target.figure[1]})"
        yield title, number(ours), name, number(theirs), f"**{ratio:.2f} ×**", f"{target.must:g} ×", aim, verdict


def _figures(results: Results) -> str:
    rates = ((f"{phase.words}, jobs/s", phase, _RATE) for phase in _RATES)
    waits = ((f"{Phase.LATENCY.words}, {what} ms", Phase.LATENCY, (what, unit)) for what, unit in _WAITS)
    rows = (
        (title, *(spread(results.values(player.name, phase, figure)) for player in results.players))
        for title, phase, figure in (*rates, *waits)
    )
    names = [player.name for player in results.players]
    shown = (row for row in rows if set(row[1:]) != {NONE})
    return table(("median (min–max)", *names), "l" + "r" * len(names), shown)


def _costs(results: Results) -> str:
    """CPU of every process that took part, except the caller's while jobs are worked off."""
    heading = ("CPU µs a job", "", *_PROCESSES, "all", "commits a job", "WAL bytes a job", "HOT updates")
    return table(heading, "llrrrrrrrr", _cost_rows(results))


def _cost_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for phase in Phase:
        for player in results.players:
            outcome = results.outcomes.get((player.name, phase))
            costs = outcome.costs() if outcome else None
            if costs is None:
                continue
            cpu = [number(costs.cpu[name]) if name in costs.cpu else NONE for name in _PROCESSES]
            hot = NONE if costs.hot_share is None else f"{costs.hot_share:.0%}"
            rest = (number(sum(costs.cpu.values())), f"{costs.commits:.3f}", number(costs.wal_bytes), hot)
            yield phase.words, player.name, *cpu, *rest


def _settings(results: Results) -> str:
    rows = ((player.name, player.version, player.settings) for player in results.players)
    return table(("queue", "version", "settings"), "lll", rows)
