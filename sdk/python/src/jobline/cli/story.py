"""The story of one job: what GetJob and ExplainJob say, joined into one timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobline.cli.clock import span, span_between
from jobline.client import Attempt, Job, JobEvent, JoblineClient, Step, WaitReason
from jobline.errors import NotFound

__all__ = ["JobStory", "TimelineEntry", "read_story", "timeline"]

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class JobStory:
    """All that is known about a job. `job` is None when it was removed and only its events are left."""

    id: str
    job: Job | None
    attempts: Sequence[Attempt] = ()
    steps: Sequence[Step] = ()
    events: Sequence[JobEvent] = ()
    waiting_for: Sequence[WaitReason] = ()


@dataclass(frozen=True)
class TimelineEntry:
    """One line of a timeline. `time` is None where it is not known; such a line stands at the end."""

    time: datetime | None
    what: str
    detail: str = ""


def read_story(client: JoblineClient, job_id: str) -> JobStory:
    """Everything the service knows about the job, also when only its events are left.

    Two calls, because steps and events come from different ones. Raises NotFound when there is nothing at all.
    """
    explained = client.explain(job_id)
    try:
        found = client.get(job_id)
    except NotFound:
        return JobStory(job_id, None, attempts=explained.attempts, events=explained.events)
    return JobStory(job_id, found.job, found.attempts, found.steps, explained.events, explained.waiting_for)


def timeline(story: JobStory) -> list[TimelineEntry]:
    """Attempts, events and finished steps in the order in which they happened."""
    entries = [*_events(story), *_steps(story), *_runs(story)]
    return sorted(entries, key=lambda entry: entry.time or _END_OF_TIME)


def _steps(story: JobStory) -> Iterator[TimelineEntry]:
    for step in story.steps:
        yield TimelineEntry(step.finished_at, f"step {step.name} done", f"took {span(step.seconds)}")


def _events(story: JobStory) -> Iterator[TimelineEntry]:
    if story.job is not None and not any(event.name == "enqueued" for event in story.events):
        yield TimelineEntry(story.job.created_at, "enqueued")
    for event in story.events:
        yield TimelineEntry(event.time, event.name, _event_detail(event))


def _event_detail(event: JobEvent) -> str:
    by = f"by {event.actor}" if event.actor else ""
    return ": ".join(part for part in (by, event.detail) if part)


def _runs(story: JobStory) -> Iterator[TimelineEntry]:
    for attempt in story.attempts:
        worker = f"on worker {attempt.worker}" if attempt.worker else ""
        yield TimelineEntry(attempt.started_at, f"run {attempt.number} started", worker)
        if attempt.finished_at is not None:
            outcome = attempt.outcome.replace("_", " ")
            yield TimelineEntry(attempt.finished_at, f"run {attempt.number} {outcome}", _attempt_detail(attempt))


def _attempt_detail(attempt: Attempt) -> str:
    parts = [f"after {span_between(attempt.started_at, attempt.finished_at)}"]
    if attempt.step:
        parts.append(f"in step {attempt.step}")
    where = ", ".join(parts)
    return where if attempt.error is None else f"{where}: {attempt.error.code} {attempt.error.message}"
