"""Writes into the jobs' own rows what the leases and the workers' reports say already.

A job that runs for longer than 100 ms, or reports progress, is marked `running` in its row by a batched HOT update. Shorter
jobs never are, which saves them an update.
"""

from __future__ import annotations

from jobline_queue.dispatch.acts import MarkRunning
from jobline_queue.dispatch.finisher import Finisher
from jobline_queue.dispatch.term import Term

INTERVAL = 0.1


class Recorder:
    def __init__(self, term: Term, finisher: Finisher) -> None:
        self._term = term
        self._finisher = finisher

    def run_once(self) -> int:
        """Always 0: progress is no event worth a log line."""
        young = self._term.clock.now() - INTERVAL
        for lease in self._term.dispatcher.leases.values():
            for job in lease.jobs.values():
                if job.dirty or (not job.marked and lease.granted_at < young):
                    job.dirty = False
                    job.marked = True
                    self._finisher.put(MarkRunning(job))
        return 0
