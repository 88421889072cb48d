"""The core's tables for composed reads. The migrations are the truth; this names the columns that reads use."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = sa.MetaData(schema="jobline")

_uuid = UUID(as_uuid=False)
_time = sa.DateTime(timezone=True)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _uuid, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("queue", "kind", "owner", "producer", "state")),
    sa.Column("priority", sa.Integer),
    sa.Column("run_at", _time),
    sa.Column("seq", sa.BigInteger),
    *(sa.Column(name, sa.Text) for name in ("concurrency_key", "idempotency_key", "correlation_id")),
    sa.Column("labels", JSONB),
    sa.Column("payload", JSONB),
    sa.Column("result", JSONB),
    *(sa.Column(name, sa.Text) for name in ("error_code", "error_message")),
    sa.Column("error_retryable", sa.Boolean),
    sa.Column("attempt", sa.Integer),
    sa.Column("max_attempts", sa.Integer),
    sa.Column("step", sa.Text),
    sa.Column("progress_current", sa.BigInteger),
    sa.Column("progress_total", sa.BigInteger),
    sa.Column("progress_message", sa.Text),
    *(sa.Column(name, _time) for name in ("created_at", "started_at", "finished_at", "updated_at")),
    sa.Column("cancel_requested_at", _time),
    sa.Column("worker", sa.Text),
    sa.Column("session_id", _uuid),
    sa.Column("lease_token", _uuid),
    sa.Column("input_items", sa.BigInteger),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("job_id", _uuid),
    sa.Column("number", sa.Integer),
    *(sa.Column(name, sa.Text) for name in ("outcome", "worker", "step", "error_code", "error_message")),
    sa.Column("session_id", _uuid),
    sa.Column("lease_token", _uuid),
    sa.Column("error_retryable", sa.Boolean),
    *(sa.Column(name, _time) for name in ("scheduled_at", "started_at", "finished_at")),
    sa.Column("entry_id", _uuid),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("token", _uuid, primary_key=True),
    sa.Column("job_ids", ARRAY(_uuid)),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("job_id", _uuid, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer),
    sa.Column("output", JSONB),
    sa.Column("seconds", sa.Float),
    sa.Column("finished_at", _time),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("job_id", _uuid),
    *(sa.Column(name, sa.Text) for name in ("queue", "name", "from_state", "to_state", "actor", "detail")),
    sa.Column("at", _time),
)
