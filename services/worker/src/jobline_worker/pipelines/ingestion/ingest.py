"""`INGEST_DATA`: the values of a job's input become records of its project.

Nothing is kept here between two batches. The queue service stores a batch, the place behind it, the numbers and the
progress in one transaction, so a run that is lost at any moment is gone on with behind what is stored: the place comes
with the job like the output of a step. For the same reason time that is up costs nothing: the job is given back.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from jobline.worker import JobFailure, PermanentError, Run, pipeline, step
from jobline_worker.pipelines.ingestion.batches import batches
from jobline_worker.pipelines.ingestion.rules import Keywords
from jobline_worker.pipelines.ingestion.telling import failure_of, logger_of, told
from jobline_worker.providers.ingestion import Place, RecordStore

__all__ = ["IngestData"]

log = logger_of("ingestion")


@pipeline("INGEST_DATA")
class IngestData:
    """Payload: `filterKeywords`; what else it has, the queue service acts on. The result is `{"savedCount",
    "skippedCount"}`."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    @step(announced=False)
    async def ingest(self, run: Run) -> dict[str, int]:
        """Reports no progress: it is stored with each batch."""
        with told(log, run):
            keywords = Keywords(run.payload.get("filterKeywords") or ())
            place, ended = _stored_place(run), False
            while not ended:
                place, ended = await self._load(run, place, keywords)
            log.info("job %s: %d values, %d saved, %d skipped", run.id, place.done, place.saved, place.skipped)
            return {"savedCount": place.saved, "skippedCount": place.skipped}

    def failure(self, step: str, error: BaseException) -> JobFailure:
        return failure_of(error)

    async def _load(self, run: Run, place: Place, keywords: Keywords) -> tuple[Place, bool]:
        """Stores what follows `place`. Where the run is now, and whether the input has ended: if not, an earlier run had
        come further than this one was told."""
        async with (
            aclosing(self._store.read(run, place.done)) as chunks,
            aclosing(batches(chunks, place.done, keywords)) as coming,
        ):
            async for batch in coming:
                run.cancelled.raise_if_set()
                run.stopping.raise_if_set()
                place = await self._store.save(run, batch)
                if place.done < batch.end:
                    raise PermanentError("the queue service did not store a whole batch", code="INTERNAL")
                if place.done > batch.end:
                    return place, False
        return place, True


def _stored_place(run: Run) -> Place:
    stored: dict[str, Any] = run.outputs.get("records") or {}
    return Place(stored.get("done", 0), stored.get("saved", 0), stored.get("skipped", 0))
