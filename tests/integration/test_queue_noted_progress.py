"""Progress that a module has stored by itself: memory and who watches follow, and nobody writes it once more."""

from __future__ import annotations

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.hooks import KindHooks
from support.hooked_core import HookedCore, accept, hooked_core


def shown(job: LiveJob) -> tuple[str, int, int, str]:
    return job.step, job.current, job.total, job.message


async def told(core: HookedCore, after: int) -> list[tuple[str, bool]]:
    """What watchers hear of."""
    changes = core.active.term.changes
    return [(each.job_id, each.progress) for each in await anext(changes.read(after))] if changes.last > after else []


async def test_noted_progress_is_told_for_the_run_that_is_current_and_for_no_other(fresh_database: str):
    async with hooked_core(fresh_database, KindHooks("noted", accept, marks_claims=True)) as core:
        await core.enqueue(NewJob("q", "noted"))
        (lost,) = await core.claim("q", ["noted"])
        await core.fail(lost)
        (run,) = await core.claim("q", ["noted"])
        before = core.active.term.changes.last
        core.active.note_progress(run.job.id, lost.lease_token, "load", 1, 9, "of a lost run")
        assert (shown(run.job), await told(core, before)) == (("", 0, 0, ""), [])
        core.active.note_progress(run.job.id, run.lease_token, "load", 100, 250, "Processing records...")
        assert shown(run.job) == ("load", 100, 250, "Processing records...")
        assert await told(core, before) == [(run.job.id, True)]
        assert not run.job.dirty
        core.active.note_progress(run.job.id, run.lease_token, "", 200, 250, "")
        assert shown(run.job) == ("load", 200, 250, "")
