"""How long the last runs took, for a term that begins: without them its queues would have no estimates for a while."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from jobline_queue.core.pace import RunTime
from jobline_queue.store.search import Searches

#: Rows that are looked at before each id; many of them may not have ended.
MOST = 2000
#: Above all ids.
_NEWEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
#: Ids rise with time, and jobs run about in their order: those that ended last are the newest of all, or stand just before
#: the first one that waits, and the primary key finds both.
_READ = sa.text("""
    WITH ended AS (
        SELECT DISTINCT j.id, j.queue, j.kind, j.state, j.started_at, j.finished_at
        FROM unnest(CAST(:before AS uuid[])) AS before (id)
        CROSS JOIN LATERAL (SELECT * FROM jobline.jobs WHERE id < before.id ORDER BY id DESC LIMIT :most) j
        WHERE j.state IN ('succeeded', 'failed') AND j.started_at IS NOT NULL
    )
    SELECT queue, kind, '', CAST(extract(epoch FROM finished_at - started_at) AS float8), finished_at AS at FROM ended
    UNION ALL
    SELECT e.queue, e.kind, s.name, extract(epoch FROM e.finished_at - s.finished_at) + s.seconds, e.finished_at
    FROM ended e JOIN jobline.steps s ON s.job_id = e.id
    WHERE e.state = 'succeeded' AND s.finished_at >= e.started_at
    ORDER BY at
""")


class RunTimeStore:
    """Reads over the pool."""

    def __init__(self, searches: Searches) -> None:
        self._searches = searches

    async def read(self, before: Sequence[str]) -> list[RunTime]:
        """Times of runs of the newest jobs, and of those just before these ids, the oldest first. Raises TooBroad after
        5 s."""
        async with self._searches.connect() as connection:
            rows = await connection.execute(_READ, {"before": [_NEWEST, *before], "most": MOST})
            return [RunTime(queue, kind, step, seconds) for queue, kind, step, seconds, _ in rows]
