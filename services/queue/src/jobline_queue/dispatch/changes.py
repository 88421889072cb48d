"""Changes of jobs, in commit order, for those who watch.

The active service numbers every change `{epoch}-{n}` and keeps the last ones in a ring. A watcher reads from the ring at
its own pace; one that falls behind the ring, or comes from another epoch, is told to start again (`resync`). A watcher may
miss intermediate progress, never a transition and never the last state: a change says which job changed and which state
it entered, and the reader looks up the rest.

Who waits for a single job does not read the ring, of which a thousand such readers would each look at all that happens to
all jobs; `news_of` is told of this job alone.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
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
        self._news = asyncio.Event()
        self._news_of: dict[str, list[asyncio.Event]] = {}
        self.closed = False

    @property
    def last(self) -> int:
        return self._next - 1

    def publish(self, job: LiveJob | RemovedJob, state: State | None, *, progress: bool = False) -> None:
        change = Change(self._next, job.id, job.queue, job.owner, job.producer, state, progress)
        self._next += 1
        self._ring.append(change)
        if not self._news.is_set():
            self._news.set()
        if self._news_of:
            for news in self._news_of.get(job.id, ()):
                news.set()

    def close(self) -> None:
        """The term has ended: every reader stops."""
        self.closed = True
        self._news.set()
        for waiting in self._news_of.values():
            for news in waiting:
                news.set()

    @contextmanager
    def news_of(self, job_id: str) -> Iterator[asyncio.Event]:
        """Set by every change of one job, and by the end of the term (`closed`). Clear it first, then look."""
        news = asyncio.Event()
        waiting = self._news_of.setdefault(job_id, [])
        waiting.append(news)
        try:
            yield news
        finally:
            waiting.remove(news)
            if not waiting:
                del self._news_of[job_id]

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

    async def read(self, after: int) -> AsyncIterator[list[Change]]:
        """Batches of changes with numbers above `after`, until the term ends. Raises LookupError when it fell behind."""
        while not self.closed:
            if after >= self.last:
                self._news.clear()
                await self._news.wait()
                continue
            first = self._ring[0].number
            if after + 1 < first:
                raise LookupError("the changes asked for are gone")
            batch = [self._ring[index] for index in range(after + 1 - first, min(after + 1001, self._next) - first)]
            after = batch[-1].number
            yield batch
