"""What a person needs to understand a violation: the schedule, and all that happened to the job, in one order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.history import JobHistory
from chaos.members import Incident
from chaos.replay import Violation
from chaos.verdict import Case

__all__ = ["story"]

#: Seconds around a job's life whose incidents belong to its story.
_AROUND = 3.0


def story(case: Case, violation: Violation, incidents: Sequence[Incident]) -> list[str]:
    """The rows, log and journal lines of the jobs concerned and the acts of callers, with what went wrong around them."""
    jobs = [case.replay.jobs[job] for job in (violation.job, violation.other) if job in case.replay.jobs]
    if not jobs:
        return []
    events = [event for job in jobs for event in _events(case, job)]
    first, last = min(at for at, _ in events) - _AROUND, max(at for at, _ in events) + _AROUND
    events += [(each.wall, f"  incident: {each}") for each in incidents if first <= each.wall <= last]
    events += [(at, f"  incident: term {epoch} began") for at, epoch in case.replay.epochs if first <= at <= last]
    told = [f"{at - first:8.3f} {text}" for at, text in sorted(events)]
    rows = [f"row: {case.rows.jobs.get(job.id)}" for job in jobs]
    return [violation.what, *(f"{job.id} of {job.queue}, tag {job.tag}" for job in jobs), *told, *rows]


def _events(case: Case, job: JobHistory) -> Iterator[tuple[float, str]]:
    """When, and what."""
    yield from ((entry.at, f"database: {entry}") for entry in job.entries)
    yield from ((line.wall, f"journal: {job.id[:13]} {line}") for line in case.lines if line.job == job.id)
    yield from ((act.wall, f"{act} {job.id[:13]}") for act in case.ledger.acts if act.job == job.id)
    yield from ((row.finished_at, f"attempt row: {row}") for row in case.rows.attempts.get(job.id, ()))
    yield from ((row.at, f"event row: {row}") for row in case.rows.events.get(job.id, ()))
