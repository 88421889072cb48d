"""Inputs through the SDK: sent as they come, and whole whatever breaks on the way in or out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobline.client import AsyncJoblineClient, JobFilter, JoblineClient, JobState, NewJob
from jobline.errors import InvalidField, StaleLease, Unavailable
from support.eventually import eventually
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest
from support.tcp_proxy import TcpProxy, tcp_proxy

#: About 2 MiB in more chunks than fit a connection's buffers.
ITEMS: list[Any] = [{"number": number, "text": "é" * 50_000} for number in range(20)]


class Feed:
    """Items that can be taken as often as somebody likes; something happens before the tenth, the first time."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens: Callable[[], object] | None = happens

    async def __aiter__(self) -> AsyncIterator[Any]:
        for number, item in enumerate(ITEMS):
            if number == 10 and self._happens is not None:
                self._happens()
                self._happens = None
            yield item


@pytest.fixture
async def proxy(service: QueueServiceUnderTest) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(service.address) as opened:
        yield opened


@pytest.fixture
async def through_proxy(service: QueueServiceUnderTest, proxy: TcpProxy) -> AsyncIterator[AsyncJoblineClient]:
    async with AsyncJoblineClient(proxy.address, service.operator_token) as opened:
        yield opened


async def read_all(client: AsyncJoblineClient, calls: Calls, queue: str, first_item: int = 0) -> list[Any]:
    run = calls.claim_one(queue)
    found: list[Any] = []
    async for first, total, values in client.read_input(run.job_id, run.lease_token, first_item):
        assert (first, total) == (first_item + len(found), len(ITEMS))
        found += values
    return found


async def test_a_list_a_generator_and_an_asynchronous_one_arrive_alike(
    client: AsyncJoblineClient, calls: Calls, queue: str
):
    for items in (ITEMS, (item for item in ITEMS), aiter(Feed(lambda: None))):
        stored = await client.enqueue_with_input(NewJob(queue, "test"), items)
        job = (await client.get(stored.id)).job
        assert (job.state, job.input_items, stored.deduplicated) == (JobState.PENDING, len(ITEMS), False)
        assert await read_all(client, calls, queue) == ITEMS


async def test_reading_begins_at_any_value(client: AsyncJoblineClient, calls: Calls, queue: str):
    for first in (1, 7, 19, 20):
        await client.enqueue_with_input(NewJob(queue, "test"), ITEMS)
        assert await read_all(client, calls, queue, first) == ITEMS[first:]


def test_the_synchronous_client_takes_the_items_in_its_callers_thread(
    service: QueueServiceUnderTest, calls: Calls, queue: str
):
    threads = set()

    def items() -> Iterator[Any]:
        for item in ITEMS:
            threads.add(threading.current_thread())
            yield item

    with JoblineClient(service.address, service.operator_token) as client:
        stored = client.enqueue_with_input(NewJob(queue, "test"), items())
        run = calls.claim_one(queue)
        chunks = list(client.read_input(stored.id, run.lease_token))
    assert [value for _, _, values in chunks for value in values] == ITEMS
    assert threads == {threading.current_thread()}


async def test_an_upload_that_breaks_is_made_again(
    through_proxy: AsyncJoblineClient, proxy: TcpProxy, client: AsyncJoblineClient, calls: Calls, queue: str
):
    await through_proxy.enqueue_with_input(NewJob(queue, "test"), Feed(proxy.cut))
    assert proxy.connections == 2
    assert await read_all(client, calls, queue) == ITEMS
    assert len([job async for job in client.list_jobs(JobFilter(queues=[queue]))]) == 1


async def test_an_iterator_is_not_begun_twice(
    through_proxy: AsyncJoblineClient, proxy: TcpProxy, client: AsyncJoblineClient, queue: str
):
    with pytest.raises(Unavailable):
        await through_proxy.enqueue_with_input(NewJob(queue, "test"), aiter(Feed(proxy.cut)))
    assert [job async for job in client.list_jobs(JobFilter(queues=[queue]))] == []


async def test_a_standby_takes_nothing_from_an_iterator(
    service: QueueServiceUnderTest, calls: Calls, queue: str, tmp_path: Path
):
    standby = QueueServiceUnderTest(service.database_url, tmp_path)
    standby.start(wait=False)
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(standby.kill)
        await eventually(lambda: "listening on" in standby.log, within=20)
        async with AsyncJoblineClient([standby.address, service.address], service.operator_token) as client:
            await client.enqueue_with_input(NewJob(queue, "test"), iter(ITEMS))
            assert await read_all(client, calls, queue) == ITEMS


async def test_reading_goes_on_behind_the_last_value_when_the_connection_breaks(
    through_proxy: AsyncJoblineClient, proxy: TcpProxy, calls: Calls, queue: str
):
    await through_proxy.enqueue_with_input(NewJob(queue, "test"), ITEMS)
    proxy.cut_after(1_100_000)
    assert await read_all(through_proxy, calls, queue) == ITEMS
    assert proxy.connections == 2


async def test_reading_under_a_lease_that_is_over_is_refused(client: AsyncJoblineClient, calls: Calls, queue: str):
    await client.enqueue_with_input(NewJob(queue, "test"), ITEMS)
    run = calls.claim_one(queue)
    calls.release(run)
    with pytest.raises(StaleLease):
        await anext(client.read_input(run.job_id, run.lease_token))


@pytest.mark.parametrize(
    ("items", "error", "words"),
    [
        ([1, "x" * 524_287], InvalidField, r"items\[1\]: expected at most"),
        ([1, 2, {1, 2}], ValueError, r"items\[2\]: expected a JSON value"),
        ([float("nan")], ValueError, r"items\[0\]: expected a JSON value"),
        ([], InvalidField, "chunks: expected 1 or more values"),
    ],
)
async def test_values_that_cannot_be_sent_are_named(
    client: AsyncJoblineClient, queue: str, items: list[Any], error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        await client.enqueue_with_input(NewJob(queue, "test"), items)
    assert [job async for job in client.list_jobs(JobFilter(queues=[queue]))] == []


async def test_a_refusal_in_the_middle_is_heard_by_whoever_is_still_sending(client: AsyncJoblineClient, queue: str):
    with pytest.raises(InvalidField) as refusal:
        await client.enqueue_with_input(NewJob(queue, "test"), [*ITEMS[:10], "\0", *ITEMS, *ITEMS])
    (violation,) = refusal.value.violations
    assert violation.field == "chunks[1]"
    assert [job async for job in client.list_jobs(JobFilter(queues=[queue]))] == []
