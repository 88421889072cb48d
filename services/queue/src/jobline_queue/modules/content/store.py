"""Reads of content jobs, organizations, images and posts, over the pool. Every answer is one statement, or says why not.

Lists walk the jobs of one owner by the index (owner, created_at); those of two owners are two such walks, merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.modules.content.job import session_of, user_of
from jobline_queue.modules.content.tables import ctas, jobs, media, organizations, posts
from jobline_queue.rpc.page_token import Place

Row = Mapping[str, Any]
MAX_ORGANIZATIONS = 100

_LISTED = [
    jobs.c[name]
    for name in (
        "id",
        "type",
        "status",
        "progress",
        "current_step",
        "estimated_seconds_remaining",
        "error",
        "error_code",
        "created_at",
        "updated_at",
        "seq",
    )
]
_SHOWN: list[Any] = [
    *_LISTED,
    sa.cast(jobs.c.result, sa.Text).label("result"),
    *(jobs.c[name] for name in ("step", "progress_current", "progress_total")),
]
_ORGANIZATION: list[Any] = [
    *(organizations.c[name] for name in ("id", "website_url", "created_at", "updated_at")),
    sa.cast(organizations.c.analysis, sa.Text).label("analysis"),
]


class ContentStore:
    """Owners are those of jobs: `user:…` and `session:…`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def job(self, owners: Sequence[str], job_id: str) -> Row | None:
        """The job, if it is one of these owners'."""
        return await self._row(sa.select(*_SHOWN).where(jobs.c.id == job_id, jobs.c.owner.in_(owners)))

    async def jobs(
        self, owners: Sequence[str], types: Sequence[str], statuses: Sequence[str], size: int, after: Place | None
    ) -> list[Row]:
        """Up to `size` jobs behind the place `after`, newest first, without results; empty filters let all through."""
        walks = [self._walk(owner, types, statuses, size, after).subquery() for owner in owners]
        merged = sa.union_all(*(sa.select(walk) for walk in walks)).subquery()
        return await self._rows(sa.select(merged).order_by(merged.c.created_at.desc(), merged.c.seq.desc()).limit(size))

    def _walk(
        self, owner: str, types: Sequence[str], statuses: Sequence[str], size: int, after: Place | None
    ) -> sa.Select[Any]:
        query = sa.select(*_LISTED).where(jobs.c.owner == owner)
        if types:
            query = query.where(jobs.c.type.in_(types))
        if statuses:
            query = query.where(jobs.c.status.in_(statuses))
        if after is not None:
            query = query.where(sa.tuple_(jobs.c.created_at, jobs.c.seq) < (after.time, after.seq))
        return query.order_by(jobs.c.created_at.desc(), jobs.c.seq.desc()).limit(size)

    async def input(self, job_id: str) -> Row | None:
        """What a job was given, as `input`."""
        return await self._row(sa.select(jobs.c.input).where(jobs.c.id == job_id))

    # ---- organizations ----------------------------------------------------------------------------------------------

    async def organizations(self, owners: Sequence[str]) -> list[Row]:
        """The owners' organizations, the last updated one first; at most 100."""
        query = sa.select(*_ORGANIZATION).where(_belongs_to(owners))
        newest = (organizations.c.updated_at.desc(), organizations.c.id)
        return await self._rows(query.order_by(*newest).limit(MAX_ORGANIZATIONS))

    async def organization(self, owners: Sequence[str], organization_id: str) -> Row | None:
        return await self._row(
            sa.select(*_ORGANIZATION).where(organizations.c.id == organization_id, _belongs_to(owners))
        )

    async def ctas(self, organization: Row, limit: int) -> list[Row]:
        """The calls to action of the page that the organization was analysed by last, the best first."""
        own = (ctas.c.organization_id == organization["id"], ctas.c.page_url == organization["website_url"])
        best = (ctas.c.conversion_potential.desc(), ctas.c.cta_text, ctas.c.placement)
        return await self._rows(sa.select(ctas).where(*own).order_by(*best).limit(limit))

    # ---- images and posts -------------------------------------------------------------------------------------------

    async def medium(self, name: str) -> Row | None:
        return await self._row(sa.select(media.c.content_type, media.c.content).where(media.c.name == name))

    async def posts(self, user_id: str, size: int, after: Place | None) -> list[Row]:
        """Up to `size` of the user's posts behind the place `after`, newest first."""
        query = sa.select(posts).where(posts.c.user_id == user_id)
        if after is not None:
            query = query.where(sa.tuple_(posts.c.created_at, posts.c.seq) < (after.time, after.seq))
        return await self._rows(query.order_by(posts.c.created_at.desc(), posts.c.seq.desc()).limit(size))

    async def _row(self, query: sa.Select[Any]) -> Row | None:
        rows = await self._rows(query)
        return rows[0] if rows else None

    async def _rows(self, query: sa.Executable) -> list[Row]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _belongs_to(owners: Sequence[str]) -> sa.ColumnElement[bool]:
    """A session's organization is one without a user."""
    users = [user for owner in owners if (user := user_of(owner)) is not None]
    sessions = [session for owner in owners if (session := session_of(owner)) is not None]
    of_session = sa.and_(organizations.c.owner_user_id.is_(None), organizations.c.session_id.in_(sessions))
    return sa.or_(organizations.c.owner_user_id.in_(users), of_session)
