"""What the cleanup removes: finished jobs by their end, for the time that the queue's policy or the caller names."""

from __future__ import annotations

from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from support.hooked_core import HookedCore, hooked_core

AGE = (
    "UPDATE jobline.jobs SET finished_at = now() - make_interval(hours => payload::text::int) WHERE state <> 'pending'"
)
LEFT = "SELECT queue, payload::text::int, state FROM jobline.jobs ORDER BY queue, 2"


async def ended_hours_ago(core: HookedCore, queue: str) -> None:
    """Jobs that ended 1, 3 and 5 hours ago, and one that is older and waits."""
    await core.enqueue(*(NewJob(queue, "plain", payload=str(hours)) for hours in (1, 3, 5, 7)))
    succeeded, failed, cancelled = await core.claim(queue, ["plain"], most=3)
    await core.complete(succeeded)
    await core.fail(failed, retryable=False)
    await core.cancel(cancelled.job.id)
    await core.complete(cancelled)
    core.rows(AGE)


async def test_a_retention_of_the_callers_counts_instead_of_the_policys(fresh_database: str):
    policies = {"kept": QueuePolicy("kept", retention=4 * 3600.0)}
    async with hooked_core(fresh_database, policies=policies) as core:
        for queue in ("kept", "open"):
            await ended_hours_ago(core, queue)
        pruner = core.active.pruner
        assert [await pruner.apply_retention(queue) for queue in ("kept", "open")] == [1, 0]
        assert [await pruner.apply_retention(queue, 2 * 3600.0) for queue in ("kept", "open")] == [1, 2]
        left = [("succeeded", 1), ("pending", 7)]
        assert core.rows(LEFT) == [(queue, hours, state) for queue in ("kept", "open") for state, hours in left]
        assert await pruner.apply_retention("kept", 0.0) == 1
        assert await pruner.apply_retention("kept", 0.0) == 0
