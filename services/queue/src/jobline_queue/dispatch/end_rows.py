"""From decided acts to the parameters of their statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.acts import CancelJob, Ending
from jobline_queue.store.job_store import encode

Row = dict[str, Any]
#: Runs that succeeded, by lease: the job, and its result as JSON text.
Successes = Mapping[Lease, Sequence[tuple[LiveJob, str]]]


def runs_text(successes: Successes) -> str:
    """For complete_jobs.sql: one object for each lease, with lists of what differs between its jobs.

    Ids, attempts and results are JSON already, so under load this is a few joins and no encoding.
    """
    return f"[{','.join(_lease_runs(lease, runs) for lease, runs in successes.items())}]"


def _lease_runs(lease: Lease, runs: Sequence[tuple[LiveJob, str]]) -> str:
    head = encode(
        {
            "token": lease.token,
            "worker": lease.worker,
            "session_id": lease.session_id,
            "started_at": lease.granted_at,
        }
    )
    ids = '","'.join([job.id for job, _ in runs])
    attempts = ",".join([str(job.attempt + 1) for job, _ in runs])
    parts = [head[:-1], f'"ids":["{ids}"]', f'"attempts":[{attempts}]']
    if any(result != "null" for _, result in runs):
        parts.append(f'"results":[{",".join([result for _, result in runs])}]')
    if any(job.step for job, _ in runs):
        parts.append(f'"steps":{encode([job.step or None for job, _ in runs])}')
    return ",".join(parts) + "}"


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
        "result": end.result,
        "number": ending.job.attempt + 1,
        "step": ending.job.step or None,
        "error_code": error and error.code,
        "error_message": error and error.message,
        "error_retryable": error and error.retryable,
        "event": end.event,
        "actor": end.actor,
        "detail": end.detail,
    }


def cancel_row(act: CancelJob, *, remove: bool) -> Row:
    """For cancel_jobs.sql."""
    return {"id": act.job_id, "actor": act.actor, "detail": act.reason, "result": act.result, "remove": remove}


def lease_changes(
    successes: Successes, endings: Sequence[Ending], removed: Iterable[tuple[Lease, str]]
) -> tuple[list[str], list[Row]]:
    """Which leases go (by token), and which are shortened to what they still hold.

    A lease whose jobs end one by one keeps its row as it is: a finished job in it is finished all the same. It must be
    shortened only when a job returns to the queue, or the job would still count as running.
    """
    leaving = {lease: {job.id for job, _ in runs} for lease, runs in successes.items()}
    for lease, job_id in [(ending.lease, ending.job.id) for ending in endings] + list(removed):
        leaving.setdefault(lease, set()).add(job_id)
    returned = {ending.lease for ending in endings if ending.end.state is State.PENDING}
    gone, shortened = [], []
    for lease, ids in leaving.items():
        if len(ids) == len(lease.jobs):
            gone.append(lease.token)
        elif lease in returned:
            shortened.append({"token": lease.token, "job_ids": [job_id for job_id in lease.jobs if job_id not in ids]})
    return gone, shortened
