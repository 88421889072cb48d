"""One sentence about a job: why it does not run, why it failed, or how it stands. And what to do about it.

Written for someone who was woken up: the sentence comes first on the screen and is complete by itself.
"""

from __future__ import annotations

from datetime import datetime

from jobline.cli.clock import clock_time, since, span_between
from jobline.cli.story import JobStory
from jobline.client import Job, JobState

__all__ = ["advice", "verdict"]

_WAIT_ADVICE = {
    "ROW_LOCKED": "end the transaction that has locked it: SELECT * FROM pg_stat_activity WHERE state LIKE 'idle in%'",
    "QUEUE_PAUSED": "jobline queues resume {queue}",
    "NO_WORKER": "jobline workers list, then start a worker for queue {queue}: jobline-worker serve",
    "NO_CAPACITY": "jobline workers list, then start another worker if they are all busy with good reason",
    "QUEUE_LIMIT": "jobline jobs list --queue {queue} --state running",
    "KEY_LIMIT": "jobline jobs explain {named}",
    "RATE_LIMIT": "nothing: it starts when the window allows; jobline queues list",
    "BEHIND_OTHERS": "jobline jobs list --queue {queue} --state running",
    "NEXT": "nothing: it starts at once; if it does not, read the queue service's log and restart the service",
    "CLAIMING": "nothing: it starts at once; if it does not, look what the database waits for: pg_stat_activity",
    "CHANGING": "nothing; if it lasts, look what the database waits for: pg_stat_activity",
}

_FAILURE_ADVICE = {
    "WORKER_LOST": "read the worker's log around that time, then jobline jobs retry {id}",
    "POISON": "find out why it kills its worker before jobline jobs retry {id}",
    "INVALID_PAYLOAD": "a retry will not help: enqueue it again with a payload that the pipeline expects",
}


def verdict(story: JobStory, now: datetime) -> str:
    """The state of the job as one sentence."""
    job = story.job
    if job is None:
        return _removed(story)
    sentences = {
        JobState.PENDING: _pending,
        JobState.RUNNING: _running,
        JobState.SUCCEEDED: _succeeded,
        JobState.FAILED: _failed,
        JobState.CANCELLED: _cancelled,
    }
    sentence = sentences.get(job.state)
    return sentence(job, story, now) if sentence else "In a state that is newer than this command."


def advice(story: JobStory) -> str:
    """What to type next; empty when there is nothing to do."""
    job = story.job
    if job is None:
        return ""
    if job.state is JobState.PENDING and story.waiting_for:
        first = story.waiting_for[0]
        named = first.job_ids[0] if first.job_ids else "ID"
        return _WAIT_ADVICE.get(first.code, "").format(queue=job.queue, named=named)
    if job.state is JobState.FAILED:
        hint = _FAILURE_ADVICE.get(job.error.code if job.error else "", "jobline jobs retry {id}")
    elif job.state is JobState.CANCELLED:
        hint = "jobline jobs retry {id}"
    else:
        hint = ""
    return hint.format(id=job.id)


def _pending(job: Job, story: JobStory, now: datetime) -> str:
    if story.waiting_for:
        first = story.waiting_for[0]
        reason = _sentence(first.detail or first.code)
    elif job.run_at is not None and job.run_at > now:
        reason = _sentence(f"it is not due before {clock_time(job.run_at)}")
    else:
        reason = "nothing holds it back, it is about to be handed out."
    place = f" It is number {job.position} in line." if job.position > 1 and not _tells_place(story) else ""
    after = f" Run {job.attempt} failed: {_error(job)}" if job.error else ""
    return f"Not running: {reason}{place}{after}"


def _tells_place(story: JobStory) -> bool:
    return any(reason.code == "BEHIND_OTHERS" for reason in story.waiting_for)


def _running(job: Job, _story: JobStory, now: datetime) -> str:
    step = f", in step {job.progress.step}" if job.progress and job.progress.step else ""
    worker = job.lease.worker if job.lease else "unknown"
    parts = [f"Running for {since(job.started_at, now)} on worker {worker}{step}."]
    if job.cancel_requested_at is not None:
        parts.append(f"It was asked to stop {since(job.cancel_requested_at, now)} ago and has not stopped yet.")
    if job.lease and job.lease.expires_at is not None and job.lease.expires_at < now:
        gone = since(job.lease.expires_at, now)
        parts.append(f"Its worker has not been heard since the lease lapsed {gone} ago; the job will be taken from it.")
    elif job.lease and not job.lease.received:
        parts.append("The worker has not confirmed yet that it received the job.")
    return " ".join(parts)


def _succeeded(job: Job, _story: JobStory, now: datetime) -> str:
    ran = span_between(job.started_at, job.finished_at)
    return f"Succeeded {since(job.finished_at, now)} ago in run {job.attempt}, which took {ran}."


def _failed(job: Job, _story: JobStory, now: datetime) -> str:
    step = f" in step {job.progress.step}" if job.progress and job.progress.step else ""
    runs = f"run {job.attempt} of {job.max_attempts}"
    told = f"Failed {since(job.finished_at, now)} ago{step}, {runs}: {_error(job)}"
    if job.error and not job.error.retryable:
        return f"{told} The system does not run it again: another run would not help."
    if job.attempt >= job.max_attempts:
        return f"{told} The system does not run it again: no runs are left."
    return told


def _cancelled(job: Job, story: JobStory, now: datetime) -> str:
    return f"Cancelled {since(job.finished_at, now)} ago{_who_did(story, 'cancelled')}"


def _removed(story: JobStory) -> str:
    for name in ("deleted", "expired"):
        event = next((event for event in reversed(story.events) if event.name == name), None)
        if event is not None:
            return f"Removed ({name}) at {clock_time(event.time)}{_who_did(story, name)}"
    return "Removed: only its events are left."


def _who_did(story: JobStory, name: str) -> str:
    event = next((event for event in reversed(story.events) if event.name == name), None)
    if event is None or not event.actor:
        return "."
    return f" by {event.actor}" + (f": {_sentence(event.detail)}" if event.detail else ".")


def _error(job: Job) -> str:
    if job.error is None:
        return "the error is not known."
    return _sentence(f"{job.error.code} ({job.error.message})" if job.error.message else job.error.code)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
