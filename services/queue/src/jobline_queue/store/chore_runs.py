"""Who does a chore at one of its times: the first one who asks, decided by a unique key.

The schedulers beside the service may be many, and after an outage of their own broker they may say the same time twice.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.store.statements import statement


class ChoreRuns:
    """Grants over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def grant(self, name: str, fire_time: float, granted_to: str) -> bool:
        """Whether the asker is the first one for this chore and time (epoch seconds); never for one over 30 days ago."""
        params = {"name": name, "fire_time": fire_time, "granted_to": granted_to}
        async with self._engine.begin() as connection:
            return (await connection.exec_driver_sql(statement("grant_chore"), params)).first() is not None
