"""Process now: the right is asked of the queue service, the work of a worker service, for as long as it takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1.worker_control_service_pb2 import ProcessNowRequest, ProcessNowResponse
from jobline_gateway import service_client
from support.communications_rest import BASE, envelope
from support.gateway import bearer, gateway_client, gateway_process
from support.queue_peers import Answer, Call, Context, Unending, queue_peer, refuse

PATH = f"{BASE}/process-now"
ALLOWED = pb.AuthorizeResponse()
DONE = '{"success":true,"message":"Queue processing completed"}'


@pytest.mark.parametrize(
    "found", [ProcessNowResponse(complete=True), ProcessNowResponse(), ProcessNowResponse(attempted=9, failed=9)]
)
async def test_the_answer_is_the_same_whatever_became_of_the_jobs(found: ProcessNowResponse) -> None:
    async with (
        queue_peer(Authorize=ALLOWED) as queue,
        queue_peer(ProcessNow=found) as worker,
        gateway_client(queue.address, worker_addresses=(worker.address,)) as gateway,
    ):
        got = await gateway.post(PATH, headers=bearer() | {"x-request-id": "abc"}, content=b"not even json")
        assert (got.status_code, got.text) == (200, DONE)
        assert queue.received[-1].request == pb.AuthorizeRequest(business_id="shop-1", action=pb.ACTION_PROCESS)
        [call] = worker.received
        assert call.request == ProcessNowRequest(queue="communications", owner="business:shop-1")
        assert (call.metadata["authorization"], call.metadata["x-request-id"]) == ("Bearer service-token", "abc")
        assert "jobline-caller-bin" not in call.metadata


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"), 403, "Forbidden resource"),
        (refuse(grpc.StatusCode.NOT_FOUND, "BUSINESS_NOT_FOUND"), 404, "Business shop-1 not found"),
    ],
)
async def test_without_the_right_no_worker_is_asked(answer: Answer, status: int, text: str) -> None:
    async with (
        queue_peer(Authorize=answer) as queue,
        queue_peer(ProcessNow=ProcessNowResponse()) as worker,
        gateway_client(queue.address, worker_addresses=(worker.address,)) as gateway,
    ):
        got = await gateway.post(PATH, headers=bearer())
        assert (got.status_code, got.json()) == (status, envelope(status, text))
        assert worker.received == []


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (refuse(grpc.StatusCode.UNAVAILABLE), 503, "Service unavailable"),
        # The worker service does not know the gateway's own token: nothing that the user could mend.
        (refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"), 500, "Internal server error"),
        (refuse(grpc.StatusCode.UNIMPLEMENTED), 500, "Internal server error"),
    ],
)
async def test_a_worker_service_that_refuses_is_no_fault_of_the_user(answer: Answer, status: int, text: str) -> None:
    async with (
        queue_peer(Authorize=ALLOWED) as queue,
        queue_peer(ProcessNow=answer) as worker,
        gateway_client(queue.address, worker_addresses=(worker.address,)) as gateway,
    ):
        got = await gateway.post(PATH, headers=bearer())
        assert (got.status_code, got.json()) == (status, envelope(status, text))
        assert len(worker.received) == 1


@pytest.mark.parametrize("addresses", [(), ("127.0.0.1:1",)])
async def test_without_a_worker_service_the_answer_is_503(addresses: tuple[str, ...]) -> None:
    async with (
        queue_peer(Authorize=ALLOWED) as queue,
        gateway_client(queue.address, worker_addresses=addresses) as gateway,
    ):
        got = await gateway.post(PATH, headers=bearer())
        assert (got.status_code, got.json()) == (503, envelope(503, "Service unavailable"))


async def test_any_worker_service_serves() -> None:
    async with (
        queue_peer(Authorize=ALLOWED) as queue,
        queue_peer(ProcessNow=ProcessNowResponse()) as worker,
        gateway_client(queue.address, worker_addresses=("127.0.0.1:1", worker.address)) as gateway,
    ):
        assert (await gateway.post(PATH, headers=bearer())).text == DONE


async def test_a_worker_service_that_drains_is_passed_over() -> None:
    drains = refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE")
    async with (
        queue_peer(Authorize=ALLOWED) as queue,
        queue_peer(ProcessNow=drains) as leaving,
        queue_peer(ProcessNow=ProcessNowResponse()) as worker,
        gateway_client(queue.address, worker_addresses=(leaving.address, worker.address)) as gateway,
    ):
        assert (await gateway.post(PATH, headers=bearer())).text == DONE


async def test_it_waits_as_long_as_the_work_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_client, "TRY_DEADLINE", 0.1)

    async def work(call: Call, context: Context) -> Message:
        await asyncio.sleep(1)
        return ProcessNowResponse()

    async with (
        queue_peer(Authorize=ALLOWED) as queue,
        queue_peer(ProcessNow=work) as worker,
        gateway_client(queue.address, worker_addresses=(worker.address,)) as gateway,
    ):
        assert (await gateway.post(PATH, headers=bearer())).text == DONE


async def test_a_client_that_hangs_up_ends_the_call_to_the_worker(tmp_path: Path) -> None:
    work = Unending()
    async with queue_peer(Authorize=ALLOWED) as queue, queue_peer(ProcessNow=work) as worker:
        addresses = {"JOBLINE_QUEUE_ADDRESS": queue.address, "JOBLINE_WORKER_ADDRESS": worker.address}
        with gateway_process(tmp_path, **addresses) as (_, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                await work.ends_with(client.post(PATH, headers=bearer(), content=b"x" * 100_000, timeout=None))
