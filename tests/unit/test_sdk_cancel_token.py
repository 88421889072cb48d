"""The request to stop, as runs see it."""

import asyncio
import threading

import pytest

from jobline.worker import CancelReason, CancelToken, RunStopped


def test_a_fresh_token_lets_the_run_go_on():
    token = CancelToken()
    token.raise_if_set()
    assert not token.is_set()


def test_the_first_reason_stays_except_that_a_lost_lease_overrules_it():
    token = CancelToken()
    assert token.fire(CancelReason.REQUESTED)
    assert not token.fire(CancelReason.SHUTDOWN)
    assert token.reason is CancelReason.REQUESTED
    token.fire(CancelReason.LOST)
    assert token.reason is CancelReason.LOST


def test_the_request_passes_an_except_exception_of_the_step():
    token = CancelToken()
    token.fire(CancelReason.REQUESTED)
    with pytest.raises(RunStopped) as caught:
        token.raise_if_set()
    assert not isinstance(caught.value, Exception)


async def test_a_token_fired_by_another_thread_wakes_everyone_who_waits():
    token = CancelToken()
    waiters = [asyncio.create_task(token.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    thread = threading.Thread(target=token.fire, args=(CancelReason.REQUESTED,))
    thread.start()
    await asyncio.wait_for(asyncio.gather(*waiters), 5)
    thread.join()


async def test_waiting_for_a_token_that_was_fired_returns_at_once():
    token = CancelToken()
    token.fire(CancelReason.SHUTDOWN)
    await asyncio.wait_for(token.wait(), 5)


async def test_who_no_longer_waits_is_forgotten_by_a_token_that_outlives_it():
    token = CancelToken()
    for _ in range(3):
        waiter = asyncio.create_task(token.wait())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
    assert not token._waiters
