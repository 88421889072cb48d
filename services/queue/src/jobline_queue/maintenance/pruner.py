"""Removes finished jobs: those past `expires_after` by itself, those past `retention` when the cleanup asks for it.

Deletes in small batches on a connection of its own, and only rows that are finished when they are deleted, so it never
meets a job that was retried in between.
"""

from __future__ import annotations

from jobline_queue.dispatch.term import Term
from jobline_queue.store.job_store import JobStore

BATCH = 500


class Pruner:
    def __init__(self, term: Term, store: JobStore) -> None:
        self._term = term
        self._store = store

    async def run_once(self) -> int:
        """Sweeps the finished jobs of queues with `expires_after`, by creation; how many were removed."""
        removed = 0
        for queue, state in list(self._term.dispatcher.queues.items()):
            if state.policy.expires_after is not None:
                removed += await self._prune(queue, self._term.clock.now() - state.policy.expires_after, None)
        return removed

    async def apply_retention(self, queue: str, retention: float | None = None) -> int:
        """Removes the queue's jobs that ended longer than `retention` seconds ago (None: the policy's, which may have none);
        how many."""
        if retention is None:
            retention = self._term.dispatcher.policy(queue).retention
        if retention is None:
            return 0
        return await self._prune(queue, None, self._term.clock.now() - retention)

    async def _prune(self, queue: str, created_before: float | None, finished_before: float | None) -> int:
        removed = 0
        while batch := await self._store.prune_jobs(queue, created_before, finished_before, BATCH):
            removed += len(batch)
            for job in batch:
                self._term.changes.publish(job, None)
        return removed
