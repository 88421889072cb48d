"""Asks the queue service, which keeps inputs and records, on behalf of a run.

Every call may be made again when its outcome is unknown: records are saved by their place in the input, and a vector is
stored where there is none. So a service that restarts, or a standby that takes over, costs a run nothing but time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import grpc

from jobline.calls import Calls
from jobline.client.job_input import read_input
from jobline.errors import DeadlineExceeded, JoblineError, StaleLease, Unavailable
from jobline.stubs import ingestion_stub
from jobline.v1 import ingestion_service_pb2 as pb
from jobline.worker import PermanentError, Run, TransientError
from jobline_worker.providers.embeddings import Vector
from jobline_worker.providers.ingestion import Batch, Chunk, NewRecord, Place, RecordStore, StoredRecord

__all__ = ["open_record_store"]

Response = TypeVar("Response")

#: Seconds that the queue service gets to answer, all tries included: longer than a standby needs to take over.
_PATIENCE = 30.0


@asynccontextmanager
async def open_record_store(addresses: Sequence[str], token: str) -> AsyncIterator[RecordStore]:
    """Asks the queue service at the first of `addresses` that answers. Makes no call itself."""
    calls = Calls(addresses, token)
    try:
        yield _QueueServiceRecords(calls)
    finally:
        await calls.close()


class _QueueServiceRecords:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def read(self, run: Run, first_item: int) -> AsyncGenerator[Chunk, None]:
        """See RecordStore. A stream that breaks is opened again behind the last chunk."""
        reading = read_input(self._calls, run.id, run.lease_token, first_item, deadline=_PATIENCE)
        async with aclosing(reading) as chunks:
            while True:
                try:
                    first, _, values = await anext(chunks)
                except StopAsyncIteration:
                    return
                except JoblineError as error:
                    raise await _failure(run, error) from error
                yield Chunk(first, values)

    async def save(self, run: Run, batch: Batch) -> Place:
        request = pb.SaveRecordsRequest(
            job_id=run.id,
            lease_token=run.lease_token,
            first_item=batch.first_item,
            items=batch.items,
            records=map(_message, batch.records),
            keyword_mismatches=batch.mismatches,
        )
        answer = await self._ask(run, lambda channel: ingestion_stub(channel).SaveRecords, request)
        return Place(answer.next_item, answer.saved, answer.skipped)

    async def unembedded(self, run: Run, limit: int) -> list[StoredRecord]:
        request = pb.ListUnembeddedRecordsRequest(job_id=run.id, lease_token=run.lease_token, limit=limit)
        answer = await self._ask(run, lambda channel: ingestion_stub(channel).ListUnembeddedRecords, request)
        return [StoredRecord(record.id, record.content) for record in answer.records]

    async def store(self, run: Run, records: Sequence[StoredRecord], vectors: Sequence[Vector]) -> None:
        request = pb.StoreEmbeddingsRequest(job_id=run.id, lease_token=run.lease_token)
        for record, vector in zip(records, vectors, strict=True):
            request.embeddings.add(record_id=record.id).vector.values.extend(vector)
        await self._ask(run, lambda channel: ingestion_stub(channel).StoreEmbeddings, request)

    async def _ask(
        self, run: Run, call: Callable[[grpc.aio.Channel], Callable[..., Awaitable[Response]]], request: object
    ) -> Response:
        try:
            return await self._calls.unary(call, request, idempotent=True, deadline=_PATIENCE)
        except JoblineError as error:
            raise await _failure(run, error) from error


async def _failure(run: Run, error: JoblineError) -> TransientError | PermanentError:
    """What an error means for the run. Raises RunStopped if it is not this run's job any more."""
    match error:
        case StaleLease():
            await run.confirm()
            return TransientError("the queue service did not accept the lease of the run", code="INTERNAL")
        case Unavailable() | DeadlineExceeded():
            return TransientError("the queue service did not answer in time", code="INTERNAL")
        case _:
            why = error.reason or error.status.name
            return PermanentError(f"the queue service refused a call of the run ({why})", code="INTERNAL")


def _message(record: NewRecord) -> pb.NewRecord:
    message = pb.NewRecord(
        content=record.content,
        category=record.category,
        record_ids=record.ids,
        metadata_json=record.metadata.decode(),
        created_by_id=record.created_by_id,
        created_by_name=record.created_by_name,
        created_by_email=record.created_by_email,
    )
    if record.created_at is not None:
        message.created_at.FromDatetime(record.created_at)
    if record.updated_at is not None:
        message.updated_at.FromDatetime(record.updated_at)
    return message
