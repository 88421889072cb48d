"""What reads of the surface are composed from. Migrations 0006 and 0007 are the truth."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

_core = sa.MetaData(schema="jobline")
_own = sa.MetaData(schema="public")
_uuid = UUID(as_uuid=False)
_time = sa.DateTime(timezone=True)

#: The jobs in the surface's words.
jobs = sa.Table(
    "content_jobs",
    _core,
    sa.Column("id", _uuid, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("owner", "type", "status", "current_step", "error", "error_code", "step")),
    sa.Column("seq", sa.BigInteger),
    *(sa.Column(name, sa.Integer) for name in ("progress", "estimated_seconds_remaining")),
    sa.Column("input", JSONB),
    sa.Column("result", JSONB),
    *(sa.Column(name, sa.BigInteger) for name in ("progress_current", "progress_total")),
    *(sa.Column(name, _time) for name in ("created_at", "updated_at")),
)

organizations = sa.Table(
    "organizations",
    _own,
    sa.Column("id", _uuid, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("owner_user_id", "session_id", "website_url")),
    sa.Column("analysis", JSONB),
    *(sa.Column(name, _time) for name in ("created_at", "updated_at")),
)

ctas = sa.Table(
    "cta_analysis",
    _own,
    *(sa.Column(name, _uuid) for name in ("id", "organization_id")),
    *(sa.Column(name, sa.Text) for name in ("page_url", "cta_text", "cta_type", "href", "placement", "data_source")),
    sa.Column("conversion_potential", sa.Integer),
)

media = sa.Table(
    "media",
    _own,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("content_type", sa.Text),
    sa.Column("content", BYTEA),
)

posts = sa.Table(
    "blog_posts",
    _own,
    sa.Column("id", _uuid, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("user_id", "organization_id", "title", "content", "meta_description")),
    sa.Column("status", sa.Text),
    *(sa.Column(name, sa.Integer) for name in ("word_count", "seo_score_prediction")),
    sa.Column("created_at", _time),
    sa.Column("seq", sa.BigInteger),
)
