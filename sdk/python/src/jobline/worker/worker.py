"""A worker that pulls: handlers in the caller's loop, session and stream in the gRPC loop."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from jobline.channel import grpc_loop
from jobline.worker.executor import Executor, Pools
from jobline.worker.handlers import Handlers
from jobline.worker.pipeline import BoundPipeline, bind
from jobline.worker.transport import Transport
from jobline.worker.watchdog import Watchdog

__all__ = ["Worker"]

log = logging.getLogger(__name__)

#: Seconds that outcomes get to be answered while shutting down.
_FLUSH_WITHIN = 10.0


class Worker:
    """Pulls jobs of some queues and runs them through pipelines.

    `addresses` are tried in turn; `queues` says for each queue how many of its jobs may run at once; `drain_timeout` is
    how many seconds running jobs get to finish when the worker is stopped: more than a step takes that nothing
    interrupts, or its job is run again. The order of a shutdown stands in `jobline.worker.session`.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        token: str,
        *,
        queues: Mapping[str, int],
        pipelines: Iterable[object],
        name: str = "",
        drain_timeout: float = 30.0,
    ) -> None:
        if not queues or any(slots < 1 for slots in queues.values()):
            raise ValueError(f"queues: expected at least one queue, each with 1 or more at once, got {dict(queues)!r}")
        self._addresses = (addresses,) if isinstance(addresses, str) else tuple(addresses)
        self._token = token
        self._drain_timeout = drain_timeout
        self._grpc = grpc_loop()
        bound = [bind(target) for target in pipelines]
        self._handlers = Handlers(
            name,
            {queue: (slots, _prefetch(queue, bound)) for queue, slots in queues.items()},
            [pipeline.kind for pipeline in bound],
            on_drain=lambda: self._stop_for("drained by an operator"),
        )
        self._session = self._handlers.session
        self._pools = Pools(threads=sum(queues.values()))
        self._executor = Executor(bound, self._session.reports, self._pools, self._handlers.stopping)
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        self._reason = ""

    @property
    def session_id(self) -> str:
        """Made anew for each Worker; what operators see beside the name."""
        return self._session.id

    def stop(self) -> None:
        """Drains the worker; a second call gives back at once what still runs, but for steps that nothing interrupts.

        To be called in the worker's loop.
        """
        if self._stopping.is_set():
            self._at_once.set()
        self._stop_for("the worker was stopped")

    async def run(self) -> None:
        """Runs until stopped. Raises JoblineError when the service refuses this worker for good.

        Cancelling the task is a second `stop`, and still has every outcome answered first. The first worker of a process
        freezes what was loaded before it (`gc.freeze`).
        """
        _spare_what_is_loaded()
        self._handlers.start(self._executor.run)
        stream = self._grpc.submit(self._stream())
        watch = self._grpc.submit(Watchdog(asyncio.get_running_loop(), threading.get_ident()).watch())
        life = asyncio.create_task(self._live(asyncio.wrap_future(stream)))
        try:
            await asyncio.shield(life)
        except asyncio.CancelledError:
            self.stop()
            self._at_once.set()
            await asyncio.wait([life])
            raise
        finally:
            await self._close(stream, watch)

    async def _stream(self) -> None:
        await Transport(self._addresses, self._token, self._session).run()

    async def _live(self, stream: asyncio.Future[Any]) -> None:
        stopping: asyncio.Future[Any] = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stream, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stream.done():
            await self._handlers.leave(self._reason)
            await self._handlers.wind_up(self._drain_timeout, self._at_once)
            await self._flush(stream)
        if stream.done() and not stream.cancelled():
            stream.result()

    async def _flush(self, stream: asyncio.Future[Any]) -> None:
        """Waits until every outcome is answered and the stream has ended in order."""
        self._grpc.post(self._session.finish)
        await asyncio.wait([stream], timeout=_FLUSH_WITHIN)
        if not stream.done():
            log.warning("the queue service did not answer every outcome in time; leases will lapse instead")
            stream.cancel()

    async def _close(self, *background: Future[None]) -> None:
        for future in background:
            future.cancel()
        await self._handlers.close()
        self._pools.close()

    def _stop_for(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._stopping.set()


def _prefetch(queue: str, pipelines: Sequence[BoundPipeline]) -> int:
    """How many jobs may wait: no more than the least patient pipeline that may serve the queue allows."""
    return min((p.prefetch for p in pipelines if not p.queues or queue in p.queues), default=0)


@functools.cache
def _spare_what_is_loaded() -> None:
    """Once in a process, takes what the program has loaded out of the garbage collector's sight.

    Modules and classes are no garbage, but are looked through again whenever many jobs are in hand: 6 % of a worker's CPU
    when its jobs are tiny. What dies by its reference count still does.
    """
    gc.freeze()
