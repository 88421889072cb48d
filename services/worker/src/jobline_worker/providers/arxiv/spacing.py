"""Keeps requests to the arXiv API at least three seconds apart, in the whole system.

arXiv asks for one request at a time and three seconds between them. A lock in Redis, shared by all worker processes,
is held during the request and left to expire three seconds after its end; because it expires by itself, a worker that
dies in the middle delays the others by some seconds and no more. Redis is allowed to be down: then each process keeps
its own distance, which is exact with one worker and better than failing with several.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

__all__ = ["ARXIV_GAP_SECONDS", "RequestSpacing"]

logger = logging.getLogger(__name__)

#: Three seconds and a little: the lock's clock and the arrival of two requests differ by some milliseconds.
ARXIV_GAP_SECONDS = 3.1


class RequestSpacing:
    """`async with spacing.turn():` around a request. `gap` and `longest_request` are in seconds."""

    def __init__(
        self,
        redis: Redis | None,
        key: str = "jobline:arxiv",
        gap: float = ARXIV_GAP_SECONDS,
        longest_request: float = 15.0,
    ) -> None:
        self._redis = redis
        self._key = key
        self._gap = gap
        self._longest_request = longest_request
        self._one_at_a_time = asyncio.Lock()
        self._last_end = float("-inf")
        self._redis_lost = False

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until a request may start; the next one may start `gap` seconds after this block's end."""
        async with self._one_at_a_time:
            await asyncio.sleep(max(0.0, self._last_end + self._gap - asyncio.get_running_loop().time()))
            lock = await self._acquire()
            try:
                yield
            finally:
                self._last_end = asyncio.get_running_loop().time()
                await self._leave(lock)

    async def _acquire(self) -> Lock | None:
        if self._redis is None:
            return None
        lock = self._redis.lock(self._key, timeout=self._longest_request + self._gap, sleep=0.05)
        try:
            await lock.acquire()
        except (RedisError, OSError) as error:
            if not self._redis_lost:
                logger.warning("Redis is not reachable (%s); this process spaces arXiv requests alone", error)
            self._redis_lost = True
            return None
        self._redis_lost = False
        return lock

    async def _leave(self, lock: Lock | None) -> None:
        if lock is None:
            return
        try:
            await lock.extend(self._gap, replace_ttl=True)
        except LockError:
            logger.warning("an arXiv request outlived its turn of %g seconds", self._longest_request + self._gap)
        except (RedisError, OSError) as error:
            logger.debug("the arXiv turn could not be handed on (%s); it ends by itself", error)
