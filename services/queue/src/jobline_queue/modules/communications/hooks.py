"""What a message leaves behind: its communication when it is stored, its outbox entry when it was sent without a provider."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, rejected
from jobline_queue.core.errors import NotFound
from jobline_queue.core.lifecycle import Arrow
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.modules.communications import job as message_job
from jobline_queue.store.job_store import id_array
from jobline_queue.store.statements import statement

#: The provider that stands in where no other is set: what it takes is kept here.
OUTBOX = "outbox"
PROVIDERS = (OUTBOX, "smtp", "sendgrid", "twilio")
WORKER_LOST = "Worker lost"


async def on_enqueue(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
    """Raises NotFound for a business that nobody has stored."""
    businesses = sorted({message_job.business_of(job.owner) for job in jobs})
    unknown = await (await connection.execute(_sql("unknown_businesses"), {"ids": businesses})).fetchone()
    if unknown is not None:
        raise NotFound("business", unknown[0])
    await connection.execute(_sql("store_communications"), {"ids": id_array(job.id for job in jobs)})


async def on_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
    """Keeps what the outbox took; words lost runs as the surface does."""
    match end.arrow:
        case Arrow.COMPLETE:
            return await _sent(connection, job, end)
        case Arrow.RESCUE | Arrow.TIME_OUT if end.error:
            return replace(end, error=replace(end.error, message=WORKER_LOST))
        case _:
            return end


async def _sent(connection: AsyncConnection, job: LiveJob, end: RunEnd) -> RunEnd:
    provider = _provider(end.result or "null")
    if provider is None:
        text = f"The worker's result is not an object with a provider of {', '.join(PROVIDERS)} and a message_id"
        return rejected(end, text)
    if provider == OUTBOX:
        await connection.execute(_sql("insert_outbox"), {"job_id": job.id, "attempt": end.attempt})
    return end


def _provider(result: str) -> str | None:
    """Who took the message; None for a result that is not of the form {provider, message_id}."""
    value = json.loads(result)
    if not isinstance(value, dict) or set(value) != {"provider", "message_id"}:
        return None
    named = value["provider"] in PROVIDERS and isinstance(value["message_id"], str)
    return value["provider"] if named else None


def _sql(name: str) -> bytes:
    return statement(name, "jobline_queue.modules.communications").encode()


HOOKS = KindHooks(
    kind=message_job.KIND,
    check=message_job.check,
    marks_claims=True,
    keeps_past_times=True,
    on_enqueue=on_enqueue,
    on_end=on_end,
)
