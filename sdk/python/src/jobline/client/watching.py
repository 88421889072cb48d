"""A watch that outlives its stream.

Each message carries the number of its change; a new stream that names the last one goes on without a gap, or says
`resync` and tells the present state. What a caller sees is one sequence, whichever services it came from.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator

import grpc

from jobline.channel import grpc_loop
from jobline.client import convert
from jobline.client.calls import Calls
from jobline.client.models import Change
from jobline.errors import DeadlineExceeded, JoblineError, NotFound, Unavailable, from_rpc_error
from jobline.v1 import job_service_pb2, job_service_pb2_grpc

__all__ = ["watch_jobs"]

_Stream = grpc.aio.UnaryStreamCall[job_service_pb2.WatchJobsRequest, job_service_pb2.WatchJobsResponse]

#: Ceilings of the jittered waits between streams, in seconds: doubling from the first to the last.
_FIRST_WAIT, _LAST_WAIT = 0.1, 10.0


async def watch_jobs(
    calls: Calls, request: job_service_pb2.WatchJobsRequest, patience: float
) -> AsyncGenerator[Change, None]:
    """Yields changes until all watched ids have ended; reconnects for up to `patience` seconds without a message.

    Raises JoblineError when the service refuses the watch, or stays away for longer.
    """
    watch = _Watch(calls, request)
    failing_since: float | None = None
    failures = 0
    while True:
        try:
            async with contextlib.aclosing(watch.stream()) as changes:
                async for change in changes:
                    failing_since, failures = None, 0
                    yield change
            return
        except (Unavailable, DeadlineExceeded):
            failing_since = failing_since or time.monotonic()
            if time.monotonic() - failing_since > patience:
                raise
        except NotFound:
            # A job that ended and was removed while no stream was open is no error of the watch.
            if not watch.forget_ended():
                raise
            if watch.is_over:
                return
        await asyncio.sleep(random.uniform(0, min(_LAST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 20))))
        failures += 1


class _Watch:
    """One watch: what is still watched, and the last change seen."""

    def __init__(self, calls: Calls, request: job_service_pb2.WatchJobsRequest) -> None:
        self._calls = calls
        self._request = request
        self._by_ids = bool(request.ids)
        self._ended: set[str] = set()
        self._loop = grpc_loop()

    @property
    def is_over(self) -> bool:
        return self._by_ids and not self._request.ids

    def forget_ended(self) -> bool:
        """Stops watching what is known to have ended; false when that changes nothing."""
        left = [job_id for job_id in self._request.ids if job_id not in self._ended]
        if len(left) == len(self._request.ids):
            return False
        del self._request.ids[:]
        self._request.ids.extend(left)
        return True

    async def stream(self) -> AsyncGenerator[Change, None]:
        call = await self._loop.run(self._open())
        try:
            while (message := await self._loop.run(self._read(call))) is not None:
                change = convert.change(message)
                self._request.resume_after = change.change_id or self._request.resume_after
                self._note_end(change)
                yield change
        finally:
            self._loop.post(call.cancel)

    async def _open(self) -> _Stream:
        stub = job_service_pb2_grpc.JobServiceStub(self._calls.channel())
        return stub.WatchJobs(self._request, metadata=self._calls.metadata)

    async def _read(self, call: _Stream) -> job_service_pb2.WatchJobsResponse | None:
        try:
            message = await call.read()
        except grpc.aio.AioRpcError as raised:
            error: JoblineError = from_rpc_error(raised)
            if isinstance(error, Unavailable | DeadlineExceeded):
                self._calls.next_address()
            raise error from raised
        return message if isinstance(message, job_service_pb2.WatchJobsResponse) else None

    def _note_end(self, change: Change) -> None:
        if change.removed_id:
            self._ended.add(change.removed_id)
        elif change.job is not None and change.job.state.is_terminal:
            self._ended.add(change.job.id)
        elif change.job is not None:
            self._ended.discard(change.job.id)
