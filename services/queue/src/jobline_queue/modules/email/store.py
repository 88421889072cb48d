"""The e-mails of users, and their queue items as rows. Reads and the one small write go through the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.modules.email.job import KIND, QUEUE
from jobline_queue.store.tables import jobs

metadata = sa.MetaData(schema="public")
emails = sa.Table(
    "emails",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("user_id", "recipient_name", "recipient_interest", "email_message")),
    sa.Column("template_type", sa.Text),
    sa.Column("metadata", JSONB, key="details"),
    sa.Column("is_confident", sa.Boolean),
    sa.Column("displayed", sa.Boolean),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("job_id", UUID(as_uuid=False)),
)

_COLUMNS = [column for column in emails.c if column.key not in ("details", "job_id")]
_COLUMNS_AND_METADATA: list[Any] = [*_COLUMNS, sa.cast(emails.c.details, sa.Text).label("metadata")]

Row = Mapping[str, Any]


class EmailStore:
    """E-mail and queue item rows over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def items(self, user_id: str, created_after: datetime, ids: Sequence[str] | None = None) -> list[Row]:
        """The user's items in the order of the list. One statement, by the index (owner, created_at)."""
        query = (
            sa.select(
                jobs.c.id,
                jobs.c.state,
                jobs.c.payload["recipient_name"].astext.label("recipient_name"),
                jobs.c.error_message,
                jobs.c.step,
                jobs.c.created_at,
                emails.c.id.label("email_id"),
            )
            .select_from(jobs.outerjoin(emails, sa.and_(jobs.c.state == "succeeded", emails.c.job_id == jobs.c.id)))
            .where(jobs.c.owner == f"user:{user_id}", jobs.c.created_at > created_after)
            .where(jobs.c.queue == QUEUE, jobs.c.kind == KIND, jobs.c.state != "cancelled")
            .order_by(jobs.c.created_at, jobs.c.seq)
        )
        if ids is not None:
            query = query.where(jobs.c.id.in_(ids))
        return await self._rows(query)

    async def item_state(self, user_id: str, job_id: str, created_after: datetime) -> str | None:
        """The state of one of the user's items; None when there is no such item."""
        rows = await self.items(user_id, created_after, [job_id])
        return str(rows[0]["state"]) if rows else None

    async def get(self, user_id: str, email_id: str) -> Row | None:
        query = sa.select(*_COLUMNS_AND_METADATA).where(emails.c.id == email_id, emails.c.user_id == user_id)
        rows = await self._rows(query)
        return rows[0] if rows else None

    async def page(self, user_id: str, limit: int, offset: int, include_discarded: bool) -> list[Row]:
        """The user's e-mails, newest first."""
        query = (
            sa.select(*_COLUMNS_AND_METADATA)
            .where(emails.c.user_id == user_id)
            .order_by(emails.c.created_at.desc(), emails.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        if not include_discarded:
            query = query.where(emails.c.displayed)
        return await self._rows(query)

    async def set_displayed(self, user_id: str, email_id: str, displayed: bool) -> Row | None:
        """The changed e-mail; None when there is none of this user."""
        change = (
            sa.update(emails)
            .where(emails.c.id == email_id, emails.c.user_id == user_id)
            .values(displayed=displayed)
            .returning(*_COLUMNS_AND_METADATA)
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(change)).mappings().first()
        return dict(row) if row else None

    async def _rows(self, query: sa.Select[Any]) -> list[Row]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]
