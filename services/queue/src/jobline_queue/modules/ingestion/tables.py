"""What reads of the surface are composed from. Migration 0010 is the truth."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

_core = sa.MetaData(schema="jobline")
_own = sa.MetaData(schema="public")
_time = sa.DateTime(timezone=True)

#: The jobs of both kinds in the surface's words.
queue_jobs = sa.Table(
    "ingestion_jobs",
    _core,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("job_type", "status", "ingest_job_id", "project_id")),
    *(sa.Column(name, sa.Integer) for name in ("priority", "attempts", "max_attempts")),
    *(sa.Column(name, JSONB) for name in ("result", "progress")),
    *(sa.Column(name, _time) for name in ("created_at", "started_at", "completed_at")),
)

projects = sa.Table(
    "projects",
    _own,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("name", "owner_id")),
    sa.Column("created_at", _time),
)

ingest_jobs = sa.Table(
    "ingest_jobs",
    _own,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("project_id", "type", "status", "error")),
    *(sa.Column(name, sa.BigInteger) for name in ("total_records", "saved_count", "skipped_count")),
    sa.Column("skipped_details", JSONB),
    *(sa.Column(name, _time) for name in ("created_at", "updated_at")),
)
