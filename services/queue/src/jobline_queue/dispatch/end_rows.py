"""From decided acts to the rows of their statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import Lease
from jobline_queue.dispatch.acts import Ending

Row = dict[str, Any]


def complete_row(ending: Ending) -> Row:
    """For complete_jobs.sql."""
    return {
        "id": ending.job.id,
        "result": ending.end.result,
        "attempt": ending.end.attempt,
        "started_at": ending.job.started_at,
        "worker": ending.lease.worker,
        "session_id": ending.lease.session_id,
        "lease_token": ending.lease.token,
        "step": ending.job.step or None,
    }


def end_row(ending: Ending) -> Row:
    """For end_runs.sql."""
    end, error = ending.end, ending.end.error
    return {
        "id": ending.job.id,
        "state": end.state,
        "attempt": end.attempt,
        "losses": end.losses,
        "run_at": end.run_at,
        "started_at": ending.job.started_at,
        "worker": ending.lease.worker,
        "session_id": ending.lease.session_id,
        "lease_token": ending.lease.token,
        "outcome": end.outcome,
        "number": ending.job.attempt + 1,
        "step": ending.job.step or None,
        "error_code": error and error.code,
        "error_message": error and error.message,
        "error_retryable": error and error.retryable,
        "event": end.event,
        "actor": end.actor,
        "detail": end.detail,
    }


def lease_changes(endings: Sequence[Ending], removed: Iterable[tuple[Lease, str]]) -> tuple[list[str], list[Row]]:
    """Which leases go (by token), and which are shortened to what they still hold.

    A lease whose jobs end one by one keeps its row as it is: a finished job in it is finished all the same. It must be
    shortened only when a job returns to the queue, or the job would still count as running.
    """
    leaving: dict[str, set[str]] = {}
    leases: dict[str, Lease] = {}
    returned: set[str] = set()
    pairs = [(ending.lease, ending.job.id) for ending in endings] + list(removed)
    for lease, job_id in pairs:
        leases[lease.token] = lease
        leaving.setdefault(lease.token, set()).add(job_id)
    returned.update(ending.lease.token for ending in endings if ending.end.state is State.PENDING)
    gone, shortened = [], []
    for token, ids in leaving.items():
        rest = [job_id for job_id in leases[token].jobs if job_id not in ids]
        if not rest:
            gone.append(token)
        elif token in returned:
            shortened.append({"token": token, "job_ids": rest})
    return gone, shortened
