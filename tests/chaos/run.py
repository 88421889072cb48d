"""One chaos run of one seed, from empty servers to a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import time

from chaos.audit import read_log
from chaos.callers import Callers
from chaos.faults import FaultMaker
from chaos.house import House, open_house
from chaos.journal import read_journals
from chaos.leftovers import leftovers
from chaos.replay import Replay
from chaos.report import Report, figures, frozen
from chaos.schedule import schedule
from chaos.verdict import Case, judge
from chaos.watchers import Watchers, watchers
from chaos.workload import QUEUES
from jobline_queue.dispatch.claimer import LOST_WAKE_UP
from support.invariants import Evidence

__all__ = ["chaos_run"]

_JOBS_PER_SECOND = 120.0
#: How long everything may take to end once nothing goes wrong any more.
_DRAIN_WITHIN = 120.0

_LEFT = "SELECT (SELECT count(*) FROM jobline.jobs WHERE finished_at IS NULL) + (SELECT count(*) FROM jobline.leases)"


async def chaos_run(seed: int, seconds: float) -> Report:
    """Faults and load for so many seconds, then the drain, then the checks. Raises only when the house cannot stand."""
    report = Report(f"seed {seed}", schedule(seed, seconds))
    async with open_house("chaos") as house, watchers(house, seed) as watching:
        callers = Callers(house, seed, _JOBS_PER_SECOND)
        load = asyncio.create_task(callers.work())
        await FaultMaker(house).follow(report.faults, seconds)
        load.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await load
        began = time.monotonic()
        await callers.finish()
        left = await _drain(house)
        report.figures["seconds until all had ended"] = round(time.monotonic() - began, 1)
        if left:
            report.leftovers = await leftovers(house)
            report.violations.append(f"I13 {left} jobs have not ended {_DRAIN_WITHIN:.0f} s after the last fault")
        rows = await asyncio.to_thread(Evidence.read, house.database_url)
        await watching.until_told(rows.jobs)
        await asyncio.to_thread(_judge, house, callers, watching, rows, report)
        report.complaints = house.complaints()
        report.violations += [f"I13 {line}" for line in report.complaints if LOST_WAKE_UP in line]
    return report


async def _drain(house: House) -> int:
    """Waits until every job has ended; how many have not when the time is up."""
    deadline = time.monotonic() + _DRAIN_WITHIN
    while True:
        ((left,),) = await house.query(_LEFT)
        if not left or time.monotonic() > deadline:
            return int(str(left))
        await asyncio.sleep(0.1)


def _judge(house: House, callers: Callers, watching: Watchers, rows: Evidence, report: Report) -> None:
    case = Case(
        rows,
        Replay(read_log(house.database_url), QUEUES, callers.ledger.told),
        list(read_journals(house.journals)),
        callers.ledger,
        QUEUES,
        frozen(house.incidents),
    )
    report.judge(case, [*judge(case), *watching.judge(rows.jobs)], house.incidents)
    report.figures |= {**figures(case, house.incidents), **watching.figures}
