"""The queues' present state, asked for once for all who watch it.

While anybody watches, the queue service is asked every second; a new picture is one in which something has happened, not one
in which a waiting job has only grown older. A slow watcher sees the newest picture when it gets to it, and not those between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from uuid_utils import uuid7

from jobline.v1 import queue_service_pb2 as pb
from jobline_gateway.monitor import queue_json
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext, ServiceError

__all__ = ["Board"]

logger = logging.getLogger(__name__)

#: Seconds between questions.
PERIOD = 1.0


class Board:
    """The picture that is watched. `close` ends the questions; it is safe when there are none."""

    def __init__(self, queue: QueueClient, period: float = PERIOD) -> None:
        self._queue = queue
        self._period = period
        self._watchers = 0
        self._asking: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._number = 0
        #: Empty: nothing has been seen since somebody began to watch.
        self._text = ""
        self._essence = b""

    async def pictures(self) -> AsyncGenerator[str, None]:
        """The picture as JSON text, now and whenever it has changed."""
        self._watchers += 1
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        shown = 0
        try:
            while True:
                async with self._changed:
                    while self._number == shown or not self._text:
                        await self._changed.wait()
                    shown, text = self._number, self._text
                yield text
        finally:
            self._watchers -= 1
            if not self._watchers:
                self.close()

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        self._asking, self._text, self._essence = None, "", b""

    async def _ask(self) -> None:
        while True:
            context = CallContext(caller=None, correlation_id=str(uuid7()))
            try:
                found = await self._queue.call(lambda link: link.queues.ListQueues, pb.ListQueuesRequest(), context)
                await self._show(found)
            except ServiceError as error:
                logger.info("the queues cannot be shown now: %s", error)
            except Exception:
                # Whatever it is, nobody who watches may be left waiting for ever.
                logger.exception("the queues cannot be shown")
            await asyncio.sleep(self._period)

    async def _show(self, found: pb.ListQueuesResponse) -> None:
        # Made anew in any case: whoever begins to watch sees how old things are by now.
        self._text = queue_json.queues(found.queues).model_dump_json(by_alias=True)
        essence = _essence(found)
        if essence != self._essence:
            async with self._changed:
                self._essence = essence
                self._number += 1
                self._changed.notify_all()


def _essence(found: pb.ListQueuesResponse) -> bytes:
    """What two answers between which nothing has happened have in common: all but ages."""
    kept = pb.ListQueuesResponse()
    kept.CopyFrom(found)
    for queue in kept.queues:
        queue.stats.ClearField("oldest_ready_age")
    return kept.SerializeToString(deterministic=True)
