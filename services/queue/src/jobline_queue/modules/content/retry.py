"""What a retried content job still has: the outputs of its finished steps, where they are not to blame.

A worker that was lost, a provider that failed, a fault of ours: then a step that has been paid for is not paid for again.
After everything else the caller wants a new beginning: after a cancel, say, or a page that could not be read, which may be
another one by now. After a result that was refused it takes one, for the steps' outputs are what it was made of.
"""

from __future__ import annotations

from psycopg import AsyncConnection

from jobline_queue.core.live_job import LiveJob
from jobline_queue.store.statements import statement

#: Codes of a last run after which the next one goes on behind the finished steps.
RESUMING = ("WORKER_LOST", "POISON", "PROVIDER_ERROR", "INTERNAL", "TIMEOUT")


async def on_retry(connection: AsyncConnection, job: LiveJob) -> None:
    """Forgets the steps, or keeps them."""
    params = {"job_id": job.id, "resuming": "{" + ",".join(RESUMING) + "}"}
    await connection.execute(statement("forget_steps", "jobline_queue.modules.content").encode(), params)
