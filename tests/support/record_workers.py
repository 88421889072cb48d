"""The pipelines of the database queue in the test's own process, at a real queue service and a real embedding server.

    async with record_workers(service, embeddings.url) as workers:
        workers.records.hold_at = 3
        run = asyncio.create_task(workers.ingest(house.project))
        await workers.records.held.wait()

What they store and ask for can be watched, and stopped, at the doors of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from jobline.worker import ErrandReport, ErrandRunner, Run
from jobline_worker.pipelines.ingestion import IngestData, Vectorize
from jobline_worker.providers.embeddings import Embedder, Vector
from jobline_worker.providers.embeddings.openai import OpenAiEmbedder
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.ingestion import Batch, Chunk, Place, RecordStore, StoredRecord
from jobline_worker.providers.ingestion.queue_service import open_record_store
from support.queue_service import QueueServiceUnderTest

__all__ = ["RecordWorkers", "WatchedEmbedder", "WatchedRecords", "record_workers"]

_WITHIN = 60.0


class WatchedRecords:
    """A store whose calls are counted, and held when the test says so."""

    def __init__(self, store: RecordStore) -> None:
        #: Every batch that was to be stored, in order, and the place behind each that was.
        self.batches: list[Batch] = []
        self.places: list[Place] = []
        #: Where each reading of an input began.
        self.read_from: list[int] = []
        #: The batch of this number (from 1, of all runs) is stored once `go_on` is set; `held` says that it waits.
        self.hold_at = 0
        self.held, self.go_on = asyncio.Event(), asyncio.Event()
        #: Raised instead of storing the batch of this number.
        self.fail_at = 0
        #: Seconds that each batch takes longer.
        self.slower_by = 0.0
        self._store = store

    async def read(self, run: Run, first_item: int) -> AsyncGenerator[Chunk, None]:
        self.read_from.append(first_item)
        async for chunk in self._store.read(run, first_item):
            yield chunk

    async def save(self, run: Run, batch: Batch) -> Place:
        self.batches.append(batch)
        if len(self.batches) == self.hold_at:
            self.held.set()
            await self.go_on.wait()
        if len(self.batches) == self.fail_at:
            raise RuntimeError("secret details of a fault")
        await asyncio.sleep(self.slower_by)
        place = await self._store.save(run, batch)
        self.places.append(place)
        return place

    async def unembedded(self, run: Run, limit: int) -> list[StoredRecord]:
        return await self._store.unembedded(run, limit)

    async def store(self, run: Run, records: Sequence[StoredRecord], vectors: Sequence[Vector]) -> None:
        await self._store.store(run, records, vectors)


class WatchedEmbedder:
    """An embedder whose requests are counted, and held when the test says so."""

    def __init__(self, embedder: Embedder) -> None:
        #: The texts of every request.
        self.requests: list[list[str]] = []
        self.at_once = self.most_at_once = 0
        #: The request of this number, from 1, and all later ones wait until `go_on` is set; `held` says that one waits.
        self.hold_from = 0
        self.held, self.go_on = asyncio.Event(), asyncio.Event()
        self._embedder = embedder

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.requests.append(list(texts))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if 0 < self.hold_from <= len(self.requests):
                self.held.set()
                await self.go_on.wait()
            return await self._embedder.embed(texts)
        finally:
            self.at_once -= 1


class RecordWorkers:
    """Runs what is due of a project, when told."""

    def __init__(self, runner: ErrandRunner, records: WatchedRecords, embedder: WatchedEmbedder) -> None:
        self.runner = runner
        self.records = records
        self.embedder = embedder

    async def ingest(self, project: str, **limits: Any) -> ErrandReport:
        return await asyncio.wait_for(self.runner.run("ingestion", owner=f"project:{project}", **limits), _WITHIN)

    async def vectorize(self, project: str, **limits: Any) -> ErrandReport:
        return await asyncio.wait_for(self.runner.run("vectorization", owner=f"project:{project}", **limits), _WITHIN)

    async def vectorize_all(self, project: str) -> ErrandReport:
        """The whole chain."""
        return await self.vectorize(project, own_runs_only=True)


@asynccontextmanager
async def record_workers(
    service: QueueServiceUnderTest, embeddings_url: str = "http://127.0.0.1:9/v1", request_seconds: float = 60.0
) -> AsyncIterator[RecordWorkers]:
    """An embedding request takes at most `request_seconds`."""
    async with (
        open_record_store([service.address], service.worker_token) as store,
        provider_client() as client,
    ):
        records = WatchedRecords(store)
        embedder = WatchedEmbedder(OpenAiEmbedder(client, embeddings_url, "of-a-test", 1536, timeout=request_seconds))
        pipelines = [IngestData(records), Vectorize(records, embedder)]
        async with ErrandRunner(
            service.address, service.worker_token, pipelines=pipelines, drain_timeout=5.0
        ) as runner:
            yield RecordWorkers(runner, records, embedder)
