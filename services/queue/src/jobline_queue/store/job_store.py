"""What the dispatcher writes and reads: one short method a statement, no rules of its own.

Rows travel as one JSON text parameter a statement (psycopg's list dumper costs about 30 µs a row, this 1 µs). Payloads
and results are JSON text already and go in as they are.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from psycopg import AsyncConnection

from jobline_queue.core.live_job import LiveJob, RemovedJob
from jobline_queue.core.stored_queue import Pause, StoredQueue
from jobline_queue.core.trends import MINUTE, QueueMinute
from jobline_queue.store.statements import statement

Row = dict[str, Any]

#: `json.dumps` with separators builds an encoder at every call.
encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

_NOT_PAUSED: Row = {"paused_by": "", "paused_at": None, "reason": ""}
_NO_LEASE: Row = dict.fromkeys(
    ("token", "epoch", "session_id", "worker", "principal", "granted_at", "expires_at"), None
)


def rows_text(rows: Iterable[Row], raw: str = "") -> str:
    """A JSON array of objects; the value of the key `raw` is JSON text already."""
    if not raw:
        return encode(list(rows))
    parts = []
    for row in rows:
        rest = {key: value for key, value in row.items() if key != raw}
        parts.append(f'{encode(rest)[:-1]},"{raw}":{row[raw]}}}')
    return "[" + ",".join(parts) + "]"


def id_array(ids: Iterable[str]) -> str:
    """The text of a PostgreSQL uuid array."""
    return "{" + ",".join(ids) + "}"


class JobStore:
    """The statements of one writing session. Every method is one statement; none opens a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def _ids(self, name: str, **params: Any) -> set[str]:
        cursor = await self.connection.execute(statement(name).encode(), params)
        return {row[0] for row in await cursor.fetchall()}

    async def _all(self, name: str, **params: Any) -> list[Any]:
        cursor = await self.connection.execute(statement(name).encode(), params)
        return await cursor.fetchall()

    async def _run(self, name: str, **params: Any) -> int:
        return (await self.connection.execute(statement(name).encode(), params)).rowcount

    async def enqueue_job(self, job: Row, lease: Row | None) -> set[str]:
        """Stores a job, and its lease if it is handed out at once; its id if it was new."""
        return await self._ids("enqueue_job", **{**job, **(lease or _NO_LEASE)})

    async def enqueue_jobs(self, jobs: str, leases: Sequence[Row]) -> set[str]:
        """Stores jobs (JSON array text) and the leases of those handed out at once; the ids that were new."""
        return await self._ids("enqueue_jobs", jobs=jobs, leases=rows_text(leases))

    async def copy_jobs(self, lines: Iterable[str]) -> None:
        """Stores jobs (see dispatch/new_rows.py), taking more lines as PostgreSQL reads. Raises UniqueViolation when an id
        exists already; nothing is stored then."""
        async with self.connection.cursor() as cursor, cursor.copy(statement("copy_jobs").encode()) as copy:
            for text in lines:
                await copy.write(text)

    async def adopt_input(self, staging_id: str, job_id: str) -> tuple[int, int]:
        """Gives a new job its input; how many parts and values were there."""
        ((parts, items),) = await self._all("adopt_input", staging_id=staging_id, job_id=job_id)
        return parts, items

    async def sweep_inputs(self, seconds: float, most: int) -> int:
        """How many parts were removed, of those that were staged longer than `seconds` ago."""
        return await self._run("sweep_inputs", seconds=seconds, most=most)

    async def find_idempotency_keys(self, keys: Sequence[Row]) -> list[Any]:
        return await self._all("find_idempotency_keys", keys=rows_text(keys))

    async def claim_jobs(self, leases: Sequence[Row]) -> None:
        await self._run("claim_jobs", leases=rows_text(leases))

    async def claim_limited(self, leases: Sequence[Row]) -> set[str]:
        """The ids of the jobs that are in the leases now."""
        return {job_id for (ids,) in await self._all("claim_limited", leases=rows_text(leases)) for job_id in ids}

    async def mark_running(self, jobs: Sequence[Row], now: float) -> set[str]:
        return await self._ids("mark_running", jobs=rows_text(jobs), now=now)

    async def complete_jobs(self, runs: str, gone: Iterable[str], now: float) -> int:
        """How many rows were completed. `runs` is JSON text, see the statement; `gone` are tokens of leases."""
        return await self._run("complete_jobs", runs=runs, gone=id_array(gone), now=now)

    async def complete_and_claim(
        self, runs: str, gone: Iterable[str], leases: Sequence[Row], now: float
    ) -> tuple[int, set[str]]:
        """How many rows were completed, and the ids of the jobs that are in the new leases."""
        rows = await self._all("complete_and_claim", runs=runs, gone=id_array(gone), leases=rows_text(leases), now=now)
        claimed = {job_id for job_id, is_claimed in rows if is_claimed}
        return len(rows) - len(claimed), claimed

    async def lock_jobs(self, ids: Iterable[str]) -> set[str]:
        return await self._ids("lock_jobs", ids=id_array(ids))

    async def end_runs(self, jobs: Sequence[Row], now: float) -> set[str]:
        return await self._ids("end_runs", jobs=rows_text(jobs), now=now)

    async def shorten_leases(self, leases: Sequence[Row]) -> None:
        await self._run("shorten_leases", leases=rows_text(leases))

    async def extend_leases(self, leases: Sequence[Row]) -> None:
        await self._run("extend_leases", leases=rows_text(leases))

    async def store_steps(self, steps: Sequence[Row], now: float) -> None:
        """Rows carry `output` as JSON text."""
        await self._run("store_steps", steps=rows_text(steps, raw="output"), now=now)

    async def find_steps(self, ids: Iterable[str]) -> list[Any]:
        return await self._all("find_steps", ids=id_array(ids))

    async def find_payloads(self, ids: Iterable[str]) -> dict[str, str]:
        return dict(await self._all("find_payloads", ids=id_array(ids)))

    async def find_outcomes(self, runs: Sequence[Row]) -> list[Any]:
        return await self._all("find_outcomes", runs=rows_text(runs))

    async def note_voided(self, runs: Sequence[Row], now: float) -> None:
        await self._run("note_voided", runs=rows_text(runs), now=now)

    async def cancel_jobs(self, jobs: Sequence[Row], now: float) -> set[str]:
        return await self._ids("cancel_jobs", jobs=rows_text(jobs), now=now)

    async def request_cancel(self, jobs: Sequence[Row], now: float) -> set[str]:
        return await self._ids("request_cancel", jobs=rows_text(jobs), now=now)

    async def retry_jobs(self, jobs: Sequence[Row], resuming: Sequence[str], now: float) -> dict[str, LiveJob]:
        """The jobs that went back to pending, by id. `resuming` names the queues whose retries keep finished steps."""
        rows = await self._all("retry_jobs", jobs=rows_text(jobs), resuming=encode(resuming), now=now)
        return {job.id: job for job in map(LiveJob.from_row, rows)}

    async def remove_jobs(self, jobs: Sequence[Row], now: float) -> dict[str, RemovedJob]:
        """Those that were there, by id."""
        removed = await self._all("remove_jobs", jobs=rows_text(jobs), now=now)
        return {row[0]: RemovedJob(*row) for row in removed}

    async def prune_jobs(
        self, queue: str, created_before: float | None, finished_before: float | None, most: int
    ) -> list[RemovedJob]:
        removed = await self._all(
            "prune_jobs", queue=queue, created_before=created_before, finished_before=finished_before, most=most
        )
        return [RemovedJob(*row) for row in removed]

    async def pause_queue(self, name: str, pause: Pause | None, actor: str) -> None:
        """Stores a queue's pause, or its end."""
        row = {"paused_by": pause.actor, "paused_at": pause.since, "reason": pause.reason} if pause else _NOT_PAUSED
        event = "paused" if pause else "resumed"
        await self._run("pause_queue", queue=name, paused=pause is not None, event=event, actor=actor, **row)

    async def limit_queue(self, name: str, max_running: int | None, actor: str, detail: str) -> None:
        """Stores an operator's limit of a queue; None: the policy's."""
        await self._run("limit_queue", queue=name, max_running=max_running, actor=actor, detail=detail)

    async def note_event(self, queue: str, event: str, actor: str, detail: str) -> None:
        """A line of the history that is no job's; an empty queue is none."""
        await self._run("note_event", queue=queue, event=event, actor=actor, detail=detail)

    async def add_minutes(self, minutes: Iterable[QueueMinute]) -> None:
        rows = [{"queue": queue, "minute": minute * MINUTE, **asdict(counts)} for minute, queue, counts in minutes]
        await self._run("add_minutes", minutes=rows_text(rows))

    async def forget_minutes(self, before: float) -> None:
        await self._run("forget_minutes", before=before)

    async def last_event(self) -> int:
        return int((await self._all("last_event"))[0][0])

    async def find_removed(self, after: int) -> list[tuple[int, str]]:
        return await self._all("find_removed", after=after)

    async def load_leases(self) -> list[Any]:
        return await self._all("load_leases")

    async def load_queues(self) -> list[StoredQueue]:
        return [StoredQueue(*row) for row in await self._all("load_queues")]

    async def live_jobs(self) -> AsyncIterator[list[LiveJob]]:
        """Every job that has not ended, in batches and no order."""
        async with self.connection.transaction(), self.connection.cursor(name="live_jobs") as cursor:
            await cursor.execute(statement("load_live_jobs").encode())
            while rows := await cursor.fetchmany(5000):
                yield [LiveJob.from_row(row) for row in rows]
