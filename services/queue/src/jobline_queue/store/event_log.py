"""The history of acts, over the pool: read page by page, and written for acts on many jobs.

The line of such an act is there before the first job is touched, so that an act that breaks in the middle is in the history,
too. What becomes of each job is a line of its own, written with the act on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.core.history import EventFilter
from jobline_queue.core.job_filter import JobRow
from jobline_queue.store.search import Searches
from jobline_queue.store.tables import events

#: What happens to jobs without anybody having asked for it …
_BY_ITSELF = ("expired", "released", "snoozed", "voided")
#: … and who acts then.
_SYSTEM = "system"


class EventLog:
    """Reads and writes of `jobline.events`."""

    def __init__(self, engine: AsyncEngine, searches: Searches) -> None:
        self._engine = engine
        self._searches = searches

    async def page(self, where: EventFilter, below: int | None, size: int) -> list[JobRow]:
        """Up to `size` lines with ids below `below`, newest first. Raises TooBroad."""
        query = sa.select(events).where(*_conditions(where)).order_by(events.c.id.desc()).limit(size)
        if below is not None:
            query = query.where(events.c.id < below)
        async with self._searches.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def begin(self, name: str, queue: str, actor: str, detail: str) -> int:
        """Stores a line; its id."""
        line = sa.insert(events).values(name=name, queue=queue, actor=actor, detail=detail).returning(events.c.id)
        async with self._engine.begin() as connection:
            return int((await connection.execute(line)).scalar_one())

    async def amend(self, event_id: int, detail: str) -> None:
        """Replaces the detail of a line."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.update(events).where(events.c.id == event_id).values(detail=detail))


def _conditions(where: EventFilter) -> list[sa.ColumnElement[bool]]:
    wanted = {"queue": where.queue, "actor": where.actor, "name": where.name}
    found: list[sa.ColumnElement[bool]] = [events.c[column] == word for column, word in wanted.items() if word]
    if not (where.with_system or where.name):
        found += [events.c.name.not_in(_BY_ITSELF), events.c.actor != _SYSTEM]
    return found
