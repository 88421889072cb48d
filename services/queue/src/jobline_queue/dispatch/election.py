"""Who is the active service: a lock in PostgreSQL decides, an epoch fences.

Every queue service campaigns: five times a second it tries the session lock `active`, never the waiting form, because a
session that waits in it holds back vacuum. Whoever gets it takes over:

    1. end every session that still holds the shared lock `writers`: the writing connections of the term before
    2. take `writers` exclusively: now no old session can write, and none can begin to
    3. raise the epoch
    4. let `writers` go, and only then read the live rows

A writing connection takes `writers` shared and then checks that the epoch is its own (`store/engine.py`). So a service that
was frozen or cut off, and does not know that its time is over, finds its sessions gone and gets no new ones; none of its
statements needs a check of its own.

The election session is separate from all others and has short TCP keepalives. The active service asks it for the time once
a second; when it does not answer, the term ends. After a kill -9 the server notices the closed socket at once, and a
standby takes over with its next try. An orderly stop lets the lock go first, so it takes no longer.
"""

from __future__ import annotations

import asyncio
import logging

import psycopg
from psycopg import AsyncConnection

from jobline import failpoints
from jobline_queue.store.engine import ACTIVE_LOCK, WRITERS_LOCK, connect
from jobline_queue.store.statements import statement

logger = logging.getLogger(__name__)

#: Seconds between two tries. Each takes some 0.3 ms of a standby's time.
CAMPAIGN_INTERVAL = 0.2
#: The same after an error: the database is away.
_AFTER_ERROR = 1.0
#: A session that was told to end and has not after this long makes the take-over fail, and be tried again.
END_TIMEOUT = 10.0


class Election:
    """One service's part in the election.

    The server ends an election session that was silent for `silence` seconds: its service is frozen; a standby takes over.
    """

    def __init__(self, database_url: str, instance: str, silence: float) -> None:
        self._database_url = database_url
        self._instance = instance
        self._silence = silence
        self._session: AsyncConnection | None = None

    async def win(self) -> tuple[int, float]:
        """Waits until this service is the active one. Returns its epoch, and the database's clock (epoch seconds)."""
        while True:
            pause = CAMPAIGN_INTERVAL
            try:
                if await self._try():
                    return await self._take_over()
            except (psycopg.Error, TimeoutError) as error:
                logger.warning("election: %s", str(error).splitlines()[0] if str(error) else type(error).__name__)
                await self.resign()
                pause = _AFTER_ERROR
            await asyncio.sleep(pause)

    async def confirm(self) -> float:
        """The database's clock, if this service is still the active one. Raises psycopg.Error or TimeoutError if not."""
        assert self._session is not None
        async with asyncio.timeout(5.0):
            cursor = await self._session.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            row = await cursor.fetchone()
        assert row is not None
        return float(row[0])

    async def resign(self) -> None:
        """Lets the lock go; another service may take over at once."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _try(self) -> bool:
        if self._session is None or self._session.closed:
            self._session = await connect(self._database_url, "election", idle_timeout=self._silence)
        cursor = await self._session.execute("SELECT pg_try_advisory_lock(%s)", (ACTIVE_LOCK,))
        row = await cursor.fetchone()
        return row is not None and bool(row[0])

    async def _take_over(self) -> tuple[int, float]:
        session = self._session
        assert session is not None
        await failpoints.reach("take_over.locked")
        async with asyncio.timeout(END_TIMEOUT):
            while True:
                if await self._lock_writers(session):
                    break
                await asyncio.sleep(0.02)
        await failpoints.reach("take_over.writers_locked")
        cursor = await session.execute(statement("take_over").encode(), {"instance": self._instance})
        row = await cursor.fetchone()
        await session.execute("SELECT pg_advisory_unlock(%s)", (WRITERS_LOCK,))
        await failpoints.reach("take_over.raised")
        assert row is not None
        return int(row[0]), float(row[1])

    async def _lock_writers(self, session: AsyncConnection) -> bool:
        halves = {"classid": WRITERS_LOCK >> 32, "objid": WRITERS_LOCK & 0xFFFFFFFF}
        await session.execute(statement("end_writers").encode(), halves)
        cursor = await session.execute("SELECT pg_try_advisory_lock(%s)", (WRITERS_LOCK,))
        row = await cursor.fetchone()
        return row is not None and bool(row[0])
