"""Puts the parts of a worker together: lanes in the caller's loop, session and stream in the gRPC loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from jobline.channel import grpc_loop
from jobline.v1 import work_service_pb2
from jobline.worker.backlog import Backlog
from jobline.worker.executor import Executor
from jobline.worker.lanes import Lanes
from jobline.worker.pipeline import BoundPipeline, bind
from jobline.worker.results import GivenBack, RunResult, outcome_of
from jobline.worker.run import Delivery
from jobline.worker.session import Session
from jobline.worker.transport import Transport
from jobline.worker.watchdog import Watchdog

__all__ = ["Worker"]

log = logging.getLogger(__name__)

#: Seconds that interrupted handlers get to end, and that outcomes get to be answered, while shutting down.
_INTERRUPT_GRACE = 5.0
_FLUSH_WITHIN = 10.0
#: Outcomes that are handed over without waiting for the end of the loop's turn.
_HAND_OVER = 128


class Worker:
    """Pulls jobs of some queues and runs them through pipelines.

    `addresses` are tried in turn; `queues` says for each queue how many of its jobs may run at once; `drain_timeout` is
    how many seconds running jobs get to finish when the worker is stopped. The order of a shutdown stands in
    `jobline.worker.session`.
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
        self._backlogs = {
            queue: Backlog(queue, slots, _prefetch(queue, bound), time.monotonic) for queue, slots in queues.items()
        }
        self._session = Session(
            name or f"{socket.gethostname()}:{os.getpid()}",
            self._backlogs,
            [pipeline.kind for pipeline in bound],
            post=self._grpc.post,
            on_work=lambda: self._post(self._wake_lanes),
            on_lost=lambda delivery: self._post(self._interrupt, delivery),
            on_drain=lambda: self._post(self._stop_for, "drained by an operator"),
        )
        self._executor = Executor(bound, self._session.reports, threads=sum(queues.values()))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: list[Lanes] = []
        self._ended: list[work_service_pb2.Outcome] = []
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        self._reason = ""

    @property
    def session_id(self) -> str:
        """Made anew for each Worker; what operators see beside the name."""
        return self._session.id

    def stop(self) -> None:
        """Drains the worker; a second call gives back at once what still runs. To be called in the worker's loop."""
        if self._stopping.is_set():
            self._at_once.set()
        self._stop_for("the worker was stopped")

    async def run(self) -> None:
        """Runs until stopped. Raises JoblineError when the service refuses this worker for good.

        Cancelling the task gives back at once what runs, and still has every outcome answered first.
        """
        self._loop = asyncio.get_running_loop()
        self._lanes = [Lanes(backlog, self._executor.run, self._report) for backlog in self._backlogs.values()]
        for lanes in self._lanes:
            lanes.start()
        stream = self._grpc.submit(self._stream())
        watch = self._grpc.submit(Watchdog(self._loop, threading.get_ident()).watch())
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

    # ---- life ---------------------------------------------------------------------------------------------------

    async def _stream(self) -> None:
        await Transport(self._addresses, self._token, self._session).run()

    async def _live(self, stream: asyncio.Future[Any]) -> None:
        stopping: asyncio.Future[Any] = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stream, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stream.done():
            await self._drain()
            await self._flush(stream)
        if stream.done() and not stream.cancelled():
            stream.result()

    async def _drain(self) -> None:
        """From now on nothing begins; returns when every run has an outcome."""
        await self._grpc.run(self._leave())
        for backlog in self._backlogs.values():
            for delivery in backlog.clear():
                self._report(delivery, GivenBack("the worker is leaving"))
        await self._at_rest(self._drain_timeout, unless=self._at_once)
        for lanes in self._lanes:
            lanes.stop_all()
        await self._at_rest(_INTERRUPT_GRACE)
        for lanes in self._lanes:
            for delivery in lanes.running():
                log.warning("job %s does not stop; it is given back all the same", delivery.job_id)
                self._report(delivery, GivenBack("the worker shut down"))

    async def _leave(self) -> None:
        self._session.leave(self._reason)

    async def _flush(self, stream: asyncio.Future[Any]) -> None:
        """Waits until every outcome is answered and the stream has ended in order."""
        self._hand_over()
        self._grpc.post(self._session.finish)
        await asyncio.wait([stream], timeout=_FLUSH_WITHIN)
        if not stream.done():
            log.warning("the queue service did not answer every outcome in time; leases will lapse instead")
            stream.cancel()

    async def _at_rest(self, seconds: float, unless: asyncio.Event | None = None) -> None:
        """Waits until nothing runs, for so many seconds, or until `unless` is set."""
        rest: asyncio.Future[Any] = asyncio.gather(*(lanes.at_rest() for lanes in self._lanes))
        hurry: asyncio.Future[Any] = asyncio.create_task((unless or asyncio.Event()).wait())
        await asyncio.wait({rest, hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (rest, hurry):
            waiting.cancel()
        await asyncio.gather(rest, hurry, return_exceptions=True)

    async def _close(self, *background: Future[None]) -> None:
        for future in background:
            future.cancel()
        for lanes in self._lanes:
            await lanes.close()
        self._executor.close()

    # ---- between the two loops ----------------------------------------------------------------------------------

    def _report(self, delivery: Delivery, result: RunResult) -> None:
        """A run has ended. Outcomes of one turn of the loop are handed over together, up to 128: so the service commits
        the first of a batch while the rest of it still runs."""
        if delivery.ended:
            return
        delivery.ended = True
        outcome = outcome_of(result, delivery.job_id, delivery.lease_token)
        if outcome is None:
            return
        self._ended.append(outcome)
        if len(self._ended) == 1 and self._loop is not None:
            self._loop.call_soon(self._hand_over)
        elif len(self._ended) >= _HAND_OVER:
            self._hand_over()

    def _hand_over(self) -> None:
        ended, self._ended = self._ended, []
        if ended:
            self._grpc.post(self._session.ended, ended)

    def _post(self, function: Callable[..., object], *arguments: object) -> None:
        """Has a function called in the handlers' loop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _wake_lanes(self) -> None:
        for lanes in self._lanes:
            lanes.wake()

    def _interrupt(self, delivery: Delivery) -> None:
        for lanes in self._lanes:
            lanes.interrupt(delivery)

    def _stop_for(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._stopping.set()


def _prefetch(queue: str, pipelines: Sequence[BoundPipeline]) -> int:
    """How many jobs may wait: no more than the least patient pipeline that may serve the queue allows."""
    return min((p.prefetch for p in pipelines if not p.queues or queue in p.queues), default=0)
