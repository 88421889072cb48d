"""What must hold at the end of a scene: of the rows, of what a watcher saw, and of the rows beside the journals.

`support.invariants` checks I1-I7, I13 and I14 of the fault catalogue from the database. A worker under test adds its word:

I3  a job that succeeded was completed by a handler, in the attempt that counted
I5  a run that ended otherwise than by being lost had begun in a handler
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from conformance.journal import Entry
from support.invariants import AttemptRow, Evidence, JobRow, illegal_path, violations
from support.queue_service import QueueServiceUnderTest
from support.queue_watch import Watch

__all__ = ["check_invariants"]


def check_invariants(
    service: QueueServiceUnderTest, job_ids: Sequence[str], watch: Watch, journals: Iterable[Entry]
) -> None:
    """Raises AssertionError with each violation."""
    evidence = Evidence.read(service.database_url)
    found = list(violations(evidence, acknowledged=job_ids))
    found += [f"I4 job {job}: {path}" for job in job_ids if (path := illegal_path(watch.states(job)))]
    entries = list(journals)
    for job_id in job_ids:
        of_job = [entry for entry in entries if entry.job == job_id]
        found += _unlike_the_journal(evidence.jobs[job_id], evidence.attempts.get(job_id, []), of_job)
    assert found == []


def _unlike_the_journal(job: JobRow, runs: Sequence[AttemptRow], entries: Sequence[Entry]) -> list[str]:
    begun = {entry.attempt for entry in entries if entry.event == "start"}
    completed = {entry.attempt for entry in entries if (entry.event, entry.detail) == ("finish", "completed")}
    found = [
        f"I5 job {job.id}: its run {run.number} {run.outcome}, and no handler began it"
        for run in runs
        if run.outcome in ("failed", "snoozed") and run.number not in begun
    ]
    if job.state == "succeeded" and job.attempt not in completed:
        found.append(f"I3 job {job.id}: succeeded in attempt {job.attempt}, and no handler completed it: {entries}")
    return found
