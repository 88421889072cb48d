"""Connections to PostgreSQL: three of our own for writing, a pool for everything else.

The writing connections are plain psycopg, in autocommit, with prepared statements and planner settings that keep every
statement on an index nested loop: a table that was analysed while it was empty would otherwise get hash joins that cost
5-25 times as much once it is full (see docs/adr/0003-hot-path.md).

The settings leave one trap. While `jobs` is small, it looks cheap to walk through its whole primary key and to compare each
row with those of the parameter, and the plan is kept while the table grows to a million. So statements find jobs by
`j.id = ANY (ARRAY[r.id])`: no order of an index is of use for that, and nothing but a look by key is left to plan.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

#: Shared by every writing session; held exclusively for a moment by a service that takes over.
WRITERS_LOCK = 0x6A6F626C_77726974
#: Held by the active service's election session.
ACTIVE_LOCK = 0x6A6F626C_61637476

#: A vanished peer is noticed within about 6 s, on both ends: the first by libpq, so that a service learns of a dead server;
#: the second by the server, so that a vanished host does not hold its locks for hours.
CLIENT_KEEPALIVES: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
}
SERVER_KEEPALIVES = (
    "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=6000"
)

_WRITER_SETTINGS = """
SELECT set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('jit', 'off', false)
"""

#: Milliseconds that a writing session waits for a lock that a stranger holds: much longer than any of ours is held.
_LOCK_TIMEOUT = 2000
#: The same while strangers are known to hold locks, so that the waits of many calls do not add up.
_BRIEF_LOCK_TIMEOUT = 50
#: Seconds without such an encounter after which the session is patient again.
_WARY = 10.0
_SET_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, false)"


def is_lost(connection: AsyncConnection, error: psycopg.Error) -> bool:
    """Whether nothing more can be written: the session has ended, or its server is a standby since a fail-over."""
    return connection.closed or isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


class LockPatience:
    """How long a writing session waits for locks that others hold: behind it wait callers who want nothing of these rows.

    2 s at first. Once that was in vain, 50 ms each, until no lock has been in the way for 10 s: a thousand acts on rows that
    somebody has locked cost two seconds and fifty, not half an hour.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        #: Monotonic seconds; None: it is patient. At first it has yet to be told.
        self._wary_until: float | None = 0.0

    async def begin(self) -> None:
        """Makes the session patient, or patient again. To be called outside of a transaction."""
        if self._wary_until is not None and time.monotonic() > self._wary_until:
            self._wary_until = None
            await self._connection.execute(_SET_LOCK_TIMEOUT, (str(_LOCK_TIMEOUT),))

    async def note(self, error: psycopg.Error) -> None:
        """The server has refused a statement, which is undone; if for a lock, the next ones wait briefly."""
        if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            self._wary_until = time.monotonic() + _WARY
            await self._connection.execute(_SET_LOCK_TIMEOUT, (str(_BRIEF_LOCK_TIMEOUT),))


class Deposed(Exception):
    """Another service has taken over: this one's epoch is over."""


async def connect(database_url: str, name: str, *, idle_timeout: float = 0.0) -> AsyncConnection:
    """One session in autocommit, ended by the server after `idle_timeout` seconds without a statement (0: never).

    Raises psycopg.OperationalError when the database does not answer within 5 s.
    """
    options = f"{SERVER_KEEPALIVES} -c idle_session_timeout={round(idle_timeout * 1000)}"
    connection = await AsyncConnection.connect(
        database_url,
        autocommit=True,
        application_name=f"jobline-queue {name}",
        connect_timeout=5,
        options=options,
        **CLIENT_KEEPALIVES,
    )
    connection.prepare_threshold = 0
    return connection


async def connect_writer(database_url: str, name: str, epoch: int) -> AsyncConnection:
    """A writing session of the term `epoch`. Raises Deposed when that term is over.

    The shared lock comes first and the epoch is read second: a service that takes over ends every session that holds the
    lock before it raises the epoch, so a session that sees its own epoch under the lock cannot outlive its term.
    """
    connection = await connect(database_url, name)
    await connection.execute("SELECT pg_advisory_lock_shared(%s)", (WRITERS_LOCK,))
    row = await (await connection.execute("SELECT epoch FROM jobline.epoch")).fetchone()
    if row is None or row[0] != epoch:
        await connection.close()
        raise Deposed
    await connection.execute(_WRITER_SETTINGS)
    return connection


def open_pool(database_url: str) -> AsyncEngine:
    """The pool for reading, and for what modules write beside the jobs. 10 s statement time-out."""
    return create_async_engine(
        sqlalchemy_url(database_url),
        pool_size=5,
        max_overflow=5,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={
            "application_name": "jobline-queue pool",
            "connect_timeout": 5,
            "options": f"{SERVER_KEEPALIVES} -c statement_timeout=10000 -c timezone=UTC",
            **CLIENT_KEEPALIVES,
        },
    )


def sqlalchemy_url(database_url: str) -> str:
    """The same database for SQLAlchemy, through psycopg 3."""
    for prefix in ("postgresql://", "postgres://"):
        if database_url.startswith(prefix):
            return "postgresql+psycopg://" + database_url.removeprefix(prefix)
    return database_url
