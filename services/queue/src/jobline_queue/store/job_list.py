"""Reads of jobs: one, a filtered page, how many a filter chooses, and a job's story.

Pages go in an order that the id makes total (a UUID version 7 begins with its time; alone it is the default order), and each
page begins behind the place where the page before ended: a job that exists throughout and stays where it is in the order is
seen exactly once, whatever is stored or removed meanwhile.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.core.job_filter import NEWEST_FIRST, ChosenJob, JobFilter, JobOrder, JobPlace, JobRow, Sorting
from jobline_queue.core.lifecycle import State
from jobline_queue.store.job_conditions import PRESENT_STATE, conditions
from jobline_queue.store.search import Searches
from jobline_queue.store.tables import attempts, events, jobs, steps

_NEVER = sa.literal_column("'infinity'::timestamptz", jobs.c.finished_at.type)


class JobList:
    """Job reads over the pool."""

    def __init__(self, engine: AsyncEngine, searches: Searches) -> None:
        self._engine = engine
        self._searches = searches

    async def page(
        self,
        where: JobFilter,
        after: JobPlace | None,
        size: int,
        *,
        sorting: Sorting = NEWEST_FIRST,
        payloads: bool = False,
    ) -> list[JobRow]:
        """Up to `size` jobs behind `after`; without payloads and results unless asked for. Raises TooBroad."""
        left_out = () if payloads else ("payload", "result")
        columns = [_as_text(column) for column in jobs.c if column.name not in left_out]
        key = _key(sorting.order)
        query = sa.select(*columns).where(*conditions(where)).limit(size)
        query = query.order_by(*(column.asc() if sorting.ascending else column.desc() for column in key))
        if after is not None:
            query = query.where(_behind(key, after, sorting))
        if where.ids is not None:
            return await self._rows(query)
        async with self._searches.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def count(self, where: JobFilter) -> dict[State, int]:
        """How many jobs there are in each state that has one. Raises TooBroad."""
        state = PRESENT_STATE.label("state")
        query = sa.select(state, sa.func.count()).where(*conditions(where)).group_by(state)
        async with self._searches.connect() as connection:
            return {State(word): count for word, count in await connection.execute(query)}

    async def choose(self, where: JobFilter, most: int) -> list[ChosenJob]:
        """Up to `most` jobs, the oldest first. Raises TooBroad."""
        query = sa.select(jobs.c.id, jobs.c.seq).where(*conditions(where)).order_by(jobs.c.id).limit(most)
        async with self._searches.connect() as connection:
            return [ChosenJob(*row) for row in await connection.execute(query)]

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


def _key(order: JobOrder) -> list[sa.ColumnElement[Any]]:
    match order:
        case JobOrder.CREATED:
            return [jobs.c.id]
        case JobOrder.FINISHED:
            return [sa.func.coalesce(jobs.c.finished_at, _NEVER), jobs.c.id]
        case _:
            return [jobs.c[order], jobs.c.id]


def _behind(key: list[sa.ColumnElement[Any]], after: JobPlace, sorting: Sorting) -> sa.ColumnElement[bool]:
    places: list[sa.ColumnElement[Any]] = [sa.literal(after.id, jobs.c.id.type)]
    if sorting.order is not JobOrder.CREATED:
        value = _NEVER if after.value is None else sa.literal(after.value, jobs.c[sorting.order].type)
        places.insert(0, value)
    left, right = sa.tuple_(*key), sa.tuple_(*places)
    return left > right if sorting.ascending else left < right
