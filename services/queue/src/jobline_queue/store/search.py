"""Searches: reads whose time depends on what is asked for and on how much there is.

They are cut off, so that nobody waits for an answer that comes too late; and only a few go on at once, so that the pool
always has connections for what everybody else needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline_queue.core.errors import TooBroad

#: Seconds.
SEARCH_TIMEOUT = 5
#: Of the pool's ten connections.
_AT_ONCE = 4
_SET_TIMEOUT = sa.text(f"SELECT set_config('statement_timeout', '{SEARCH_TIMEOUT}s', true)")


class Searches:
    """Connections for searches."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._free = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one search. Raises TooBroad for a search that takes longer than 5 s."""
        async with self._free, self._engine.connect() as connection:
            await connection.execute(_SET_TIMEOUT)
            try:
                yield connection
            except sa.exc.OperationalError as error:
                if isinstance(error.orig, psycopg.errors.QueryCanceled):
                    raise TooBroad(f"the search takes longer than {SEARCH_TIMEOUT} s: narrow it") from error
                raise
