"""The Redis that JOBLINE_REDIS_URL names, of which nothing is asked but whether it answers.

The database carries the queue alone. A deployment that names a server says that it wants no new work while that server is
away, since the workers' providers need it; one that names none has nothing to do with Redis.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobline_queue.core.errors import BrokerUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Seconds for connecting and answering together.
PATIENCE = 1.0


class Broker:
    """Knows whether the server answers. An empty address: there is none to ask."""

    def __init__(self, url: str) -> None:
        self._redis = _client(url) if url else None

    async def require(self) -> None:
        """Raises BrokerUnavailable."""
        if self._redis is None:
            return
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(PATIENCE):
                await self._redis.ping()
        except (RedisError, OSError):  # a time-out is an OSError, too
            raise BrokerUnavailable from None

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()


def _client(url: str) -> Redis:
    # Imported where a server is named: the library costs a service that has none a tenth of its start.
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(url, retry=Retry(NoBackoff(), 1))
