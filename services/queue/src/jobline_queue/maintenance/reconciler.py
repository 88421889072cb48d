"""Notices jobs that were removed in SQL, behind the service's back: those of deleted users.

A trigger removes the rows and leaves events. Claims and ends would notice the gap by themselves, but until then the jobs
would stand in the order, and others behind them.
"""

from __future__ import annotations

from jobline_queue.dispatch.acts import RemoveJob
from jobline_queue.dispatch.finisher import Finisher
from jobline_queue.store.job_store import JobStore

#: Events become visible in commit order, not in the order of their ids: so many are looked at again.
OVERLAP = 1000


class Reconciler:
    def __init__(self, store: JobStore, finisher: Finisher) -> None:
        self._store = store
        self._finisher = finisher
        self._last: int | None = None
        self._seen: set[str] = set()

    async def run_once(self) -> int:
        """How many jobs were newly found removed."""
        if self._last is None:
            self._last = await self._store.last_event()
        found = await self._store.find_removed(max(0, self._last - OVERLAP))
        new = [(number, job_id) for number, job_id in found if job_id not in self._seen]
        for _, job_id in new:
            self._finisher.put(RemoveJob(job_id, "deleted", "system", lambda _error: None))
        self._seen = {job_id for _, job_id in found}
        self._last = max([self._last, *(number for number, _ in found)])
        return len(new)
