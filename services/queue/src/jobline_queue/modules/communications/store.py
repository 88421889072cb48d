"""Reads of a business's messages: every answer is one statement, and so of one moment.

The rows are the truth at any time, because those of this kind say `running` from the claim on (hooks.py). Lists and numbers
walk the jobs of one business by the index (owner, created_at).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.modules.communications.filters import MessageFilter, behind, conditions, sort_keys
from jobline_queue.modules.communications.health import MessageStats
from jobline_queue.modules.communications.job import owner
from jobline_queue.modules.communications.page_token import Order, Place
from jobline_queue.modules.communications.tables import messages, outbox, past_messages, templates
from jobline_queue.modules.communications.templates import Template
from jobline_queue.store.tables import events, jobs

Row = Mapping[str, Any]
BATCH = 200
#: Exports hold a connection of the pool for as long as their reader takes; the others are for everyone else.
MAX_EXPORTS = 3
#: A reader that takes nothing for so long has lost its export.
_STALLED = sa.text("SET LOCAL idle_in_transaction_session_timeout = '60s'")

_SHOWN = [column for column in messages.c if column.key in past_messages.c and column.key != "owner"]
_PAST = [past_messages.c[column.key] for column in _SHOWN]


class MessageStore:
    """Messages, templates and outbox entries over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._exports = asyncio.Semaphore(MAX_EXPORTS)

    async def stats(self, business_id: str) -> MessageStats:
        words = ("pending", "processing", "completed", "failed", "cancelled")
        took = sa.func.extract("epoch", messages.c.completed_at - messages.c.started_at)
        query = sa.select(
            *(sa.func.count().filter(messages.c.status == word).label(word) for word in words),
            sa.func.min(messages.c.scheduled_at).filter(messages.c.status == "pending").label("oldest_pending"),
            sa.cast(sa.func.avg(took), sa.Float).label("avg_processing"),
        ).where(messages.c.owner == owner(business_id))
        (row,) = await self._rows(query)
        return MessageStats(**row)

    async def page(
        self, business_id: str, where: MessageFilter, order: Order, size: int, after: Place | None = None
    ) -> list[Row]:
        """Up to `size` jobs behind the place `after`."""
        query = sa.select(*_SHOWN, messages.c.core_priority).where(*conditions(business_id, where))
        if after is not None:
            query = query.where(behind(order, after))
        return await self._rows(query.order_by(*sort_keys(order)).limit(size))

    async def export(self, business_id: str, where: MessageFilter) -> AsyncGenerator[Sequence[Row], None]:
        """All jobs that match, in the order of creation and in batches, as one moment saw them."""
        query = sa.select(*_SHOWN).where(*conditions(business_id, where)).order_by(*sort_keys(Order.CREATION))
        async with self._exports, self._engine.connect() as connection:
            await connection.execute(_STALLED)
            result = await connection.stream(query, execution_options={"yield_per": BATCH})
            async for batch in result.mappings().partitions():
                yield [dict(row) for row in batch]

    async def of_communication(self, business_id: str, communication_id: str) -> list[Row]:
        """Jobs and history entries, by when they were due."""
        found = _either(owner(business_id), "communication_id", communication_id)
        return await self._rows(found.order_by("scheduled_at", sa.text("started_at NULLS LAST"), "seq", "attempts"))

    async def get(self, business_id: str, message_id: str) -> Row | None:
        """A job, or a history entry."""
        rows = await self._rows(_either(owner(business_id), "id", message_id))
        return rows[0] if rows else None

    async def jobs(self, business_id: str, ids: Collection[str]) -> dict[str, Row]:
        """Those of the jobs that the business has, by id."""
        query = sa.select(*_SHOWN).where(messages.c.owner == owner(business_id), messages.c.id.in_(ids))
        return {row["id"]: row for row in await self._rows(query)}

    async def failed(self, business_id: str, where: MessageFilter) -> list[str]:
        """The ids of the jobs that match, the latest change first."""
        query = sa.select(messages.c.id).where(*conditions(business_id, where)).order_by(*sort_keys(Order.LATEST))
        return [row["id"] for row in await self._rows(query)]

    async def created_at(self, ids: Collection[str]) -> dict[str, datetime]:
        """When these jobs were created, by id; those that are gone are missing."""
        rows = await self._rows(sa.select(jobs.c.id, jobs.c.created_at).where(jobs.c.id.in_(ids)))
        return {row["id"]: row["created_at"] for row in rows}

    async def retried_at(self, job_id: str) -> datetime | None:
        """When the job was retried last."""
        retried = sa.select(sa.func.max(events.c.at).label("at"))
        (row,) = await self._rows(retried.where(events.c.job_id == job_id, events.c.name == "retried"))
        at: datetime | None = row["at"]
        return at

    async def outbox(self, business_id: str, communication_id: str, limit: int) -> list[Row]:
        """In sending order; an empty communication id is any."""
        query = sa.select(outbox).where(outbox.c.business_id == business_id).order_by(outbox.c.seq).limit(limit)
        if communication_id:
            query = query.where(outbox.c.communication_id == communication_id)
        return await self._rows(query)

    async def templates(self, business_id: str, ids: Collection[str]) -> dict[str, Template]:
        """The templates that a business may use, by id; its own goes before a common one."""
        query = (
            sa.select(templates.c.id, templates.c.subject, templates.c.body)
            .where(templates.c.id.in_(ids))
            .where(sa.or_(templates.c.business_id.is_(None), templates.c.business_id == business_id))
            .order_by(templates.c.business_id.nulls_first())
        )
        return {row["id"]: Template(**row) for row in await self._rows(query)}

    async def _rows(self, query: sa.Executable) -> list[Row]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _either(job_owner: str, column: str, value: str) -> sa.CompoundSelect[Any]:
    """Jobs and history entries of an owner with this value."""
    return sa.union_all(
        sa.select(*_SHOWN).where(messages.c.owner == job_owner, messages.c[column] == value),
        sa.select(*_PAST).where(past_messages.c.owner == job_owner, past_messages.c[column] == value),
    )
