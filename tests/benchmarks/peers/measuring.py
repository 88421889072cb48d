"""How a phase is measured; the same for every contender. docs/benchmarks.md defines the figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psycopg

from benchmarks.house import House, Workers
from benchmarks.meter import Meter
from benchmarks.peers.ground import Ground, Player, database_for, open_ground
from benchmarks.peers.phases import Phase
from benchmarks.samples import Sample, percentile
from benchmarks.start_log import Start
from benchmarks.workload import Sizes
from support.eventually import eventually_blocking

__all__ = ["measure"]

_BATCHES = {Phase.BULK_100: 100, Phase.BULK_1000: 1000}
_FILL = 500
_POLL = 0.003
_WITHIN = 120.0
#: PostgreSQL publishes a session's counters with a commit that comes at least a second after the last publication.
_PUBLISHED_AFTER = 1.1
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class _Take:
    """What was seen, before its costs can be read."""

    jobs: int
    figures: Mapping[tuple[str, str], float]
    meter: Meter
    cpu: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def measure(house: House, player: Player, phase: Phase, sizes: Sizes) -> Sample:
    """One repetition in a new database. Raises AdapterFailed, AssertionError and TimeoutError."""
    with database_for(house, player) as url:
        with open_ground(house, player, url, mode=phase.value) as ground:
            take = _take(ground, phase, sizes)
        _wait_for_ends(url)
        costs = take.meter.costs(take.jobs)
    return Sample(dict(take.figures), replace(costs, cpu={**take.cpu, **costs.cpu}), take.problems)


def _take(ground: Ground, phase: Phase, sizes: Sizes) -> _Take:
    match phase:
        case Phase.ENQUEUE:
            return _call(ground, "enqueue", sizes.single)
        case Phase.BULK_100 | Phase.BULK_1000:
            return _call(ground, "bulk", sizes.bulk, _BATCHES[phase], 0)
        case Phase.DRAIN | Phase.DRAIN_2:
            jobs = min(sizes.drain, ground.player.contender.drain)
            return _drain(ground, jobs, workers=2 if phase is Phase.DRAIN_2 else 1)
        case Phase.SEQUENTIAL:
            return _drain(ground, min(sizes.sequential, ground.player.contender.sequential), in_order=True)
        case Phase.LATENCY:
            return _wait_for_starts(ground, sizes)


def _wait_for_ends(url: str) -> None:
    """Sessions publish their counters when they end at the latest."""
    with psycopg.connect(url, autocommit=True) as connection:
        eventually_blocking(
            lambda: connection.execute(_SESSIONS).fetchone() == (0,), within=30, what="all sessions have ended"
        )


def _call(ground: Ground, command: str, jobs: int, *arguments: float) -> _Take:
    """Jobs a second by the caller's clock."""
    meter = ground.meter()
    answer = ground.call(command, jobs, *arguments)
    meter.stop()
    cpu = {"client": answer["cpu_seconds"] * 1e6 / jobs}
    return _Take(jobs, {("rate", "jobs/s"): jobs / answer["seconds"]}, meter, cpu)


def _drain(ground: Ground, jobs: int, *, workers: int = 1, in_order: bool = False) -> _Take:
    """Jobs that wait already, from the first handler's start until the store shows no unfinished job."""
    ground.call("bulk", jobs - 1, _FILL, 0)
    asyncio.run(asyncio.sleep(_PUBLISHED_AFTER))
    ground.call("bulk", 1, 1, jobs - 1)
    with ground.workers(workers) as team:
        meter = ground.meter(worker=team.pids)
        ended = asyncio.run(_watch(ground, team, jobs, meter))
        starts = team.log.entries()
    seconds = ended - min(start.started for start in starts)
    return _Take(jobs, {("rate", "jobs/s"): jobs / seconds}, meter, problems=tuple(_faults(starts, jobs, in_order)))


async def _watch(ground: Ground, team: Workers, jobs: int, meter: Meter) -> float:
    """When all had ended, on the monotonic clock. One transaction, so that asking adds no commits."""
    await _until(team, 1)
    meter.start()
    async with await psycopg.AsyncConnection.connect(ground.database_url) as connection:
        await _until(team, jobs)
        deadline = time.monotonic() + _WITHIN
        while time.monotonic() < deadline:
            row = await (await connection.execute(ground.player.unfinished)).fetchone()
            if row == (0,):
                ended = time.monotonic()
                meter.stop()
                return ended
            await asyncio.sleep(_POLL)
    raise TimeoutError(f"{jobs} jobs were started, but not all have ended")


async def _until(team: Workers, count: int) -> None:
    deadline = time.monotonic() + _WITHIN
    while team.log.count() < count:
        if time.monotonic() > deadline or not team.are_alive():
            raise TimeoutError(f"{team.log.count()} of {count} jobs were started:\n{team.last_words()}")
        await asyncio.sleep(_POLL)


def _wait_for_starts(ground: Ground, sizes: Sizes) -> _Take:
    """From before the call to the handler's start, on a system that is idle otherwise."""
    with ground.workers() as team:
        meter = ground.meter(worker=team.pids)
        ground.call("latency", sizes.warm_up, 0)
        asyncio.run(_until(team, sizes.warm_up))
        asyncio.run(asyncio.sleep(_PUBLISHED_AFTER))  # what the warm-up left to do is done
        meter.start()
        ground.call("latency", sizes.latency, sizes.interval)
        asyncio.run(_until(team, sizes.warm_up + sizes.latency))
        meter.stop()
        waits = [(start.started - start.sent) * 1000 for start in team.log.entries()[sizes.warm_up :]]
    figures = {(f"p{rank}", "ms"): percentile(waits, rank) for rank in (50, 95, 99)}
    return _Take(sizes.latency, figures, meter, problems=tuple(_miscount(len(waits), sizes.latency)))


def _faults(starts: list[Start], jobs: int, in_order: bool) -> list[str]:
    """Every job once; one at a time means in their order, too."""
    found = _miscount(len(starts), jobs)
    if in_order and [start.sent for start in starts] != sorted(start.sent for start in starts):
        found.append("jobs that ran one at a time started out of their order")
    return found


def _miscount(started: int, jobs: int) -> list[str]:
    return [f"{jobs} jobs were executed {started} times"] if started != jobs else []
