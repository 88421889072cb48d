"""The big run with a standby: one of the processes is killed every few seconds, and every job is done exactly once.

Unlike a chaos run nothing is frozen and no network is cut: so the workers' own journals alone must show that never more
handlers ran at once than a limit allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Sequence
from itertools import cycle

import psycopg
import uuid_utils

from chaos.audit import read_log
from chaos.callers import Ledger, Request, insist, store
from chaos.house import House, open_house
from chaos.journal import Line, read_journals
from chaos.members import Incident
from chaos.replay import Replay
from chaos.report import Report, figures
from chaos.schedule import Fault
from chaos.verdict import Case, judge
from chaos.workload import STEADY_QUEUES, new_job
from support.invariants import Evidence, most_at_once

__all__ = ["ha_run"]

_PRODUCERS = 4
_BATCH = 50
#: In turn, one every `_KILL_EVERY` seconds; everybody else has come back meanwhile.
_VICTIMS = ("active", "worker-1", "standby", "worker-2", "active", "worker-3")
_KILL_EVERY = 3.0
#: At which share of the jobs done PostgreSQL is restarted, and Valkey killed.
_SERVERS = {0.25: "postgres", 0.45: "valkey", 0.65: "postgres"}
#: Everything must have ended so many seconds after the start, and so many more for each 1000 jobs.
_WITHIN, _WITHIN_PER_1000 = 90.0, 4.0

_DONE = "SELECT count(*) FROM jobline.jobs WHERE finished_at IS NOT NULL"


async def ha_run(jobs: int, *, kill_every: float = _KILL_EVERY) -> Report:
    """Enqueues so many jobs and has them worked off, under kills from the first to the last."""
    ledger = Ledger()
    async with open_house("steady", proxied=False) as house:
        began = time.monotonic()
        killer = _Killer(house, jobs, kill_every)
        try:
            async with asyncio.timeout(_WITHIN + _WITHIN_PER_1000 * jobs / 1000), asyncio.TaskGroup() as group:
                for number in range(_PRODUCERS):
                    group.create_task(_produce(house, ledger, number, jobs // _PRODUCERS))
                group.create_task(killer.kill_until_done())
        except TimeoutError:
            ledger.problems.append(f"I13 {killer.done} of {jobs} jobs were done in time")
        seconds = time.monotonic() - began
        report = await asyncio.to_thread(_judge, house, ledger, killer.faults)
        report.figures["done"] = f"{jobs} in {seconds:.1f} s, {jobs / seconds:.0f} a second"
        report.complaints = house.complaints()
    return report


async def _produce(house: House, ledger: Ledger, producer: int, jobs: int) -> None:
    rng = random.Random(f"steady {producer}")
    async with house.client() as client:
        for first in range(0, jobs, _BATCH):
            tags = [f"{producer}-{number}" for number in range(first, min(jobs, first + _BATCH))]
            batch = [new_job(STEADY_QUEUES, rng, tag) for tag in tags]
            request = Request("request_id", batch, str(uuid_utils.uuid7()))
            ledger.requests.append(request)
            await insist(lambda request=request: store(client, request, ledger), ledger)


class _Killer:
    """Kills one after the other, and restarts the servers on the way."""

    def __init__(self, house: House, jobs: int, every: float) -> None:
        self._house = house
        self._jobs = jobs
        self._every = every
        self.done = 0
        self.faults: list[Fault] = []

    async def kill_until_done(self) -> None:
        began = time.monotonic()
        victims, servers = cycle(_VICTIMS), dict(_SERVERS)
        next_kill = began + self._every
        while await self._count() < self._jobs:
            due = [share for share in servers if self.done >= share * self._jobs]
            if due:
                await self._kill(servers.pop(due[0]), began)
            elif time.monotonic() >= next_kill:
                await self._kill(next(victims), began)
                next_kill += self._every
            await asyncio.sleep(0.1)

    async def _count(self) -> int:
        """Jobs that are done; the last known number while the database is away."""
        with contextlib.suppress(psycopg.Error):
            ((done,),) = await self._house.query(_DONE)
            self.done = int(str(done))
        return self.done

    async def _kill(self, whom: str, began: float) -> None:
        name = await self._house.named(whom)
        self.faults.append(Fault(round(time.monotonic() - began, 2), "kill", f"{whom} ({name})", 0.0))
        self._house.members[name].signal(signal.SIGQUIT if name == "postgres" else signal.SIGKILL)


def _judge(house: House, ledger: Ledger, faults: Sequence[Fault]) -> Report:
    lines = list(read_journals(house.journals))
    replay = Replay(read_log(house.database_url), STEADY_QUEUES, ledger.told)
    case = Case(Evidence.read(house.database_url), replay, lines, ledger, STEADY_QUEUES, {})
    report = Report("the run with a standby", faults)
    report.judge(case, judge(case), house.incidents)
    report.violations += [f"I3 {job.id} is {job.state}" for job in case.rows.jobs.values() if job.state != "succeeded"]
    for queue, rules in STEADY_QUEUES.items():
        most = most_at_once(
            _handlers(lines, house.incidents, {job.id for job in replay.jobs.values() if job.queue == queue})
        )
        report.figures[f"handlers of {queue} at once"] = most
        if rules.max_running and most > rules.max_running:
            report.violations.append(f"I7 {most} handlers of {queue} ran at once, and {rules.max_running} may")
    report.figures |= figures(case, house.incidents)
    return report


def _handlers(lines: Sequence[Line], incidents: Sequence[Incident], jobs: set[str]) -> list[tuple[float, float]]:
    """From beginning to end, on the monotonic clock; a handler without an end died with its process."""
    deaths: dict[str, list[float]] = {}
    for incident in incidents:
        if incident.what == "SIGKILL":
            deaths.setdefault(incident.member, []).append(incident.mono)
    begun: dict[tuple[str, str], Line] = {}
    spans = []
    for line in lines:
        if line.job not in jobs:
            continue
        run = (line.job, line.token)
        if line.event == "start":
            begun[run] = line
        elif run in begun:
            spans.append((begun.pop(run).mono, line.mono))
    for line in begun.values():
        spans.append(
            (line.mono, min((at for at in deaths.get(line.worker, ()) if at > line.mono), default=float("inf")))
        )
    return spans
