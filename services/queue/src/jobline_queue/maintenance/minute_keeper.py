"""Writes what queues did, minute by minute, once a minute is over; at the end of a term, what there is of the present one.

Nothing waits for it: what it has not written yet is in memory, where GetTrends looks as well. A service that is killed loses
the present minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from jobline_queue.core.trends import KEPT, MINUTE, QueueMinute
from jobline_queue.dispatch.tally import Tally
from jobline_queue.dispatch.term import Term
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)

#: Minutes of queues that are written at once, and that wait to be while the database refuses them: a few hours of dozens.
AT_ONCE, MOST_WAITING = 500, 10_000

T = TypeVar("T")


class MinuteKeeper:
    """The keeper of a term, and of its tally."""

    def __init__(self, term: Term, store: JobStore) -> None:
        self._term = term
        self._store = store
        self._tally = Tally(term.dispatcher)
        term.dispatcher.observers.append(self._tally)
        #: Held by a write.
        self._writing = asyncio.Lock()
        #: Those that were stored.
        self._writes = 0

    async def run_once(self) -> int:
        """Stores the minutes that are over. Always 0: that is no event worth a log line."""
        minutes = self._tally.closed()
        if len(minutes) > MOST_WAITING:
            logger.error("the oldest of %d minutes that could not be stored are given up", len(minutes))
            self._tally.drop(minutes[:-MOST_WAITING])
        if minutes:
            # To its end, also when the term's has come: cut off half-way, nobody would know whether to write them again.
            storing = asyncio.create_task(self._write(minutes[:AT_ONCE]))
            storing.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(storing)
        return 0

    async def finish(self) -> None:
        """The term has ended: stores everything, the minute that is under way as well. Raises psycopg.Error."""
        async with self._writing:
            pass
        if minutes := self._tally.close():
            await self._write(list(minutes))

    async def whole(self, read: Callable[[float], Awaitable[T]]) -> tuple[T, list[QueueMinute]]:
        """What `read` finds in the table, and the minutes that are not in it yet, of one moment. `read` is told up to when
        (epoch seconds) the table has everything."""
        while True:
            writes = await self._written()
            found = await read(self._tally.first * MINUTE)
            if writes == await self._written():
                return found, self._tally.all()

    async def _written(self) -> int:
        """How many writes were stored; none is under way."""
        async with self._writing:
            return self._writes

    async def _write(self, minutes: list[QueueMinute]) -> None:
        async with self._writing:
            await self._store.add_minutes(minutes)
            self._tally.drop(minutes)
            self._writes += 1
        await self._store.forget_minutes(self._term.clock.now() // MINUTE * MINUTE - KEPT)
