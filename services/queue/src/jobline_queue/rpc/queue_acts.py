"""What operators set of a queue: stored, and in force in memory, so that both agree whatever becomes of the call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from jobline_queue.core.stored_queue import Pause
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.queue_state import QueueState


async def to_its_end(act: Coroutine[Any, Any, None]) -> None:
    """Also when the caller is gone: cancelled half-way, the table might say one thing and memory another."""
    storing = asyncio.create_task(act)
    storing.add_done_callback(lambda task: task.cancelled() or task.exception())  # a caller that is gone reads none
    await asyncio.shield(storing)


async def store_pause(active: ActiveTerm, name: str, pause: Pause | None, actor: str) -> None:
    """Pauses a queue, or ends its pause."""
    state = active.dispatcher.queue(name)
    async with state.switching:
        before = state.pause
        state.pause = pause or before  # a pause holds before its commit: nothing is claimed after it
        try:
            if pause:
                await _claims_settled(active, state)
            await active.maintenance_store.pause_queue(name, pause, actor)
            state.pause = pause
        except BaseException:
            state.pause = before
            raise
        finally:
            state.wake_scopes()
            active.claimer.wake()  # also after a pause that was not stored: jobs may have come due meanwhile


async def store_limit(active: ActiveTerm, name: str, limit: int | None, actor: str) -> None:
    """Gives a queue another limit than its policy's, or (None) that one again."""
    state = active.dispatcher.queue(name)
    async with state.switching:
        before, was = state.limit, state.policy.max_running
        state.limit = limit
        becomes = state.policy.max_running
        detail = f"{_limit(was)} → {_limit(becomes)}" + (" (the policy's)" if limit is None else "")
        stricter = becomes != 0 and (was == 0 or becomes < was)
        if not stricter:
            state.limit = before  # more may start once that is stored, and fewer before
        try:
            if stricter:
                await _claims_settled(active, state)
            await active.maintenance_store.limit_queue(name, limit, actor, detail)
            state.limit = limit
        except BaseException:
            state.limit = before
            raise
        finally:
            active.claimer.wake()


async def _claims_settled(active: ActiveTerm, state: QueueState) -> None:
    """Returns when the jobs that are being claimed now have started, or have not: a commit's time."""
    picked = list(state.picked)
    while not active.term.over.is_set() and any(job in state.picked for job in picked):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def _limit(most: int) -> str:
    return str(most) if most else "no limit"
