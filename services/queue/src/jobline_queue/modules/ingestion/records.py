"""What the runs of INGEST_DATA and VECTORIZE store: records, each once, and their vectors.

A record is a duplicate by its own id, the first of its ids; whoever else carries that id under any key, in the same project
and with the same type, was stored before. The key of the table of ids decides, so two jobs that load the same records at
once store each of them once: who comes second waits for the first one's end and then finds the id taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_queue.core.errors import StaleLease, invalid
from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.modules.ingestion import checks
from jobline_queue.modules.ingestion.job import INGEST, QUEUES
from jobline_queue.modules.ingestion.runs import Runs, prove_current, rows, run
from jobline_queue.store.job_store import Row, rows_text

DUPLICATE = "Duplicate ID"
MISMATCH = "Keyword Mismatch"
PROGRESS = "Processing records..."

#: Of a content that is to be embedded, in characters: no embedder reads more.
MAX_TEXT = 32_768
#: Of all contents of an answer: a message is 4 MiB at most.
MAX_TEXT_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True)
class Tally:
    """How many values of a job's input are done, and what became of them: the output of its step `records`."""

    done: int = 0
    saved: int = 0
    skipped: int = 0
    details: Mapping[str, int] = field(default_factory=dict)

    def plus(self, items: int, saved: int, why_skipped: Mapping[str, int]) -> Tally:
        details = dict(self.details)
        for reason, count in why_skipped.items():
            if count:
                details[reason] = details.get(reason, 0) + count
        return Tally(self.done + items, self.saved + saved, self.skipped + sum(why_skipped.values()), details)

    def answer(self) -> pb.SaveRecordsResponse:
        return pb.SaveRecordsResponse(next_item=self.done, saved=self.saved, skipped=self.skipped)


@dataclass(frozen=True)
class IngestRun:
    """What a run has to know of its job."""

    project_id: str
    type: str
    source: str | None
    ingest_job_id: str | None
    input_items: int
    tally: Tally


class _PlaceMoved(Exception):
    """A repeated call has stored the values meanwhile."""


class Records:
    """The calls by which runs store, see ingestion_service.proto."""

    def __init__(self, engine: AsyncEngine, core: QueueCore, dimensions: int) -> None:
        self._runs = Runs(engine, core)
        self._dimensions = dimensions

    async def save(self, request: pb.SaveRecordsRequest) -> pb.SaveRecordsResponse:
        checks.check_batch(request)
        job = self._runs.current(request.job_id, request.lease_token)
        if job.kind != INGEST:
            raise invalid("job_id", f"expected a job of the kind {INGEST}")
        records = [checks.record_row(f"records[{index}]", record) for index, record in enumerate(request.records)]
        before = await self._find(job.id)
        if request.first_item < before.tally.done:
            return before.tally.answer()
        if request.first_item > before.tally.done:
            raise invalid("first_item", f"expected the stored place, {before.tally.done}")
        if request.first_item + request.items > before.input_items:
            raise invalid("items", f"expected no more than the input has: {before.input_items}")
        try:
            after = await self._runs.transact(lambda connection: _save(connection, request, job, before, records))
        except _PlaceMoved:
            return (await self._find(job.id)).tally.answer()
        self._runs.note_progress(job.id, request.lease_token, after.done, before.input_items, PROGRESS)
        return after.answer()

    async def list_unembedded(self, request: pb.ListUnembeddedRecordsRequest) -> pb.ListUnembeddedRecordsResponse:
        checks.check_count("limit", request.limit, checks.MAX_EMBEDDINGS)
        project_id = await self._project(request.job_id, request.lease_token)
        bounds = {"limit": request.limit, "characters": MAX_TEXT, "bytes": MAX_TEXT_BYTES}
        found = await self._runs.read("list_unembedded", project_id=project_id, **bounds)
        if not found:
            await self._note_nothing_left(request.job_id, request.lease_token)
        records = [pb.UnembeddedRecord(id=record_id, content=content) for record_id, content in found]
        return pb.ListUnembeddedRecordsResponse(records=records)

    async def store_embeddings(self, request: pb.StoreEmbeddingsRequest) -> pb.StoreEmbeddingsResponse:
        embeddings = orjson.dumps(checks.embedding_rows(request, self._dimensions)).decode()
        project_id = await self._project(request.job_id, request.lease_token)

        async def store(connection: AsyncConnection) -> int:
            stored = await run(connection, "store_embeddings", project_id=project_id, embeddings=embeddings)
            await prove_current(connection, request.job_id, request.lease_token)
            return stored

        return pb.StoreEmbeddingsResponse(stored=await self._runs.transact(store))

    async def _note_nothing_left(self, job_id: str, lease_token: str) -> None:
        """For the end of the run, by which there may be new ones: a run that had none to do has not failed."""
        attempt = self._runs.current(job_id, lease_token).attempt + 1

        async def note(connection: AsyncConnection) -> None:
            await prove_current(connection, job_id, lease_token)
            await run(connection, "note_nothing_left", job_id=job_id, lease_token=lease_token, attempt=attempt)

        await self._runs.transact(note)

    async def _project(self, job_id: str, lease_token: str) -> str:
        """The project of a run of either kind."""
        if self._runs.current(job_id, lease_token).kind not in QUEUES:
            raise invalid("job_id", f"expected a job of one of the kinds {', '.join(QUEUES)}")
        return (await self._find(job_id)).project_id

    async def _find(self, job_id: str) -> IngestRun:
        found = await self._runs.read("find_ingest_run", job_id=job_id)
        if not found:
            raise StaleLease
        project_id, kind, source, ingest_job_id, input_items, tally = found[0]
        return IngestRun(project_id, kind, source, ingest_job_id, input_items, Tally(**(tally or {})))


async def _save(
    connection: AsyncConnection, request: pb.SaveRecordsRequest, job: LiveJob, known: IngestRun, given: Sequence[Row]
) -> Tally:
    """Stores the batch behind the stored place; the tally then. Raises _PlaceMoved or StaleLease."""
    new = await _without_duplicates(connection, known, [list(record.record_ids) for record in request.records])
    kept = [record for record, is_new in zip(given, new, strict=True) if is_new]
    if kept:
        whose = {"project_id": known.project_id, "type": known.type, "ingest_job_id": known.ingest_job_id}
        text = rows_text(kept, raw="metadata")
        await run(connection, "insert_records", **whose, source=known.source, records=text)
    skipped = {DUPLICATE: len(given) - len(kept), MISMATCH: request.keyword_mismatches}
    after = known.tally.plus(request.items, len(kept), skipped)
    await prove_current(connection, job.id, request.lease_token)
    output = orjson.dumps(after).decode()
    before = known.tally.done
    if not await run(connection, "move_place", job_id=job.id, attempt=job.attempt + 1, before=before, output=output):
        raise _PlaceMoved
    await run(connection, "tell_progress", job_id=job.id, done=after.done, total=known.input_items, message=PROGRESS)
    if known.ingest_job_id is not None:
        counts = {"saved": after.saved, "skipped": after.skipped, "details": orjson.dumps(after.details).decode()}
        await run(connection, "count_records", ingest_job_id=known.ingest_job_id, project_id=known.project_id, **counts)
    return after


async def _without_duplicates(
    connection: AsyncConnection, known: IngestRun, carried: Sequence[Sequence[str]]
) -> list[bool]:
    """Of records, each with the ids that it carries, its own first, whether it is stored: no record before it carries its
    own id. The ids of those that are stored are taken from now on.
    """
    own = {_digest(ids[0]) for ids in carried if ids}
    free = await _add_ids(connection, known, own)
    taken: set[bytes] = set()
    stored = []
    for ids in carried:
        digests = [_digest(each) for each in ids]
        is_new = not digests or (digests[0] in free and digests[0] not in taken)
        if is_new:
            taken.update(digests)
        stored.append(is_new)
    await _add_ids(connection, known, taken - own)
    return stored


async def _add_ids(connection: AsyncConnection, known: IngestRun, digests: Set[bytes]) -> set[bytes]:
    """Those that were not there."""
    if not digests:
        return set()
    whose = {"project_id": known.project_id, "type": known.type}
    return {digest for (digest,) in await rows(connection, "add_record_ids", **whose, digests=list(digests))}


def _digest(record_id: str) -> bytes:
    return hashlib.sha256(record_id.encode()).digest()
