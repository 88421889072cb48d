"""What callers do to messages that exist. The arrows are the core's; here is whose job it may be, and what they see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from jobline_queue.core.errors import CountChanged, IllegalTransition, NotFound
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RemoveJob, RetryJob
from jobline_queue.modules.communications.filters import MessageFilter
from jobline_queue.modules.communications.store import MessageStore, Row
from jobline_queue.rpc.convert import is_uuid

Perform = Callable[[Any, Callable[[ActAnswer], Act]], Awaitable[None]]
#: Acts that are under way together: few enough that those of other callers get their turn between them.
CHUNK = 500
SAMPLE = 10
#: The core's words where the surface has its own.
_WORDS = {"running": "processing", "succeeded": "completed"}


class MessageActs:
    """Acts on one job of a business, or on many."""

    def __init__(self, core: QueueCore, store: MessageStore, perform: Perform) -> None:
        self._core = core
        self._store = store
        self._perform = perform

    async def retry(self, business_id: str, message_id: str, actor: str) -> Row:
        """The job as the retry left it: a worker may have it already, but the caller is told what the call did.

        Raises NotFound (job) or IllegalTransition.
        """
        job_id = await self._job_id(business_id, message_id)
        await self._do("retry", partial(RetryJob, job_id, actor))
        row = await self._after(business_id, job_id)
        at = await self._store.retried_at(job_id)
        fresh = {"status": "pending", "attempts": 0, "started_at": None, "completed_at": None, "last_error": None}
        return {**row, **fresh, "scheduled_at": at, "updated_at": at}

    async def cancel(self, business_id: str, message_id: str, actor: str) -> Row:
        """The cancelled job: a retry may have it back already, but the caller is told what the call did.

        Raises NotFound (job) or IllegalTransition.
        """
        job_id = await self._job_id(business_id, message_id)
        await self._do("cancel", partial(CancelJob, job_id, actor, ""))
        return {**await self._after(business_id, job_id), "status": "cancelled", "completed_at": None}

    async def delete(self, business_id: str, message_id: str, actor: str) -> None:
        """Raises NotFound (job)."""
        job_id = await self._job_id(business_id, message_id)
        await self._do("delete", partial(RemoveJob, job_id, "deleted", actor))

    async def retry_failed(
        self, business_id: str, where: MessageFilter, actor: str, dry_run: bool, expected: int | None
    ) -> tuple[int, list[Row]]:
        """How many jobs match, or were retried, and some of them. Raises CountChanged."""
        ids = await self._store.failed(business_id, where)
        if expected is not None and expected != len(ids):
            raise CountChanged(expected, len(ids))
        if not dry_run:
            ids = await self._retry_all(ids, actor)
        sample = await self._store.jobs(business_id, ids[:SAMPLE])
        return len(ids), [sample[each] for each in ids[:SAMPLE] if each in sample]

    async def _retry_all(self, ids: Sequence[str], actor: str) -> list[str]:
        """Those that were retried; a job that is failed no more is left out, and so is one that alone is refused."""
        retried: list[str] = []
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            acts = [self._do("retry", partial(RetryJob, each, actor)) for each in chunk]
            answers = await asyncio.gather(*acts, return_exceptions=True)
            done = [job_id for job_id, error in zip(chunk, answers, strict=True) if error is None]
            faults = [error for error in answers if error and not isinstance(error, IllegalTransition | NotFound)]
            if faults and not done:
                raise faults[0]
            retried += done
        return retried

    async def _job_id(self, business_id: str, message_id: str) -> str:
        """The id of a job that the business has. A history entry is none."""
        job_id = message_id.lower()
        if not is_uuid(job_id) or job_id not in await self._store.jobs(business_id, [job_id]):
            raise NotFound("job", message_id)
        return job_id

    async def _do(self, arrow: str, make: Callable[[ActAnswer], Act]) -> None:
        try:
            await self._perform(self._core.active, make)
        except IllegalTransition as error:
            state = error.metadata["state"]
            raise IllegalTransition(arrow, _WORDS.get(state, state)) from None

    async def _after(self, business_id: str, job_id: str) -> Row:
        rows = await self._store.jobs(business_id, [job_id])
        if job_id not in rows:
            raise NotFound("job", job_id)
        return rows[job_id]
