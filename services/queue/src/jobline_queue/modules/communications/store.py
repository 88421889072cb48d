"""Reads of a business's messages: every answer is one statement, and so of one moment, but for those that come in batches.

A batch is a short read of its own: however slowly its reader takes it, no connection and no snapshot is held. The rows are
the truth at any time, because those of this kind say `running` from the claim on (hooks.py). Lists and numbers walk the jobs
of one business by the index (owner, created_at).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline_queue.modules.communications.filters import MessageFilter, behind, conditions, place_of, sort_keys
from jobline_queue.modules.communications.health import MessageStats
from jobline_queue.modules.communications.job import owner
from jobline_queue.modules.communications.order import Order
from jobline_queue.modules.communications.tables import messages, outbox, past_messages, templates
from jobline_queue.modules.communications.templates import Template
from jobline_queue.rpc.page_token import Place
from jobline_queue.store.tables import events, jobs

Row = Mapping[str, Any]
BATCH = 200

_SHOWN = [column.key for column in messages.c if column.key in past_messages.c and column.key != "owner"]
_COLUMNS = [messages.c[name] for name in _SHOWN]


class MessageStore:
    """Messages, templates and outbox entries over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
        query = sa.select(*_COLUMNS, messages.c.core_priority).where(*conditions(business_id, where))
        if after is not None:
            query = query.where(behind(order, after))
        return await self._rows(query.order_by(*sort_keys(order)).limit(size))

    async def export(self, business_id: str, where: MessageFilter) -> AsyncGenerator[Sequence[Row], None]:
        """The jobs that match, in the order of creation and in batches: every one that exists and matches throughout, once.

        A retry puts a job behind all that were created in its moment. Those met of that moment are kept in mind, so that
        none is met again.
        """
        met: set[str] = set()
        after: Place | None = None
        while rows := await self.page(business_id, where, Order.CREATION, BATCH, after):
            yield [row for row in rows if row["id"] not in met]
            last = place_of(Order.CREATION, rows[-1])
            if after is None or after.time != last.time:
                met = set()
            met |= {row["id"] for row in rows if row["created_at"] == last.time}
            after = last

    async def of_communication(self, business_id: str, communication_id: str) -> AsyncGenerator[Sequence[Row], None]:
        """Jobs and history entries by when they were due, in batches: those that there are at one moment.

        The first batch is of that moment, too. The others are as they are when they are read; what is gone by then is left
        out.
        """
        by_due = ("scheduled_at", "seq", "attempts")
        places = _either(owner(business_id), "communication_id", [communication_id], ["id", *by_due]).order_by(*by_due)
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            ids = [place["id"] for place in await _fetch(connection, places)]
            first = await _fetch(connection, _either(owner(business_id), "id", ids[:BATCH]))
        yield _in_order(ids[:BATCH], first)
        for start in range(BATCH, len(ids), BATCH):
            part = ids[start : start + BATCH]
            yield _in_order(part, await self._rows(_either(owner(business_id), "id", part)))

    async def get(self, business_id: str, message_id: str) -> Row | None:
        """A job, or a history entry."""
        rows = await self._rows(_either(owner(business_id), "id", [message_id]))
        return rows[0] if rows else None

    async def jobs(self, business_id: str, ids: Collection[str]) -> dict[str, Row]:
        """Those of the jobs that the business has, by id."""
        query = sa.select(*_COLUMNS).where(messages.c.owner == owner(business_id), messages.c.id.in_(ids))
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

    async def outbox(self, business_id: str, communication_id: str, limit: int, after: int) -> list[Row]:
        """In sending order, behind the entry whose `seq` is `after`; an empty communication id is any."""
        of_business = (outbox.c.business_id == business_id, outbox.c.seq > after)
        query = sa.select(outbox).where(*of_business).order_by(outbox.c.seq).limit(limit)
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
            return await _fetch(connection, query)


async def _fetch(connection: AsyncConnection, query: sa.Executable) -> list[Row]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _in_order(ids: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows in the order of their ids."""
    found = {row["id"]: row for row in rows}
    return [found[each] for each in ids if each in found]


def _either(
    job_owner: str, column: str, values: Sequence[str], shown: Sequence[str] = _SHOWN
) -> sa.CompoundSelect[Any]:
    """Jobs and history entries of an owner with one of these values."""
    return sa.union_all(
        *(
            sa.select(*(table.c[name] for name in shown)).where(table.c.owner == job_owner, table.c[column].in_(values))
            for table in (messages, past_messages)
        )
    )
