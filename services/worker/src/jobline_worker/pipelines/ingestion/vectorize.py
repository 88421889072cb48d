"""`VECTORIZE`: records of a project that have no embedding get one, those stored first.

One run embeds a bounded number, and the queue service enqueues the next job for what is left. So a run that ends early is
no failure: what it has stored counts. A run that embedded nothing must fail instead, or a dead provider would be asked
again and again, by one job after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from jobline.worker import JobFailure, PermanentError, Run, TransientError, pipeline, step
from jobline_worker.pipelines.ingestion.telling import failure_of, logger_of, told
from jobline_worker.providers.embeddings import MAX_TEXTS, Embedder, EmbeddingMismatch, Vector
from jobline_worker.providers.errors import ProviderTimeout
from jobline_worker.providers.ingestion import RecordStore, StoredRecord

__all__ = ["MAX_RECORDS", "Vectorize"]

log = logger_of("vectorization")

#: How many records one job embeds.
MAX_RECORDS = 250

#: Seconds after which a request without an answer has failed, if the run has to end before the request's own time is up.
_HANGING = 30.0


@pipeline("VECTORIZE")
class Vectorize:
    """The payload is the queue service's. The result is `{"vectorizedCount"}`."""

    def __init__(self, store: RecordStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder

    @step
    async def vectorize(self, run: Run) -> dict[str, int]:
        with told(log, run):
            work = _Work(run, self._store, self._embedder)
            await work.done()
            if not work.embedded:
                if work.failure is not None:
                    raise work.failure
                run.stopping.raise_if_set()
            log.info("job %s: %d records embedded", run.id, work.embedded)
            return {"vectorizedCount": work.embedded}

    def failure(self, step: str, error: BaseException) -> JobFailure:
        return failure_of(error)


class _Work:
    """What one run does: requests one after the other, each stored before the next."""

    def __init__(self, run: Run, store: RecordStore, embedder: Embedder) -> None:
        self.embedded = 0
        #: Why the last request that failed did.
        self.failure: TransientError | PermanentError | None = None
        self._run = run
        self._store = store
        self._embedder = embedder
        self._tried = 0

    async def done(self) -> None:
        """Returns when the run's share is done, little time is left, or records that failed would come again."""
        while self._tried < MAX_RECORDS and self.failure is None and not self._run.stopping.is_set():
            records = await self._store.unembedded(self._run, MAX_RECORDS - self._tried)
            if not records:
                return
            known = self._tried + len(records)
            for first in range(0, len(records), MAX_TEXTS):
                self._run.cancelled.raise_if_set()
                if self._run.stopping.is_set():
                    return
                await self._embed(records[first : first + MAX_TEXTS])
                self._run.progress(self._tried, known, "Embedding records...")

    async def _embed(self, records: Sequence[StoredRecord]) -> None:
        """One request. If it fails its records stay as they are, but no other request will do better with vectors of the
        wrong length."""
        try:
            vectors = await self._vectors([record.content for record in records])
        except EmbeddingMismatch:
            raise
        except (TransientError, PermanentError) as error:
            log.warning("job %s: a request for %d records failed: %s", self._run.id, len(records), error)
            self.failure = error
        else:
            if vectors is None:
                return
            # How many of them are new the answer does not tell, when the first try was answered to nobody.
            await self._store.store(self._run, records, vectors)
            self.embedded += len(records)
        self._tried += len(records)

    async def _vectors(self, texts: Sequence[str]) -> list[Vector] | None:
        """None if there was too little time left to wait for them."""
        began = time.monotonic()
        request = asyncio.ensure_future(self._embedder.embed(texts))
        stopping = asyncio.ensure_future(self._run.stopping.wait())
        try:
            await asyncio.wait({request, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if request.done():
                return request.result()
        finally:
            for waiting in (request, stopping):
                waiting.cancel()
            await asyncio.gather(request, stopping, return_exceptions=True)
        waited = time.monotonic() - began
        if waited >= _HANGING:
            raise ProviderTimeout("embedding provider", round(waited))
        return None
