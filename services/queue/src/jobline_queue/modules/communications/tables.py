"""What reads of the surface are composed from: the views in its words, and its own tables. Migration 0005 is the truth."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

_core = sa.MetaData(schema="jobline")
_own = sa.MetaData(schema="public")
_uuid = UUID(as_uuid=False)
_time = sa.DateTime(timezone=True)


def _shown() -> list[sa.Column[Any]]:
    """The columns that jobs and history entries have in common."""
    return [
        sa.Column("id", _uuid, primary_key=True),
        *(sa.Column(name, sa.Text) for name in ("communication_id", "status", "priority", "last_error", "payload")),
        *(sa.Column(name, _time) for name in ("scheduled_at", "started_at", "completed_at")),
        *(sa.Column(name, sa.Integer) for name in ("attempts", "max_attempts")),
        *(sa.Column(name, _time) for name in ("created_at", "updated_at")),
        sa.Column("owner", sa.Text),
        sa.Column("seq", sa.BigInteger),
    ]


messages = sa.Table(
    "messages",
    _core,
    *_shown(),
    sa.Column("core_priority", sa.Integer),
    *(sa.Column(name, sa.Text) for name in ("channel", "recipient_contact", "subject", "body")),
)

#: Runs that failed and that another one followed.
past_messages = sa.Table("past_messages", _core, *_shown(), sa.Column("job_id", _uuid))

templates = sa.Table(
    "communication_template",
    _own,
    *(sa.Column(name, sa.Text) for name in ("id", "business_id", "subject", "body")),
)

outbox = sa.Table(
    "communication_outbox",
    _own,
    sa.Column("id", _uuid, primary_key=True),
    sa.Column("seq", sa.BigInteger),
    sa.Column("business_id", sa.Text),
    sa.Column("job_id", _uuid),
    *(sa.Column(name, sa.Text) for name in ("communication_id", "channel", "recipient_contact", "subject", "body")),
    sa.Column("attempt", sa.Integer),
    sa.Column("sent_at", _time),
)
