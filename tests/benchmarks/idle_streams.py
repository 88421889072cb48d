"""Idle workers: what each open work stream, on a connection of its own, costs the queue service in memory."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import psutil

from benchmarks.house import House, QueueProcess
from benchmarks.samples import Sample
from benchmarks.workload import KIND, QUEUE, SLOTS, Sizes
from jobline.channel import bearer, grpc_loop, open_channel
from jobline.v1 import work_service_pb2 as pb
from jobline.v1.work_service_pb2_grpc import WorkServiceStub

__all__ = ["memory_of_streams"]

#: Opened before anything is measured, so that what the service loads at its first stream counts for none.
_WARM_UP = 20
_SETTLE = 2.0


def memory_of_streams(house: House, sizes: Sizes) -> Sample:
    with house.database() as url, house.queue_service(url) as queue:
        before, after = grpc_loop().submit(_open_all(queue, sizes.streams)).result()
    return Sample({("each", "KB"): (after - before) / 1000 / sizes.streams})


async def _open_all(queue: QueueProcess, count: int) -> tuple[int, int]:
    """Resident bytes of the service before and after `count` streams were opened."""
    service = psutil.Process(queue.pid)
    async with contextlib.AsyncExitStack() as streams:
        for _ in range(_WARM_UP):
            await streams.enter_async_context(_stream(queue))
        await asyncio.sleep(_SETTLE)
        before = service.memory_info().rss
        for _ in range(count):
            await streams.enter_async_context(_stream(queue))
        await asyncio.sleep(_SETTLE)
        return before, service.memory_info().rss


@contextlib.asynccontextmanager
async def _stream(queue: QueueProcess) -> AsyncIterator[None]:
    """A worker that was welcomed, has room, and gets nothing to do."""
    async with open_channel(queue.address) as channel:
        call = WorkServiceStub(channel).Work(None, metadata=bearer(queue.worker_token))
        hello = pb.Hello(session_id=str(uuid.uuid4()), name="idle", queues=[QUEUE], kinds=[KIND])
        capacity = pb.Capacity(queues=[pb.QueueCapacity(queue=QUEUE, jobs=SLOTS)])
        await call.write(pb.WorkRequest(hello=hello, capacity=capacity))
        await call.read()
        yield
        call.cancel()
