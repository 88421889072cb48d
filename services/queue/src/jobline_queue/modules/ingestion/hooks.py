"""The hooks of both kinds: an ingest job follows its queue jobs, and one run leaves the next.

Every arrow of a queue job sets the status of its ingest job in the same transaction. The end of an INGEST_DATA run that has
stored something leaves a VECTORIZE job, and so does one of these as long as records are left, so that the chain has no gap
and nobody waits for nothing. A claim marks the jobs' own rows, so that the surface reads rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, RunError
from jobline_queue.core.errors import invalid
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.modules.ingestion import endings
from jobline_queue.modules.ingestion import job as rules
from jobline_queue.modules.ingestion.records import Tally
from jobline_queue.store.job_store import id_array
from jobline_queue.store.statements import statement

#: Steps that the service writes itself: the tally of what is stored, and which run was told that it has nothing to embed.
OWN_STEPS = ("records", "nothing_left")
_NOTHING_EMBEDDED = RunError("NOTHING_EMBEDDED", "No record was embedded.", True)


# ---- INGEST_DATA --------------------------------------------------------------------------------------------------------


async def _on_ingest_enqueued(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
    await _run(connection, "open_ingest_jobs", ids=id_array(job.id for job in jobs))


async def _on_ingest_start(connection: AsyncConnection, job: LiveJob) -> None:
    await _tell(connection, job, "PROCESSING")


async def _on_ingest_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
    await _keep_progress(connection, job)
    if end.state is State.SUCCEEDED:
        return await _ingested(connection, job, end)
    return await _not_done(connection, job, policy, end, "PENDING")


async def _on_ingest_retry(connection: AsyncConnection, job: LiveJob) -> None:
    await _tell(connection, job, "PENDING")


async def _ingested(connection: AsyncConnection, job: LiveJob, end: RunEnd) -> RunEnd:
    """The counts are those of what was stored. Programs that take jobs by the library store elsewhere: their word counts."""
    payload, items, output = await _one(connection, "find_tally", job_id=job.id)
    tally = Tally(**(output or {}))
    saved, skipped = _told_counts(end.result)
    details: Mapping[str, int] | None = None
    if output is not None and tally.done == items:
        saved, skipped, details = tally.saved, tally.skipped, tally.details
        end = replace(end, result=json.dumps({"savedCount": saved, "skippedCount": skipped}))
    if tally.saved and payload.get("generateEmbeddings") is not False:
        named = {key: payload[key] for key in ("ingestJobId", "projectId") if payload.get(key) is not None}
        next_job = rules.vectorize_job(payload["projectId"], named, job.correlation_id)
        end = replace(end, follow_ups=(next_job,))
    await _run(
        connection,
        "finish_ingest",
        job_id=job.id,
        status="QUEUED_FOR_VEC" if end.follow_ups else "COMPLETED",
        saved=saved,
        skipped=skipped,
        details=None if details is None else json.dumps(details),
    )
    return end


def _told_counts(result: str | None) -> tuple[int | None, int | None]:
    """What a worker's own result says: (saved, skipped), None for what it does not."""
    value = json.loads(result or "null")
    value = value if isinstance(value, dict) else {}
    return _whole(value.get("savedCount")), _whole(value.get("skippedCount"))


def _whole(value: Any) -> int | None:
    """The value, if it is a number of things."""
    return value if type(value) is int and 0 <= value < 2**63 else None


# ---- VECTORIZE ----------------------------------------------------------------------------------------------------------


async def _on_vectorize_start(connection: AsyncConnection, job: LiveJob) -> None:
    await _tell(connection, job, "VECTORIZING")


async def _on_vectorize_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
    await _keep_progress(connection, job)
    if end.state is not State.SUCCEEDED:
        return await _not_done(connection, job, policy, end, "QUEUED_FOR_VEC")
    token = job.lease.token if job.lease is not None else None
    payload, left, had_none = await _one(connection, "find_unembedded", job_id=job.id, lease_token=token)
    if not left:
        await _tell(connection, job, "COMPLETED")
        return end
    if not had_none and not _embedded_some(end.result):
        # One that enqueues itself again and does nothing would do so for ever.
        end = endings.tried_again(job, policy, _NOTHING_EMBEDDED, await _now(connection))
        return await _not_done(connection, job, policy, end, "QUEUED_FOR_VEC")
    terms = {"priority": job.priority, "max_attempts": job.max_attempts}
    return replace(end, follow_ups=(rules.vectorize_job(payload["projectId"], payload, job.correlation_id, **terms),))


async def _on_vectorize_retry(connection: AsyncConnection, job: LiveJob) -> None:
    await _tell(connection, job, "QUEUED_FOR_VEC")


def _embedded_some(result: str | None) -> bool:
    value = json.loads(result or "null")
    return isinstance(value, dict) and bool(_whole(value.get("vectorizedCount")))


# ---- both ---------------------------------------------------------------------------------------------------------------


async def _on_step(_connection: AsyncConnection, _job: LiveJob, step: str, _output: str) -> None:
    """Raises InvalidField for a step that only the service writes."""
    if step in OWN_STEPS:
        raise invalid("name", f"expected another one than {step}")


async def _on_cancel(connection: AsyncConnection, job: LiveJob, _actor: str, _reason: str) -> None:
    await _tell(connection, job, "CANCELLED")


async def _not_done(
    connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd, waiting: str
) -> RunEnd:
    """An end that is no success; `waiting` is the status of an ingest job that waits for the next run."""
    if end.error and endings.is_given_up(job, end):
        end = endings.tried_again(job, policy, end.error, await _now(connection))
    end = endings.worded(end)
    if end.state is State.FAILED:
        await _tell(connection, job, "FAILED", end.error.message if end.error else "")
    else:
        await _tell(connection, job, waiting if end.state is State.PENDING else "CANCELLED")
    return end


async def _keep_progress(connection: AsyncConnection, job: LiveJob) -> None:
    """The run's last report may be younger than the row, which nobody brings up to date once it has ended."""
    if job.total or job.message:
        told = {"current": job.current, "total": job.total, "message": job.message}
        await _run(connection, "keep_progress", job_id=job.id, **told)


async def _tell(connection: AsyncConnection, job: LiveJob, status: str, error: str | None = None) -> None:
    """Sets the status of the job's ingest job, if it has one."""
    await _run(connection, "tell_ingest_job", job_id=job.id, status=status, error=error)


async def _now(connection: AsyncConnection) -> float:
    """Epoch seconds of the database's clock."""
    cursor = await connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
    row = await cursor.fetchone()
    assert row is not None
    return float(row[0])


async def _one(connection: AsyncConnection, name: str, /, **params: Any) -> Any:
    row = await (await connection.execute(_sql(name), params)).fetchone()
    assert row is not None  # the job's row is locked
    return row


async def _run(connection: AsyncConnection, name: str, /, **params: Any) -> None:
    await connection.execute(_sql(name), params)


def _sql(name: str) -> bytes:
    return statement(name, "jobline_queue.modules.ingestion").encode()


HOOKS = (
    KindHooks(
        kind=rules.INGEST,
        check=rules.check_ingest,
        check_input=rules.check_records,
        marks_claims=True,
        keeps_past_times=True,
        on_enqueue=_on_ingest_enqueued,
        on_start=_on_ingest_start,
        on_step=_on_step,
        on_end=_on_ingest_end,
        on_cancel=_on_cancel,
        on_retry=_on_ingest_retry,
    ),
    KindHooks(
        kind=rules.VECTORIZE,
        check=rules.check_vectorize,
        marks_claims=True,
        keeps_past_times=True,
        on_start=_on_vectorize_start,
        on_step=_on_step,
        on_end=_on_vectorize_end,
        on_cancel=_on_cancel,
        on_retry=_on_vectorize_retry,
    ),
)
