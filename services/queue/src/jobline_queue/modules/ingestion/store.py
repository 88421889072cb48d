"""Projects, ingest jobs and queue jobs over the pool. Reads only, but for new projects: the rest is written by hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline_queue.modules.ingestion.tables import ingest_jobs, projects, queue_jobs

Row = Mapping[str, Any]
MAX_PROJECTS = 1000
#: Bytes of a result that is shown: those of the most jobs of an overview must fit into one message of 4 MiB.
MAX_RESULT = 32 * 1024

#: As text: its numbers come out as they went in.
_RESULT = sa.cast(queue_jobs.c.result, sa.Text)
_BYTES = sa.func.octet_length(_RESULT)
_TOO_LARGE = sa.cast(sa.func.to_jsonb(sa.func.concat(_BYTES, " bytes, too large to be shown here")), sa.Text)
_SHOWN: list[Any] = [
    *(
        queue_jobs.c[name]
        for name in (
            "id",
            "job_type",
            "status",
            "priority",
            "attempts",
            "max_attempts",
            "progress",
            "created_at",
            "started_at",
            "completed_at",
        )
    ),
    sa.case((_BYTES > MAX_RESULT, _TOO_LARGE), else_=_RESULT).label("result"),
]
_OPEN = ("PENDING", "PROCESSING")


class QueueOverview(NamedTuple):
    """The queue at one moment."""

    #: Status → number of jobs.
    numbers: Mapping[str, int]
    #: The newest first.
    recent: Sequence[Row]
    oldest_pending: Row | None
    #: By the database's clock.
    now: datetime


class IngestionStore:
    """Answers of more than one statement are of one snapshot."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    # ---- projects ---------------------------------------------------------------------------------------------------

    async def add_project(self, project_id: str, name: str, owner_id: str) -> Row | None:
        """The new project; None when there is one with this id."""
        new = insert(projects).values(id=project_id, name=name, owner_id=owner_id).on_conflict_do_nothing()
        async with self._engine.begin() as connection:
            row = (await connection.execute(new.returning(*projects.c))).mappings().first()
        return None if row is None else dict(row)

    async def projects(self, owner_id: str | None) -> list[Row]:
        """The owner's, or everybody's, newest first."""
        query = sa.select(projects).order_by(projects.c.created_at.desc(), projects.c.id.desc()).limit(MAX_PROJECTS)
        return await self._rows(query if owner_id is None else query.where(projects.c.owner_id == owner_id))

    # ---- ingest jobs ------------------------------------------------------------------------------------------------

    async def ingest_job(self, ingest_job_id: str) -> Row | None:
        rows = await self._rows(sa.select(ingest_jobs).where(ingest_jobs.c.id == ingest_job_id))
        return rows[0] if rows else None

    async def last_ingest_jobs(self, project_id: str, limit: int) -> list[Row]:
        """Newest first."""
        query = sa.select(ingest_jobs).where(ingest_jobs.c.project_id == project_id)
        return await self._rows(query.order_by(ingest_jobs.c.created_at.desc(), ingest_jobs.c.id.desc()).limit(limit))

    async def open_jobs(self, ingest_job: Row) -> list[str]:
        """The ids of its queue jobs that have not ended."""
        its_own = (queue_jobs.c.ingest_job_id == ingest_job["id"], queue_jobs.c.project_id == ingest_job["project_id"])
        rows = await self._rows(sa.select(queue_jobs.c.id).where(*its_own, queue_jobs.c.status.in_(_OPEN)))
        return [row["id"] for row in rows]

    # ---- queue jobs -------------------------------------------------------------------------------------------------

    async def is_queue_job(self, job_id: str) -> bool:
        return bool(await self._rows(sa.select(queue_jobs.c.id).where(queue_jobs.c.id == job_id)))

    async def overview(self, recent: int) -> QueueOverview:
        """How many jobs there are, the last `recent` ones and the pending one created first.

        The numbers take a look at every job of both kinds: no index may stand on what a run changes.
        """
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            counted = (await connection.execute(_counts())).one()
            newest = (queue_jobs.c.created_at.desc(), queue_jobs.c.id.desc())
            rows = await _fetch(connection, sa.select(*_SHOWN).order_by(*newest).limit(recent)) if recent else []
            oldest = await _fetch(connection, _pending_since(counted.oldest)) if counted.oldest else []
        numbers = {status: getattr(counted, status) for status in _STATUSES}
        return QueueOverview(numbers, rows, oldest[0] if oldest else None, counted.now)

    async def _rows(self, query: sa.Executable) -> list[Row]:
        async with self._engine.connect() as connection:
            return await _fetch(connection, query)


_STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED")


def _counts() -> sa.Select[Any]:
    status = queue_jobs.c.status
    columns: list[Any] = [sa.func.count().filter(status == word).label(word) for word in _STATUSES]
    oldest = sa.func.min(queue_jobs.c.created_at).filter(status == "PENDING")
    return sa.select(*columns, oldest.label("oldest"), sa.func.now().label("now"))


def _pending_since(created_at: datetime) -> sa.Select[Any]:
    first = (queue_jobs.c.created_at == created_at, queue_jobs.c.status == "PENDING")
    return sa.select(*_SHOWN).where(*first).order_by(queue_jobs.c.id).limit(1)


async def _fetch(connection: AsyncConnection, query: sa.Executable) -> list[Row]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]
