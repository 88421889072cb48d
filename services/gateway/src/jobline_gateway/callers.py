"""Makes sure that the queue service knows a caller before it acts for them.

There is no sign-up: the first valid token of a user creates the user. The queue service does that, and repeating it
changes nothing, so the gateway remembers for a while whom it has announced and asks once, however many requests of one
user arrive together.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from jobline.v1 import account_service_pb2 as accounts
from jobline_gateway.auth import Claims
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext

__all__ = ["Callers"]

#: Seconds for which a caller counts as announced; a user who was deleted meanwhile returns after that.
MEMORY_SECONDS = 300.0
MEMORY_ENTRIES = 10_000


class Callers:
    """Announces each caller once, with what their token says about them."""

    def __init__(self, queue: QueueClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._announced: OrderedDict[bytes, float] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[None]] = {}

    async def announce(self, claims: Claims, correlation_id: str) -> None:
        """Returns when the queue service has stored the caller; raises ServiceError when it cannot."""
        caller = claims.caller()
        key = hashlib.sha256(caller.SerializeToString(deterministic=True)).digest()
        if self._is_remembered(key):
            return
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._announce(key, caller, correlation_id))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        # Shielded: the request that came first may be cancelled while others wait for the same answer.
        await asyncio.shield(task)

    async def _announce(self, key: bytes, caller: accounts.Caller, correlation_id: str) -> None:
        request = accounts.EnsureCallerRequest(caller=caller)
        context = CallContext(caller=None, correlation_id=correlation_id)
        await self._queue.call(lambda link: link.accounts.EnsureCaller, request, context)
        self._announced[key] = self._clock() + MEMORY_SECONDS
        self._announced.move_to_end(key)
        if len(self._announced) > MEMORY_ENTRIES:
            self._announced.popitem(last=False)

    def _is_remembered(self, key: bytes) -> bool:
        return self._announced.get(key, 0.0) > self._clock()
