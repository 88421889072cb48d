"""Changes of jobs, in commit order, for those who watch.

The active service numbers every change `{epoch}-{n}` and keeps the last ones in a ring. A watcher reads from the ring at
its own pace; one that falls behind the ring, or comes from another epoch, is told to start again (`resync`). A watcher may
miss intermediate progress, never a transition and never the last state: a change says which job changed and which state
it entered, and the reader looks up the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import LiveJob, RemovedJob

RING = 200_000
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class Change(NamedTuple):
    """`state` is the state entered; None: removed."""

    number: int
    job_id: str
    queue: str
    owner: str
    producer: str
    state: State | None
    #: Only progress changed.
    progress: bool


class Changes:
    """The ring of one epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._ring: deque[Change] = deque(maxlen=RING)
        self._next = 1
        self._last_of: dict[str, int] = {}
        self._news = asyncio.Event()
        self.closed = False

    @property
    def last(self) -> int:
        return self._next - 1

    def last_of(self, queue: str) -> int:
        """The number of the last change of a job of a queue; 0: there was none in this term."""
        return self._last_of.get(queue, 0)

    def publish(self, job: LiveJob | RemovedJob, state: State | None, *, progress: bool = False) -> None:
        change = Change(self._next, job.id, job.queue, job.owner, job.producer, state, progress)
        self._last_of[job.queue] = self._next
        self._next += 1
        self._ring.append(change)
        if not self._news.is_set():
            self._news.set()

    def close(self) -> None:
        """The term has ended: every reader stops."""
        self.closed = True
        self._news.set()

    def change_id(self, number: int) -> str:
        return f"{self.epoch}-{number}"

    def resume_point(self, change_id: str) -> int | None:
        """The number to read on from; None when it is gone, of another epoch, or not a change id."""
        epoch, _, number = change_id.partition("-")
        if epoch != str(self.epoch) or not _NUMBER.fullmatch(number):
            return None
        oldest = self._ring[0].number if self._ring else self._next
        after = int(number)
        return after if oldest - 1 <= after < self._next else None

    async def read(self, after: int, within: float | None = None) -> AsyncIterator[list[Change]]:
        """Batches of changes with numbers above `after`, until the term ends. Raises LookupError when it fell behind.

        With `within`, a batch comes at least every so many seconds: an empty one when nothing has happened.
        """
        while not self.closed:
            if after >= self.last:
                if not await self._is_news(within):
                    yield []
                continue
            first = self._ring[0].number
            if after + 1 < first:
                raise LookupError("the changes asked for are gone")
            batch = [self._ring[index] for index in range(after + 1 - first, min(after + 1001, self._next) - first)]
            after = batch[-1].number
            yield batch

    async def _is_news(self, within: float | None) -> bool:
        self._news.clear()
        try:
            async with asyncio.timeout(within):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
