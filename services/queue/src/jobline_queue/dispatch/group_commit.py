"""Group commit: everything that waits while a transaction is in flight goes into the next one.

No timers and no fixed batch sizes: a lone item is flushed at once, and under load the batches grow by themselves to what
arrives during a commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """Collects items and hands them to `flush` in batches of at most `most` (by `weigh`), one batch at a time."""

    def __init__(
        self, flush: Callable[[list[T]], Awaitable[None]], most: int = 1000, weigh: Callable[[T], int] = lambda _: 1
    ) -> None:
        self._flush = flush
        self._most = most
        self._weigh = weigh
        self._waiting: deque[T] = deque()
        self._wake = asyncio.Event()

    def put(self, item: T) -> None:
        self._waiting.append(item)
        self._wake.set()

    def put_back(self, items: list[T]) -> None:
        """Items that could not be dealt with yet go to the front; they wait for the next `put` or `nudge`."""
        self._waiting.extendleft(reversed(items))

    def nudge(self) -> None:
        """Tries again what was put back."""
        if self._waiting:
            self._wake.set()

    def drain(self) -> list[T]:
        """Takes out everything that waits: the term has ended."""
        items = list(self._waiting)
        self._waiting.clear()
        return items

    async def run(self) -> None:
        """Flushes until cancelled, or until a flush raises."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = self._next_batch()
            if batch:
                if self._waiting:
                    self._wake.set()
                try:
                    await self._flush(batch)
                except BaseException:
                    self.put_back(batch)  # the term ends: who has no answer yet gets it from whoever drains
                    raise

    def _next_batch(self) -> list[T]:
        batch: list[T] = []
        weight = 0
        while self._waiting:
            weight += self._weigh(self._waiting[0])
            if batch and weight > self._most:
                break
            batch.append(self._waiting.popleft())
        return batch
