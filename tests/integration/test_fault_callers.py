"""Producers in trouble: answers that are cut off, calls that are repeated, outages. Covers F13 and F38; checks I14."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import uuid_utils

from jobline.channel import grpc_loop
from jobline.client import AsyncJoblineClient, NewJob
from jobline.errors import JoblineError
from jobline.v1 import email_service_pb2, job_service_pb2
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext, ServiceError
from support.invariants import Evidence, violations
from support.queue_calls import Calls, new_job
from support.queue_peers import QueuePeer, queue_peer, refuse
from support.queue_service import QueueServiceUnderTest
from support.tcp_proxy import TcpProxy, tcp_proxy

AWAY = refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")


@pytest.fixture
async def link(shared_queue: QueueServiceUnderTest) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(shared_queue.address) as running:
        yield running


def stored(service: QueueServiceUnderTest, queue: str) -> list[str]:
    return [row[0] for row in service.execute("SELECT id::text FROM jobline.jobs WHERE queue = %s ORDER BY seq", queue)]


# ---- F13: a batch that is sent again -------------------------------------------------------------------------------


async def test_f13_a_batch_whose_answer_is_cut_at_any_byte_is_stored_once(
    shared_queue: QueueServiceUnderTest, link: TcpProxy
):
    """The first connection ends after so many bytes of answers; the client's second try goes through."""
    async with AsyncJoblineClient(link.address, shared_queue.producer_token) as client:
        await client.enqueue("cut-probe", "test")
    whole = link.answered
    assert whole > 100
    positions = sorted({0, 1, whole - 1, *random.Random(13).sample(range(whole), 12)})
    for position in positions:
        link.cut_after(position)
        queue = f"cut-at-{position}"
        async with AsyncJoblineClient(link.address, shared_queue.producer_token) as client:
            jobs = await client.enqueue_many(NewJob(queue=queue, kind="test", payload=n) for n in range(3))
        assert stored(shared_queue, queue) == [job.id for job in jobs], f"cut after {position} bytes"
        link.heal()


def test_f13_twenty_identical_batches_at_once_are_stored_once(shared_queue: QueueServiceUnderTest, calls: Calls):
    jobs = [new_job("identical", number) for number in range(5)]
    request = job_service_pb2.EnqueueJobsRequest(jobs=jobs, request_id=str(uuid_utils.uuid7()))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(calls.jobs.EnqueueJobs, [request] * 20))
    assert len({tuple(job.id for job in answer.jobs) for answer in answers}) == 1
    assert sum(not job.deduplicated for answer in answers for job in answer.jobs) == 5
    assert stored(shared_queue, "identical") == [job.id for job in answers[0].jobs]
    assert violations(Evidence.read(shared_queue.database_url)) == []


# ---- F38: retries that add up -------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def away() -> AsyncIterator[QueuePeer]:
    """A queue service without its database, in the one loop where the SDK has its grpc.aio objects, too."""
    running = queue_peer(EnqueueJobs=AWAY, CancelJob=AWAY)
    yield await grpc_loop().run(running.__aenter__())
    await grpc_loop().run(running.__aexit__(None, None, None))


async def test_f38_an_outage_is_not_made_worse_by_an_sdk_that_repeats_its_calls():
    """Fifty callers of one client for two seconds: what arrives is bounded by the back-off, not by the number of callers."""
    async with away() as peer, AsyncJoblineClient(peer.address, "token", deadline=2.0) as client:
        started = [client.enqueue("test", "test", number) for number in range(50)]
        told = await asyncio.gather(*started, return_exceptions=True)
        assert all(isinstance(each, JoblineError) for each in told)
        requests = Counter(call.request.request_id for call in peer.received)
        assert len(requests) <= 5, "concurrent calls share their messages"
        assert max(requests.values()) <= 12, "full jitter from 0.1 to 2 s: some six tries in two seconds"
        with pytest.raises(JoblineError):
            await client.cancel(str(uuid_utils.uuid7()))
        assert peer.calls("CancelJob") == 1, "what is not repeatable is not repeated"


async def test_f38_the_gateway_does_not_multiply_a_users_request_during_an_outage():
    context = CallContext(None, "")
    async with queue_peer(SubmitEmails=AWAY, CancelQueueItem=AWAY) as peer:
        client = QueueClient([peer.address, peer.address], "token")
        await client.open()
        try:
            for number in range(5):
                request = email_service_pb2.SubmitEmailsRequest(request_id=str(number))
                with pytest.raises(ServiceError):
                    await client.call(lambda to: to.email.SubmitEmails, request, context)
            cancel = email_service_pb2.CancelQueueItemRequest(id="x")
            with pytest.raises(ServiceError):
                await client.call(lambda to: to.email.CancelQueueItem, cancel, context, repeatable=False)
        finally:
            await client.close()
        assert peer.calls("SubmitEmails") <= 5 * 4
        assert peer.calls("CancelQueueItem") == 1
