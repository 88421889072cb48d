"""Reads of jobs: one, a filtered page, and a job's story. The only SQL here that is composed.

Pages go newest first by id (a UUID version 7 begins with its time), and each page begins behind the last id of the page
before: a job that exists throughout is seen exactly once, whatever is stored or removed meanwhile.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.core.job_filter import JobFilter, JobRow
from jobline_queue.store.tables import attempts, events, jobs, steps


class JobList:
    """Job reads over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, where: JobFilter, after: str | None, size: int, *, payloads: bool = False) -> list[JobRow]:
        """Up to `size` jobs with ids below `after`, newest first; without payloads and results unless asked for."""
        left_out = () if payloads else ("payload", "result")
        columns = [_as_text(column) for column in jobs.c if column.name not in left_out]
        query = sa.select(*columns).where(*_conditions(where)).order_by(jobs.c.id.desc()).limit(size)
        if after is not None:
            query = query.where(jobs.c.id < after)
        return await self._rows(query)

    async def get(self, job_id: str) -> JobRow | None:
        rows = await self.page(JobFilter(ids=[job_id]), None, 1, payloads=True)
        return rows[0] if rows else None

    async def attempts(self, job_id: str) -> list[JobRow]:
        return await self._rows(sa.select(attempts).where(attempts.c.job_id == job_id).order_by(attempts.c.id))

    async def steps(self, job_id: str) -> list[JobRow]:
        columns = [_as_text(column) for column in steps.c]
        query = sa.select(*columns).where(steps.c.job_id == job_id).order_by(steps.c.finished_at, steps.c.name)
        return await self._rows(query)

    async def events(self, job_id: str) -> list[JobRow]:
        return await self._rows(sa.select(events).where(events.c.job_id == job_id).order_by(events.c.id))

    async def _rows(self, query: sa.Select[Any]) -> list[JobRow]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _as_text(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """JSON columns come as text: they are passed on, not read."""
    if column.name in ("payload", "result", "output"):
        return sa.cast(column, sa.Text).label(column.name)
    return column


def _conditions(where: JobFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if where.queue:
        found.append(jobs.c.queue == where.queue)
    if where.kind:
        found.append(jobs.c.kind == where.kind)
    if where.owner is not None:
        found.append(jobs.c.owner == where.owner)
    if where.producer is not None:
        found.append(jobs.c.producer == where.producer)
    if where.states:
        found.append(jobs.c.state.in_(where.states))
    if where.labels:
        found.append(jobs.c.labels.contains(dict(where.labels)))
    if where.created_after is not None:
        found.append(jobs.c.created_at > where.created_after)
    if where.created_before is not None:
        found.append(jobs.c.created_at < where.created_before)
    if where.ids is not None:
        found.append(jobs.c.id.in_(where.ids))
    return found
