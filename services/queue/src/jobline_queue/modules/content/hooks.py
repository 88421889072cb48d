"""The hooks of both kinds of content jobs, and what they have in common.

A claim marks the jobs' own rows, so that the surface reads rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, cancelled, cut
from jobline_queue.core.errors import NotFound
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.modules.content import analysis_hooks, effects, generation_hooks, retry
from jobline_queue.modules.content import job as content_job
from jobline_queue.rpc.convert import is_uuid

EndHook = Callable[[AsyncConnection, LiveJob, QueuePolicy, RunEnd], Awaitable[RunEnd]]


async def on_enqueue(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
    """Of generations. Raises NotFound for the organization of another user or session; one that nobody has is no fault."""
    wanted = []
    for job in jobs:
        assert job.payload is not None  # it is new
        organization_id = str(json.loads(job.payload).get("organizationId")).lower()
        if is_uuid(organization_id):
            wanted.append((organization_id, content_job.owners_of(job.owner, job.labels)))
    foreign = await effects.foreign_organization(connection, wanted) if wanted else None
    if foreign is not None:
        raise NotFound("organization", foreign)


def _ends(of_kind: EndHook) -> EndHook:
    async def on_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
        if end.state is State.FAILED and job.cancel_requested:
            end = _cancelled(job, end)
        end = await of_kind(connection, job, policy, end)
        if end.state is State.SUCCEEDED:
            await effects.note_duration(connection, job)
        return end

    return on_end


def _cancelled(job: LiveJob, end: RunEnd) -> RunEnd:
    """A caller was told that the job is cancelled; how its run failed on the way there, the history says."""
    why = f": {end.error.code}: {end.error.message}" if end.error else ""
    return cancelled(job, "system", cut(f"{end.outcome} after a cancel was requested{why}"))


HOOKS = (
    KindHooks(
        kind=content_job.ANALYSIS,
        check=content_job.check_analysis,
        first_step=content_job.ANALYZE_WEBSITE,
        marks_claims=True,
        on_step=analysis_hooks.on_step,
        on_end=_ends(analysis_hooks.on_end),
        on_retry=retry.on_retry,
    ),
    KindHooks(
        kind=content_job.GENERATION,
        check=content_job.check_generation,
        first_step=content_job.OUTLINE,
        marks_claims=True,
        on_enqueue=on_enqueue,
        on_start=generation_hooks.on_start,
        on_end=_ends(generation_hooks.on_end),
        on_retry=retry.on_retry,
    ),
)
