"""A client that opens a stream of requests and falls silent is refused, so that nothing is kept for it for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from jobline import server_calls
from jobline.errors import InvalidField, from_rpc_error
from jobline.server import open_server
from jobline.v1 import job_service_pb2 as pb
from jobline.v1 import job_service_pb2_grpc


class Counting(job_service_pb2_grpc.JobServiceServicer):
    def __init__(self) -> None:
        self.taken = self.ended = 0

    async def EnqueueJobWithInput(self, requests: AsyncIterator[Any], context: Any) -> pb.EnqueueJobWithInputResponse:
        try:
            async for _ in requests:
                self.taken += 1
        finally:
            self.ended += 1
        return pb.EnqueueJobWithInputResponse(items=self.taken)


@pytest.fixture
def servicer() -> Counting:
    return Counting()


@pytest.fixture
async def address(servicer: Counting) -> AsyncIterator[str]:
    guard = server_calls.CallGuard(lambda method, context: None, lambda error, method: pytest.fail(str(error)))
    server = open_server("127.0.0.1", 0, (), [guard])
    job_service_pb2_grpc.add_JobServiceServicer_to_server(servicer, server.server)
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop(0)


async def messages(count: int, *, silent_at_the_end: bool) -> AsyncIterator[pb.EnqueueJobWithInputRequest]:
    for _ in range(count):
        yield pb.EnqueueJobWithInputRequest()
    if silent_at_the_end:
        await asyncio.Event().wait()


@pytest.mark.parametrize(("name", "sent"), [("_MESSAGE_WITHIN", 0), ("_MESSAGE_WITHIN", 2), ("_STREAM_WITHIN", 1)])
async def test_a_client_that_falls_silent_is_refused(
    address: str, servicer: Counting, monkeypatch: pytest.MonkeyPatch, name: str, sent: int
):
    monkeypatch.setattr(server_calls, name, 0.3)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.EnqueueJobWithInput(messages(sent, silent_at_the_end=True))
    error = from_rpc_error(raised.value)
    assert isinstance(error, InvalidField)
    assert [violation.field for violation in error.violations] == ["request"]
    assert servicer.ended == 1


async def test_a_client_that_goes_on_is_heard_to_its_end(address: str):
    async with grpc.aio.insecure_channel(address) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        assert (await stub.EnqueueJobWithInput(messages(5, silent_at_the_end=False))).items == 5
