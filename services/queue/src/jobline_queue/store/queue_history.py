"""What became of a queue's jobs, counted in the table.

No index serves this (see the first migration: none may stand on what a run changes), so it reads the table once. It is for
an operator who asks, not for a page that polls.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.core.queue_history import QueueHistory
from jobline_queue.store.tables import jobs


class QueueHistoryStore:
    """Counts over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def count(self, queue: str) -> QueueHistory:
        run = sa.extract("epoch", jobs.c.finished_at - jobs.c.started_at)
        query = sa.select(
            sa.func.count(),
            *(sa.func.count().filter(jobs.c.state == state) for state in ("succeeded", "failed", "cancelled")),
            sa.cast(sa.func.avg(run).filter(jobs.c.state == "succeeded"), sa.Float),
            sa.func.min(jobs.c.run_at).filter(jobs.c.state == "pending"),
        ).where(jobs.c.queue == queue)
        async with self._engine.connect() as connection:
            row: Any = (await connection.execute(query)).one()
        return QueueHistory._make(row)
