"""What runs of this surface store while they run, each call in one transaction with the proof that the run is current.

The fence. The job's row is locked, and in a new statement its lease is asked for. Every end of a run locks that row and
takes the job out of its lease in the same transaction, so it comes wholly before the proof, which then fails and undoes
all, or wholly after the commit. The proof is asked for last, right before the commit: no end ever waits while vectors go
into their index. It is asked of the rows, not of memory: this service may be over, and not know it yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline import failpoints
from jobline_queue.core.errors import StaleLease
from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.store.statements import statement

T = TypeVar("T")

#: Transactions at once: the pool's other connections are for those who read.
MOST_AT_ONCE = 4
#: Two jobs that load the same records may each hold what the other wants. One of them is undone and begins again.
TRIES = 5

#: A service that is frozen in the middle holds its locks for as long as that. Plans are made for each call: a plan without
#: values cannot know how few records of a project there are.
_SETTINGS = """
SELECT set_config('idle_in_transaction_session_timeout', '10s', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
"""


class Runs:
    """The runs of the present term, and transactions in which they store something."""

    def __init__(self, engine: AsyncEngine, core: QueueCore) -> None:
        self._engine = engine
        self._core = core
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    def current(self, job_id: str, lease_token: str) -> LiveJob:
        """The job of the run, as far as memory knows. Raises StaleLease."""
        job = self._core.active.dispatcher.current_run(job_id, lease_token)
        if job is None:
            raise StaleLease
        return job

    def note_progress(self, job_id: str, lease_token: str, done: int, total: int, message: str) -> None:
        """Memory and watchers learn what was stored."""
        self._core.active.note_progress(job_id, lease_token, "", done, total, message)

    async def read(self, name: str, **params: Any) -> list[Any]:
        """The rows of a statement of this module."""
        async with self._room, self._engine.begin() as connection:
            await connection.exec_driver_sql(_SETTINGS)
            return await rows(connection, name, **params)

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """What `work` answers, once all that it has written is committed. It may be called again, from the beginning.

        An error that it raises undoes everything.
        """
        tries = TRIES
        while True:
            tries -= 1
            try:
                async with self._room, self._engine.begin() as connection:
                    await connection.exec_driver_sql(_SETTINGS)
                    answer = await work(connection)
                    await failpoints.reach("ingest.before_commit")
                await failpoints.reach("ingest.after_commit")
                return answer
            except sqlalchemy.exc.OperationalError as error:
                if not isinstance(error.orig, psycopg.errors.DeadlockDetected) or not tries:
                    raise


async def prove_current(connection: AsyncConnection, job_id: str, lease_token: str) -> None:
    """The run is current until the transaction ends. Raises StaleLease."""
    params = {"job_id": job_id, "lease_token": lease_token}
    if not await rows(connection, "lock_run", **params) or not await rows(connection, "find_lease", **params):
        raise StaleLease


async def rows(connection: AsyncConnection, name: str, /, **params: Any) -> list[Any]:
    """The rows of a statement of this module."""
    result = await connection.exec_driver_sql(statement(name, "jobline_queue.modules.ingestion"), params)
    return list(result.all())


async def run(connection: AsyncConnection, name: str, /, **params: Any) -> int:
    """The row count of a statement of this module."""
    return (await connection.exec_driver_sql(statement(name, "jobline_queue.modules.ingestion"), params)).rowcount
