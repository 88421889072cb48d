"""Concurrent enqueues travel together and fail apart."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline.client.batcher import MAX_BATCH, MAX_BATCH_BYTES, Batcher, cut
from jobline.errors import InvalidField, Unavailable
from jobline.v1 import job_service_pb2 as pb


class Store:
    """Stores batches all or nothing, as the service does; kinds that begin with `bad` are refused."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.stored: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, jobs: Sequence[pb.NewJob]) -> list[pb.EnqueuedJob]:
        self.batches.append([job.kind for job in jobs])
        await self.gate.wait()
        if any(job.kind.startswith("bad") for job in jobs):
            raise InvalidField("kind")
        if any(job.kind.startswith("away") for job in jobs):
            raise Unavailable("away")
        self.stored += [job.kind for job in jobs]
        return [pb.EnqueuedJob(id=job.kind) for job in jobs]


async def test_what_waits_while_a_call_is_in_flight_goes_into_the_next():
    store = Store()
    store.gate.clear()
    batcher = Batcher(store)
    first = asyncio.create_task(batcher.enqueue(pb.NewJob(kind="0")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.enqueue(pb.NewJob(kind=str(n)))) for n in range(1, 6)]
    await asyncio.sleep(0)
    store.gate.set()
    assert [(await task).id for task in [first, *rest]] == ["0", "1", "2", "3", "4", "5"]
    assert store.batches == [["0"], ["1", "2", "3", "4", "5"]]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_bad_job_fails_alone_and_every_other_is_stored_once(bad: list[bool]):
    kinds = [f"{'bad' if is_bad else 'good'}-{n}" for n, is_bad in enumerate(bad)]

    async def enqueue_all() -> tuple[Store, list[pb.EnqueuedJob | BaseException]]:
        store = Store()
        batcher = Batcher(store)
        tasks = [batcher.enqueue(pb.NewJob(kind=kind)) for kind in kinds]
        return store, await asyncio.gather(*tasks, return_exceptions=True)

    store, answers = asyncio.run(enqueue_all())
    for kind, answer in zip(kinds, answers, strict=True):
        assert isinstance(answer, InvalidField) if kind.startswith("bad") else answer == pb.EnqueuedJob(id=kind)
    assert sorted(store.stored) == sorted(kind for kind in kinds if kind.startswith("good"))


async def test_an_error_of_the_service_fails_everyone_without_asking_again():
    store = Store()
    batcher = Batcher(store)
    answers = await asyncio.gather(
        *(batcher.enqueue(pb.NewJob(kind=f"away-{n}")) for n in range(4)), return_exceptions=True
    )
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert len(store.batches) == 1


async def test_a_caller_that_gave_up_while_waiting_has_its_job_left_out():
    store = Store()
    store.gate.clear()
    batcher = Batcher(store)
    first = asyncio.create_task(batcher.enqueue(pb.NewJob(kind="first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone = asyncio.create_task(batcher.enqueue(pb.NewJob(kind="gone")))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    store.gate.set()
    await first
    assert store.stored == ["first"]


@given(st.lists(st.integers(1, 2 * MAX_BATCH_BYTES), min_size=1, max_size=50))
def test_cuts_cover_everything_in_order_within_the_caps(sizes: list[int]):
    start = 0
    while start < len(sizes):
        count = cut(sizes, start)
        assert 1 <= count <= MAX_BATCH
        assert count == 1 or sum(sizes[start : start + count]) <= MAX_BATCH_BYTES
        start += count
    assert start == len(sizes)


def test_no_call_has_more_than_a_thousand_jobs():
    assert cut([1] * 2500, 0) == 1000
    assert cut([1] * 2500, 2000) == 500
