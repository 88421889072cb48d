"""One job, watched to its end: its row now, and again when the term tells of a change.

The rows alone are the truth of this surface, and they follow memory within a tenth of a second. So a change is the sign to
read; as long as the row lags behind what memory knows of the run, it is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from jobline_queue.core.errors import NotActive, NotFound
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.modules.content.store import ContentStore, Row

#: Seconds between two reads.
PAUSE = 0.25
_ENDED = ("succeeded", "failed")


async def watch(active: ActiveTerm, store: ContentStore, owners: Sequence[str], job_id: str) -> AsyncIterator[Row]:
    """The job's row, and then each that differs from the one before; the last one has ended.

    Raises NotFound, also when the job is removed meanwhile, and NotActive when the term ends.
    """
    changes = active.term.changes
    shown: Row | None = None
    with changes.news_of(job_id) as news:
        while not changes.closed:
            news.clear()  # before the read, so that no change can fall between
            row = await store.job(owners, job_id)
            if row is None:
                raise NotFound("job", job_id)
            if shown is None or _changed(shown, row):
                yield row
                shown = row
            if row["status"] in _ENDED:
                return
            await asyncio.sleep(PAUSE)
            if not _lags(active, row):
                await news.wait()
    raise NotActive


def _changed(shown: Row, row: Row) -> bool:
    """The estimate alone is no news: it changes all the time."""
    return any(row[key] != shown[key] for key in ("updated_at", "status", "progress", "current_step"))


def _lags(active: ActiveTerm, row: Row) -> bool:
    live = active.dispatcher.jobs.get(row["id"])
    if live is None or live.lease is None or row["status"] != "running":
        return False
    told = (live.step, live.current, live.total)
    return told != (row["step"] or "", row["progress_current"], row["progress_total"])
