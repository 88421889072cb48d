"""Kills parts of `jobline up` while it loads and embeds records, unless a job has but its last attempt left."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import httpx
import psutil
import psycopg

from benchmarks.memory import PEAK, resident
from chaos.schedule import Fault
from support.eventually import eventually
from support.processes import StackUnderTest

__all__ = ["Killer", "RecordsDone", "plan_of"]

#: Words of each part's command line.
_PARTS = {
    "worker": ("jobline_worker", "serve"),
    "queue service": ("jobline_queue", "serve"),
    "PostgreSQL": ("bin/postgres",),
}
_EVERY_SECONDS = 0.1
_BACK_WITHIN = 90.0

#: What is done of the work: each record is loaded, and each that is stored is embedded.
_DONE = """
SELECT (SELECT coalesce(sum(saved_count + skipped_count), 0) FROM ingest_jobs),
       (SELECT coalesce(sum((result ->> 'vectorizedCount')::bigint), 0) FROM job_queue WHERE status = 'COMPLETED')
"""
#: A kill could be the third that a job meets: three attempts are all it has.
_LAST_CHANCES = """
SELECT count(*) FROM job_queue
WHERE status = 'PROCESSING' AND attempts >= max_attempts OR status = 'PENDING' AND attempts >= max_attempts - 1
"""


@dataclass
class RecordsDone:
    """How far the load is, and when each half of the work was done, in seconds of the monotonic clock."""

    loaded: int = 0
    embedded: int = 0
    loaded_at: float = 0.0
    embedded_at: float = 0.0

    def learn(self, loaded: int, embedded: int) -> None:
        if loaded > self.loaded:
            self.loaded, self.loaded_at = loaded, time.monotonic()
        if embedded > self.embedded:
            self.embedded, self.embedded_at = embedded, time.monotonic()


@dataclass
class Killer:
    """Follows the load, and kills a part whenever its share of the work is done. Cancel `follow` to end it."""

    stack: StackUnderTest
    client: httpx.AsyncClient
    #: Records that will be loaded, and those that will be embedded, together.
    work: int
    #: When to kill what, in order.
    plan: list[tuple[float, str]]
    #: Held while a part is away. Who sends records must hold it: a call that breaks off may have been taken or not.
    quiet: asyncio.Lock = field(default_factory=asyncio.Lock)
    done: RecordsDone = field(default_factory=RecordsDone)
    faults: list[Fault] = field(default_factory=list)
    #: The most that any process of a part held, in MB.
    peaks: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    async def follow(self) -> None:
        url = self.stack.endpoints.database_url
        last = -1
        while True:
            self._weigh()
            with contextlib.suppress(psycopg.Error):
                async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
                    while True:
                        self._weigh()
                        (done,) = await (await connection.execute(_DONE)).fetchall()
                        self.done.learn(*map(int, done))
                        reached = self.done.loaded + self.done.embedded
                        if self._is_due(reached) and reached > last and await self._may_kill(connection):
                            last = reached
                            await self._kill(self.plan.pop(0)[1])
                        await asyncio.sleep(_EVERY_SECONDS)
            await asyncio.sleep(_EVERY_SECONDS)

    def _is_due(self, reached: int) -> bool:
        return bool(self.plan) and reached >= self.plan[0][0] * self.work and not self.quiet.locked()

    async def _may_kill(self, connection: psycopg.AsyncConnection[tuple[int]]) -> bool:
        (row,) = await (await connection.execute(_LAST_CHANCES)).fetchall()
        return row == (0,)

    async def _kill(self, name: str) -> None:
        """Returns once another serves in its place."""
        async with self.quiet:
            victim = self.stack.part(*_PARTS[name])
            if victim is None:
                raise RuntimeError(f"{name} does not run")
            self.faults.append(Fault(round(time.monotonic() - self._began, 2), "kill", name, 0.0))
            self._weigh()
            victim.kill()
            await eventually(lambda: self._is_another(name, victim), within=_BACK_WITHIN, what=f"{name} is back")
            await eventually(self._serves, within=_BACK_WITHIN, what=f"calls are answered after the kill of {name}")

    def _is_another(self, name: str, victim: psutil.Process) -> bool:
        part = self.stack.part(*_PARTS[name])
        return part is not None and part.pid != victim.pid

    async def _serves(self) -> bool:
        return (await self.client.get("/api/projects")).status_code == httpx.codes.OK

    def _weigh(self) -> None:
        for name in ("worker", "queue service"):
            part = self.stack.part(*_PARTS[name])
            with contextlib.suppress(OSError, StopIteration):
                if part is not None:
                    self.peaks[name] = max(self.peaks.get(name, 0.0), resident(part.pid, PEAK))


def plan_of(kills: int, rng: Random) -> list[tuple[float, str]]:
    """So many kills, each part in its turn, spread over the whole work."""
    names: Sequence[str] = list(_PARTS)
    shares = [(number + rng.uniform(0.2, 0.8)) / kills for number in range(kills)]
    return [(share, names[number % len(names)]) for number, share in enumerate(shares)]
