"""What RQ is told to call. The scheduler only names it, so it imports nothing before it is called.

scheduler   enqueues (cron string, chores) at each time of the schedule, in every process that runs one
worker      takes it, at most once a copy, and starts a horse
horse       calls `run` here, which asks RunChore for each chore; who is granted it does it
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from croniter import croniter
from rq import get_current_job

#: Seconds that a run of each chore may take; RQ ends a horse that takes longer.
LONGEST = 660


def run(cron: str, *names: str) -> None:
    """Does the chores that were due at the schedule's last time before they were enqueued."""
    from jobline.runtime import Settings
    from jobline_queue.chores.config import read_config
    from jobline_queue.chores.errands import run_errands

    job = get_current_job()
    assert job is not None
    assert job.enqueued_at is not None
    run_errands(read_config(Settings()), names, last_time(cron, job.enqueued_at))


def last_time(cron: str, at: datetime) -> datetime:
    """The last time of the schedule up to `at`, in UTC. Schedulers that fire it late, or both, agree on it."""
    after = at.astimezone(UTC) + timedelta(microseconds=1)
    found: datetime = croniter(cron, after).get_prev(datetime)
    return found


def stale_after(cron: str) -> int:
    """Seconds after which a tick that nobody took is worth nothing: the next one has come, or an hour has passed."""
    times = croniter(cron, datetime.now(UTC))
    period = -times.get_next(float) + times.get_next(float)
    return max(1, min(3600, int(period)))
