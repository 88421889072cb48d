"""How ends of runs are told on this surface, whatever their kind. Pure."""

from __future__ import annotations

from dataclasses import replace

from jobline_queue.core.ending import Failed, RunEnd, RunError, end_run
from jobline_queue.core.lifecycle import Arrow, State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy

WORKER_LOST = "worker lost"


def worded(end: RunEnd) -> RunEnd:
    """A run that was lost with its worker says no more than that."""
    if end.arrow is Arrow.RESCUE and end.error:
        return replace(end, error=replace(end.error, message=WORKER_LOST))
    return end


def is_given_up(job: LiveJob, end: RunEnd) -> bool:
    """Whether a run failed for good although its job has attempts left: nobody may decide so on this surface, neither a
    worker nor the service that could not store a result."""
    return end.arrow is Arrow.FAIL and end.state is State.FAILED and end.attempt < job.max_attempts


def tried_again(job: LiveJob, policy: QueuePolicy, error: RunError, now: float) -> RunEnd:
    """The end of a run that failed at `now` (epoch seconds): the job is tried as often as it may be."""
    return end_run(job, policy, Failed(replace(error, retryable=True)), now)
