"""The way in for a job with an input: its parts are staged first, then one transaction stores the job with all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import uuid_utils

from jobline_queue.core.job_input import InputStore
from jobline_queue.core.new_job import NewJob, request_time
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.enqueuer import Enqueued
from jobline_queue.rpc.input_staging import InputStaging
from jobline_queue.rpc.intake import check_job


async def store_job_with_input(
    core: QueueCore,
    inputs: InputStore,
    job: NewJob,
    chunks: AsyncIterator[str],
    producer: str,
    request_id: str,
    values: str = "",
) -> tuple[Enqueued, int]:
    """The stored job and how many values its input has. The job is checked before the first chunk is read, and when many
    inputs are taken in at once it waits for its turn, too.

    `values`: see InputStaging. Raises InvalidField, TooLarge, IdempotencyConflict, what a hook of the kind raises, or
    DatabaseUnavailable: then the job may or may not have been stored, and the same call made again finds out.
    """
    request_id = request_id or str(uuid_utils.uuid7())
    request_time(request_id)
    check_job(core, job, "job.")
    hooks = core.hooks.of(job.kind)
    staging = InputStaging(inputs, hooks.check_input if hooks else None, values)
    try:
        async with inputs.room:
            async for chunk in chunks:
                await staging.add(chunk)
            staged = await staging.finish()
        (stored,) = await core.active.enqueuer.enqueue([job], producer, request_id, staged)
    except BaseException:  # a caller who hangs up, too
        await staging.discard()
        raise
    if stored.deduplicated:
        await staging.discard()
    return stored, staged.items
