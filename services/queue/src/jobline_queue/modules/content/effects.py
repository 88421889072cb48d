"""What content jobs leave behind: the statements that hooks run in the transactions of their arrows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import AsyncConnection

from jobline_queue.core.errors import invalid
from jobline_queue.core.live_job import LiveJob
from jobline_queue.modules.content.job import session_of, user_of
from jobline_queue.modules.content.shapes import Cta, Image
from jobline_queue.store.job_store import id_array
from jobline_queue.store.statements import statement

#: What tells the calls to action of a page apart: text and placement.
CtaKey = tuple[str, str]


async def lock_analysis(connection: AsyncConnection, job_id: str) -> str | None:
    """The address that the job is about, which is not deleted before the transaction ends; None: it is gone."""
    rows = await _rows(connection, "lock_analysis", job_id=job_id)
    return rows[0][0] if rows else None


async def store_organization(connection: AsyncConnection, job: LiveJob, url: str, analysis: dict[str, Any]) -> str:
    """The id of the organization that the job's owner has for this address, with this analysis."""
    rows = await _rows(
        connection,
        "store_organization",
        job_id=job.id,
        user_id=user_of(job.owner),
        session_id=session_of(job.owner),
        url=url,
        analysis=json.dumps(analysis, ensure_ascii=False),
    )
    return str(rows[0][0])


async def find_organization(connection: AsyncConnection, job_id: str) -> str | None:
    """The organization that the job's first step has stored, unless it was deleted."""
    rows = await _rows(connection, "find_organization", job_id=job_id)
    return rows[0][0] if rows else None


async def store_ctas(
    connection: AsyncConnection, organization_id: str, page_url: str, ctas: Sequence[Cta]
) -> dict[CtaKey, str]:
    """Their ids. Of two with the same key the first one counts."""
    found: dict[CtaKey, Cta] = {}
    for cta in ctas:
        found.setdefault((cta.text, cta.placement), cta)
    text = json.dumps([cta.model_dump() for cta in found.values()], ensure_ascii=False)
    rows = await _rows(connection, "store_ctas", organization_id=organization_id, page_url=page_url, ctas=text)
    return {(cta_text, placement): cta_id for cta_id, cta_text, placement in rows}


async def forget_ctas(connection: AsyncConnection, organization_id: str, page_url: str, kept: Iterable[str]) -> None:
    """Removes the page's calls to action but these."""
    await _run(connection, "forget_ctas", organization_id=organization_id, page_url=page_url, kept=id_array(kept))


async def store_media(connection: AsyncConnection, job_id: str, images: Sequence[Image]) -> None:
    """These images are all that the job has. Raises InvalidField for a name that another job has taken."""
    await _run(connection, "forget_media", job_id=job_id, kept=[image.name for image in images])
    for image in images:
        params = {"name": image.name, "content_type": image.content_type, "content": image.content}
        if await _run(connection, "store_medium", job_id=job_id, **params) != 1:
            raise invalid("images", f"the name {image.name} is another job's")


async def find_media(connection: AsyncConnection, job_id: str) -> set[str]:
    """The names of the job's images."""
    return {name for (name,) in await _rows(connection, "find_media", job_id=job_id)}


async def foreign_organization(connection: AsyncConnection, wanted: Iterable[tuple[str, Sequence[str]]]) -> str | None:
    """Of organizations, each with the owners of whom it must be one's, one that is somebody else's."""
    text = json.dumps([{"id": each, "owners": owners} for each, owners in wanted])
    rows = await _rows(connection, "foreign_organizations", wanted=text)
    return rows[0][0] if rows else None


async def note_duration(connection: AsyncConnection, job: LiveJob) -> None:
    """The run of the job succeeds: how long it took goes into the estimates for its kind."""
    await _run(connection, "note_duration", kind=job.kind, started_at=job.started_at)


async def _rows(connection: AsyncConnection, name: str, /, **params: Any) -> list[Any]:
    return await (await connection.execute(_sql(name), params)).fetchall()


async def _run(connection: AsyncConnection, name: str, /, **params: Any) -> int:
    return (await connection.execute(_sql(name), params)).rowcount


def _sql(name: str) -> bytes:
    return statement(name, "jobline_queue.modules.content").encode()
