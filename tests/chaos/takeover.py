"""How long nobody hands out jobs when the active queue service goes: killed, or in an orderly way.

The time runs from the signal to the first handler that begins under a lease of the next term. What a worker holds already
goes on meanwhile and does not count. A part of it is told apart: from the signal to the next term, which is the hand-over
itself. The rest is the load of the jobs into memory, which grows with them, and the worker's way to the other service.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import psycopg

from chaos.audit import install
from chaos.house import House, open_house
from chaos.journal import read_journal
from support.eventually import eventually

__all__ = ["Takeover", "measure_takeovers"]

#: No take-over takes longer, or something is broken.
_PATIENCE = 60.0
_JOURNAL = "worker-1.journal"

#: Jobs as a producer would have stored them long ago; the service reads them when it becomes active.
_FILL = """
INSERT INTO jobline.jobs (
    id, queue, kind, owner, producer, run_at, seq, labels, payload, max_attempts, created_at, updated_at
)
SELECT gen_random_uuid(), 'bulk', 'quick', 'user:0@example.org', 'operator', now(), n, '{"tag": "filler"}',
       '{"ms": 20, "trouble": []}', 20, now(), now()
FROM generate_series(1, %s) n
"""
_GRANTED = """
SELECT 1 FROM chaos.log WHERE what = 'lease granted' AND subject = %s::uuid AND (data ->> 'epoch')::bigint > %s
"""
_RAISED = """
SELECT extract(epoch FROM at)::float8 FROM chaos.log WHERE what = 'epoch raised' AND (data ->> 'epoch')::bigint = %s
"""


@dataclass(frozen=True)
class Takeover:
    """The seconds of some take-overs of one kind."""

    pending: int
    orderly: bool
    seconds: Sequence[float]
    #: Of these, until the next term began.
    to_next_term: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        how = "orderly hand-over" if self.orderly else "kill -9"
        each = ", ".join(f"{seconds:.2f}" for seconds in self.seconds)
        term = statistics.median(self.to_next_term)
        return (
            f"{self.pending} pending, {how}: median {self.median:.2f} s ({each}), {term:.2f} s of it to the next term"
        )


async def measure_takeovers(pending: int, repetitions: int = 3) -> list[Takeover]:
    """Kills, then hand-overs, with one worker that runs jobs of 20 ms, so that most of them stay pending."""
    async with open_house("steady", workers=1, proxied=False, prepare=partial(_fill, pending=pending)) as house:
        taken = []
        for orderly, number in ((False, signal.SIGKILL), (True, signal.SIGTERM)):
            each = [await _measure(house, number) for _ in range(repetitions)]
            taken.append(Takeover(pending, orderly, [total for total, _ in each], [term for _, term in each]))
        return taken


def _fill(database_url: str, *, pending: int) -> None:
    install(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE jobline.jobs DISABLE TRIGGER stored")
        connection.execute(_FILL, (pending,))
        connection.execute("ALTER TABLE jobline.jobs ENABLE TRIGGER stored")
        connection.execute("VACUUM ANALYZE jobline.jobs")


async def _measure(house: House, number: signal.Signals) -> tuple[float, float]:
    """Seconds until a handler began, and until the next term began."""
    epoch = await _epoch(house)
    await _first_start(house, epoch - 1)
    await _standby_is_ready(house)
    active = house.members[await house.named("active")]
    began, wall = time.monotonic(), time.time()
    active.signal(number)
    total = await _first_start(house, epoch) - began
    ((raised,),) = await house.query(_RAISED, epoch + 1)
    return total, float(str(raised)) - wall


async def _standby_is_ready(house: House) -> None:
    """The one that died last is there again, and campaigns: its election session says so."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jobline-queue election'"

    async def both() -> bool:
        return await house.query(count) == [(2,)]

    await eventually(both, within=_PATIENCE, what="a standby campaigns")


async def _epoch(house: House) -> int:
    ((epoch,),) = await house.query("SELECT epoch FROM jobline.epoch")
    return int(str(epoch))


async def _first_start(house: House, epoch: int) -> float:
    """Waits for the first handler that begins from now on under a lease of a later term; the monotonic time.

    The database is asked only about leases that were not seen before: it has enough to do.
    """
    journal = house.journals / _JOURNAL
    offset = journal.stat().st_size if journal.exists() else 0
    earlier: set[str] = set()

    async def first() -> float | None:
        if not journal.exists() or journal.stat().st_size == offset:
            return None
        for line in read_journal(journal, offset):
            if line.event == "start" and line.token not in earlier:
                if await _is_later(house, line.token, epoch):
                    return line.mono
                earlier.add(line.token)
        return None

    found = await eventually(first, within=_PATIENCE, what=f"a term after {epoch} hands out jobs")
    assert found is not None
    return found


async def _is_later(house: House, token: str, epoch: int) -> bool:
    with contextlib.suppress(psycopg.Error):
        return bool(await house.query(_GRANTED, token, epoch))
    return False
