"""A watch that outlives its stream.

Each message carries the number of its change; a new stream that names the last one goes on without a gap, or says
`resync` and tells the present state. What a caller sees is one sequence, whichever services it came from.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from jobline.calls import Calls
from jobline.client import convert
from jobline.client.models import Change
from jobline.client.streams import Patience, listen
from jobline.errors import DeadlineExceeded, NotFound, Unavailable
from jobline.stubs import job_stub
from jobline.v1 import job_service_pb2

__all__ = ["watch_jobs"]


async def watch_jobs(
    calls: Calls, request: job_service_pb2.WatchJobsRequest, patience: float
) -> AsyncGenerator[Change, None]:
    """Yields changes until all watched ids have ended; reconnects for up to `patience` seconds without a message.

    Raises JoblineError when the service refuses the watch, or stays away for longer.
    """
    watch = _Watch(calls, request)
    trying = Patience(patience)
    while True:
        try:
            async with contextlib.aclosing(watch.stream()) as changes:
                async for change in changes:
                    trying.heard()
                    yield change
            return
        except (Unavailable, DeadlineExceeded) as error:
            await trying.wait(error)
        except NotFound:
            # A job that ended and was removed while no stream was open is no error of the watch.
            if not watch.forget_ended():
                raise
            if watch.is_over:
                return
            await trying.pause()


class _Watch:
    """One watch: what is still watched, and the last change seen."""

    def __init__(self, calls: Calls, request: job_service_pb2.WatchJobsRequest) -> None:
        self._calls = calls
        self._request = request
        self._by_ids = bool(request.ids)
        self._ended: set[str] = set()

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
        opened = listen(self._calls, lambda channel: job_stub(channel).WatchJobs, self._request)
        async with contextlib.aclosing(opened) as messages:
            async for message in messages:
                change = convert.change(message)
                self._request.resume_after = change.change_id or self._request.resume_after
                self._note_end(change)
                yield change

    def _note_end(self, change: Change) -> None:
        if change.removed_id:
            self._ended.add(change.removed_id)
        elif change.job is not None and change.job.state.is_terminal:
            self._ended.add(change.job.id)
        elif change.job is not None:
            self._ended.discard(change.job.id)
