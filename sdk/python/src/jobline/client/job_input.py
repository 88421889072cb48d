"""Jobs with an input: a list of JSON values of any length, sent and read in chunks; neither end keeps all of it in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator

import grpc
import orjson
import uuid_utils

from jobline.calls import DEFAULT_DEADLINE, Calls
from jobline.client import convert
from jobline.client.models import EnqueuedJob, Json, NewJob
from jobline.client.streams import Patience, listen, upload
from jobline.errors import DeadlineExceeded, FieldViolation, InvalidField, Unavailable
from jobline.stubs import job_stub, work_stub
from jobline.v1 import job_pb2, job_service_pb2, work_service_pb2

__all__ = ["MAX_CHUNK_BYTES", "enqueue_with_input", "read_input"]

#: What the contract allows one chunk.
MAX_CHUNK_BYTES = 512 * 1024


async def enqueue_with_input(
    calls: Calls,
    job: NewJob,
    items: Iterable[Json] | AsyncIterable[Json],
    *,
    request_id: str = "",
    deadline: float = DEFAULT_DEADLINE,
) -> EnqueuedJob:
    """Stores a job with its input and returns after the commit. See AsyncJoblineClient.enqueue_with_input."""
    begun = job_service_pb2.JobWithInput(job=convert.new_job(job), request_id=request_id or str(uuid_utils.uuid7()))
    first = job_service_pb2.EnqueueJobWithInputRequest(job=begun)
    source = _Source(items)
    patience = Patience(deadline)
    while True:
        try:
            answer = await upload(
                calls, lambda channel: job_stub(channel).EnqueueJobWithInput, first, source.requests(), deadline
            )
        except (Unavailable, DeadlineExceeded) as error:
            if source.spent:
                raise
            await patience.wait(error)
        else:
            return EnqueuedJob(answer.job.id, answer.job.deduplicated)


async def read_input(
    calls: Calls, job_id: str, lease_token: str, first_item: int = 0, *, deadline: float = DEFAULT_DEADLINE
) -> AsyncGenerator[tuple[int, int, list[Json]], None]:
    """The input of a run's job. See AsyncJoblineClient.read_input."""
    item = first_item
    patience = Patience(deadline)
    while True:
        request = work_service_pb2.ReadJobInputRequest(job_id=job_id, lease_token=lease_token, first_item=item)
        stream = listen(calls, lambda channel: work_stub(channel).ReadJobInput, request, deadline)
        try:
            async with contextlib.aclosing(stream) as messages:
                async for message in messages:
                    patience.heard()
                    values = orjson.loads(message.chunk.items_json)[max(0, item - message.first_item) :]
                    begin, item = item, item + len(values)
                    yield begin, message.total_items, values
            return
        except (Unavailable, DeadlineExceeded) as error:
            await patience.wait(error)


class _Source:
    """The items of a call, as the messages of each try."""

    def __init__(self, items: Iterable[Json] | AsyncIterable[Json]) -> None:
        self._items = items
        self._once = isinstance(items, Iterator | AsyncIterator)
        #: Items were taken that cannot be had again.
        self.spent = False

    async def requests(self) -> AsyncIterator[job_service_pb2.EnqueueJobWithInputRequest]:
        self.spent = self._once
        async for text in self._chunks():
            yield job_service_pb2.EnqueueJobWithInputRequest(chunk=job_pb2.InputChunk(items_json=text))

    async def _chunks(self) -> AsyncIterator[str]:
        """JSON arrays as large as they may be. Raises InvalidField for a value that is too large alone."""
        chunk: list[str] = []
        size = 2
        async for text in self._texts():
            more = len(text.encode()) + 1
            if chunk and size + more > MAX_CHUNK_BYTES:
                yield f"[{','.join(chunk)}]"
                chunk.clear()
                size = 2
            chunk.append(text)
            size += more
        if chunk:
            yield f"[{','.join(chunk)}]"

    async def _texts(self) -> AsyncIterator[str]:
        number = 0
        if isinstance(self._items, AsyncIterable):
            async for item in self._items:
                yield _text(number, item)
                number += 1
        else:
            for number, item in enumerate(self._items):
                yield _text(number, item)


def _text(number: int, item: Json) -> str:
    text = convert.json_text(f"items[{number}]", item)
    if len(text) > MAX_CHUNK_BYTES - 2 or len(text.encode()) > MAX_CHUNK_BYTES - 2:
        problem = FieldViolation(f"items[{number}]", f"expected at most {MAX_CHUNK_BYTES - 2} bytes of JSON")
        raise InvalidField(
            f"{problem.field}: {problem.description}",
            status=grpc.StatusCode.INVALID_ARGUMENT,
            reason="INVALID_FIELD",
            violations=(problem,),
        )
    return text
