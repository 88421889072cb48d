"""Thousands of places are looked for slice by slice, so that nobody else has to wait for all of them."""

from __future__ import annotations

import asyncio
import contextlib

from jobline_queue.core.job_filter import JobFilter
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.rpc.places import SLICE, locate

NOON = 1_800_000_000.0


def queue_of(count: int) -> Dispatcher:
    dispatcher = Dispatcher({"q": QueuePolicy("q")}, Clock(NOON, lambda: NOON), 1, 0)
    for number in range(count):
        dispatcher.add(LiveJob(f"{number}", "q", "k", "", "p", 0, NOON, number, "", "", "{}", "{}", 0, 3, 0, NOON))
    return dispatcher


async def test_others_have_their_turn_between_the_slices():
    slices = 4
    dispatcher = queue_of(slices * SLICE)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    busy = asyncio.create_task(others())
    found = await locate(dispatcher, list(dispatcher.jobs), JobFilter())
    assert [place.position for place in found] == list(range(1, slices * SLICE + 1))
    assert turns == slices - 1
    busy.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await busy


async def test_a_job_that_ends_between_two_slices_is_left_out():
    dispatcher = queue_of(SLICE + 2)
    first, *_, last = list(dispatcher.jobs.values())

    async def end_the_last() -> None:
        dispatcher.withdraw(last)
        dispatcher.forget(last)

    ending = asyncio.create_task(end_the_last())
    found = await locate(dispatcher, [*dispatcher.jobs], JobFilter())
    await ending
    assert (found[0].id, found[0].position) == (first.id, 1)
    assert len(found) == SLICE + 1
