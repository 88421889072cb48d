"""The hub: one watch of the queue service for all the watchers of this gateway.

It keeps the last changes, so that a watcher that comes back goes on where it was; it knows who listens to what, so that a
change costs as much as it has listeners; and whoever may have missed something, because the watch itself has a gap (another
term of the queue service, a fall too far behind), is told so and looks at everything anew.

The order is what makes this whole: a watcher listens first and looks second. What changes in between is told after what it
has seen, never before, and never not at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import grpc

from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.live import upstream
from jobline_gateway.live.change import Change
from jobline_gateway.live.places import Locator
from jobline_gateway.live.ring import Ring, split
from jobline_gateway.live.watcher import Watcher
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import ServiceError

__all__ = ["Hub"]

logger = logging.getLogger(__name__)

#: Seconds that the watch goes on after the last watcher has left: one that comes back soon finds its changes.
LINGER = 60.0
#: Seconds that a watcher waits for the watch to stand.
OPEN_DEADLINE = 10.0
#: Watchers that look at everything anew at the same time; the others wait for their turn.
LOOKS_AT_ONCE = 16
#: Seconds before the hub goes on after an unexpected fault.
RESTART_PAUSE = 1.0


class Hub:
    """Runs as long as somebody watches."""

    def __init__(self, queue: QueueClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._ring = Ring()
        self._by_topic: dict[str, set[Watcher]] = {}
        #: What changes is handed on; and those who wait until it is.
        self._up = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._running: list[asyncio.Task[None]] = []
        self._idle: asyncio.TimerHandle | None = None
        self._count = 0
        #: A watcher's turn to look.
        self.turn = asyncio.Semaphore(LOOKS_AT_ONCE)
        self.places = Locator(queue, clock)

    @property
    def last_id(self) -> str:
        """The newest change that was handed on."""
        return self._ring.last_id

    @asynccontextmanager
    async def watching(self, topics: Sequence[str]) -> AsyncIterator[Watcher]:
        """A watcher that listens to these topics within the block. Raises ServiceError when the queue service does not
        answer."""
        watcher = Watcher(topics)
        self._enter(watcher)
        try:
            await self.stands()
            yield watcher
        finally:
            self._leave(watcher)

    async def stands(self) -> None:
        """Returns once what changes is handed on. Raises ServiceError when the queue service refuses, or takes too long."""
        if self._up:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(OPEN_DEADLINE):
                await waiting
        except TimeoutError:
            raise ServiceError(
                grpc.StatusCode.UNAVAILABLE, message="the watch of the queue service does not stand"
            ) from None
        finally:
            self._waiting.discard(waiting)

    def resume(self, watcher: Watcher, change_id: str) -> bool:
        """Tells the watcher what has changed since then; False when that is not known for certain."""
        changes = self._ring.since(watcher.topics, change_id)
        for change in changes or ():
            watcher.tell(change)
        return changes is not None

    def latest(self, watcher: Watcher, seconds: float) -> list[Change]:
        """The last change of each job that concerns the watcher, of the last seconds."""
        return self._ring.latest(watcher.topics, self._clock() - seconds)

    async def close(self) -> None:
        """Ends every stream."""
        for watchers in list(self._by_topic.values()):
            for watcher in list(watchers):
                watcher.close()
        await asyncio.gather(*self._stop(), return_exceptions=True)

    # ---- who watches ----------------------------------------------------------------------------------------------------

    def _enter(self, watcher: Watcher) -> None:
        for topic in watcher.topics:
            self._by_topic.setdefault(topic, set()).add(watcher)
        self._count += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if not self._running:
            self._running = [
                asyncio.create_task(self._for_ever(self._watch)),
                asyncio.create_task(self._for_ever(lambda: self.places.run(self._by_topic))),
            ]

    def _leave(self, watcher: Watcher) -> None:
        for topic in watcher.topics:
            watchers = self._by_topic[topic]
            watchers.discard(watcher)
            if not watchers:
                del self._by_topic[topic]
        self._count -= 1
        if not self._count and self._running:
            self._idle = asyncio.get_running_loop().call_later(LINGER, self._stop)

    def _stop(self) -> list[asyncio.Task[None]]:
        """What has been told to end."""
        tasks, self._running = self._running, []
        self._forget()
        for task in tasks:
            task.cancel()
        return tasks

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        """A fault of ours must not leave watchers without news: whatever may be missing, they look at everything anew."""
        while True:
            try:
                await work()
            except Exception:
                logger.exception("unexpected fault of the hub")
                self._forget()
                await asyncio.sleep(RESTART_PAUSE)

    # ---- what changes ---------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        opened = upstream.changes(self._queue, lambda: self._ring.last_id, self._refuse)
        async with aclosing(opened) as messages:
            async for message in messages:
                self._take(message)

    def _refuse(self, error: ServiceError) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(error)

    def _take(self, message: pb.WatchJobsResponse) -> None:
        if message.resync:
            self._forget()
        point = split(message.change_id)
        if not self._up:
            # The present state of some jobs. Watchers look for themselves, once its last message has said from where on
            # changes are told.
            if point is not None:
                self._begin(*point)
        elif point is not None:
            self._hand_on(message, point[1])

    def _forget(self) -> None:
        self._up = False
        self._ring.forget()

    def _begin(self, epoch: int, number: int) -> None:
        self._ring.begin(epoch, number)
        self._up = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        for watchers in self._by_topic.values():
            for watcher in watchers:
                watcher.lose()

    def _hand_on(self, message: pb.WatchJobsResponse, number: int) -> None:
        change = Change.of(message, number, self._clock())
        self._ring.add(change)
        self.places.look_soon()
        for watcher in self._by_topic.get(change.topic, ()):
            watcher.tell(change)
