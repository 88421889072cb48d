"""Removes parts of inputs that nobody needs, a few at a time: their job is gone, or done with them; or they were staged
and never used, because their caller broke off or the service died before the commit."""

from __future__ import annotations

from jobline_queue.store.job_store import JobStore

#: Seconds that all of a call's chunks may take.
STAGED_FOR = 3600.0
#: Up to 512 KiB each.
BATCH = 50


class InputSweeper:
    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def run_once(self) -> int:
        """How many parts were removed."""
        removed = 0
        while batch := await self._store.sweep_inputs(STAGED_FOR, BATCH):
            removed += batch
        return removed
