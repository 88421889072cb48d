"""Embed as callers know it: a worker service before an embedding server that has good days and bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from jobline.channel import bearer
from jobline.v1.worker_control_service_pb2 import EmbedRequest
from jobline.v1.worker_control_service_pb2_grpc import WorkerControlServiceStub
from support.embedding_server import EmbeddingServer, embedding_server, vector_of
from support.eventually import eventually
from support.queue_calls import Refusal
from support.queue_service import QueueServiceUnderTest
from support.worker_service import WorkerService

DIMENSIONS = 16
KEY = "sk-embed-abcdefgh12345678"
#: Texts that are refused → the field that is named.
BAD: list[tuple[tuple[str, ...], str]] = [
    ((), "texts"),
    (("a",) * 26, "texts"),
    (("",), "texts[0]"),
    (("a", "x" * 32_769), "texts[1]"),
]


def embed(worker: WorkerService, token: str, texts: Sequence[str]) -> list[list[float]] | Refusal:
    """The vectors, or what the refused call is told."""
    with grpc.insecure_channel(worker.address) as channel:
        stub = WorkerControlServiceStub(channel)
        try:
            answer = stub.Embed(EmbedRequest(texts=texts), metadata=bearer(token), timeout=30)
        except grpc.RpcError as error:
            return Refusal.of(error)
    return [list(vector.values) for vector in answer.vectors]


@asynccontextmanager
async def worker_before(
    service: QueueServiceUnderTest, folder: Path, server: EmbeddingServer
) -> AsyncIterator[WorkerService]:
    tokens = {role: getattr(service, f"{role}_token") for role in ("gateway", "worker")}
    worker = WorkerService(
        service.address,
        service.worker_token,
        folder,
        JOBLINE_WORKER_QUEUES="nothing",
        JOBLINE_SERVICE_TOKENS=",".join(f"{role}:{role}:{token}" for role, token in tokens.items()),
        JOBLINE_EMBEDDINGS_URL=server.url,
        JOBLINE_EMBEDDINGS_API_KEY=KEY,
        JOBLINE_EMBEDDING_DIMENSIONS=str(DIMENSIONS),
    )
    try:
        serves = "jobline.v1.WorkerControlService"
        await eventually(lambda: asyncio.to_thread(worker.is_healthy, serves), within=30, what="the worker serves")
        yield worker
    finally:
        worker.kill()
    assert KEY not in worker.errors.read_text()


async def test_texts_are_embedded_by_the_server_that_is_set_and_its_trouble_is_told(
    service: QueueServiceUnderTest, tmp_path: Path
):
    async with (
        embedding_server(DIMENSIONS) as server,
        worker_before(service, tmp_path, server) as worker,
    ):

        async def said(*texts: str, token: str = service.gateway_token) -> Any:
            return await asyncio.to_thread(embed, worker, token, texts)

        found = await said("green tea", "x" * 32_768)
        assert found == [pytest.approx(vector_of(text, DIMENSIONS), abs=1e-6) for text in ("green tea", "x" * 8000)]
        assert server.authorization == f"Bearer {KEY}"
        for bad, field in BAD:
            told = await said(*bad)
            assert (told.reason, told.fields) == ("INVALID_FIELD", (field,))
        assert (await said("a", token=service.worker_token)).reason == "FORBIDDEN"
        assert (await said("a", token="somebody else's token")).reason == "UNAUTHENTICATED"
        server.dimensions = 5
        told = await said("a")
        assert (told.status, told.reason) == ("UNAVAILABLE", "PROVIDER_UNAVAILABLE")
        assert told.message == f"Embedding dimension mismatch: expected {DIMENSIONS}, got 5"
        server.dimensions = DIMENSIONS
        await server.die()
        assert (await said("a")).reason == "PROVIDER_UNAVAILABLE"
        await server.revive()
        assert len(await said("a")) == 1
