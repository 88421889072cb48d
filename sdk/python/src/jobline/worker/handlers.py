"""The handlers' side of a session: lanes in the caller's loop, and the ways to the session in the gRPC loop and back.

A stream (`worker`) and the unary calls (`errand`) carry what a session says in different ways; what runs the jobs is the
same for both, and so is the order in which it winds up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from jobline.channel import grpc_loop
from jobline.worker.backlog import Backlog
from jobline.worker.cancel import CancelReason, CancelToken
from jobline.worker.lanes import Lanes
from jobline.worker.results import Ending, Failed, GivenBack, Lost, RunResult, Succeeded
from jobline.worker.run import Delivery
from jobline.worker.session import Session

__all__ = ["Handlers", "label"]

log = logging.getLogger(__name__)

#: Seconds that interrupted handlers get to end.
_INTERRUPT_GRACE = 5.0
#: Endings that are handed over without waiting for the end of the loop's turn.
_HAND_OVER = 128


def label() -> str:
    """What a worker is called that was given no name."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Handlers:
    """Runs what a session is handed, as many of each queue at once as it has slots. Lives in the caller's loop.

    `queues` says for each queue how many slots it has and how many more jobs may wait; `on_drain` is called when an
    operator wants the worker to stop.
    """

    def __init__(
        self,
        name: str,
        queues: Mapping[str, tuple[int, int]],
        kinds: Sequence[str],
        on_drain: Callable[[], object] = lambda: None,
    ) -> None:
        #: What runs see as `Run.stopping`.
        self.stopping = CancelToken()
        self._grpc = grpc_loop()
        self._backlogs = {
            queue: Backlog(queue, slots, prefetch, time.monotonic) for queue, (slots, prefetch) in queues.items()
        }
        self.session = Session(
            name or label(),
            self._backlogs,
            kinds,
            post=self._grpc.post,
            on_work=lambda: self._post(self._wake_lanes),
            on_lost=lambda delivery: self._post(self._interrupt, delivery),
            on_drain=lambda: self._post(on_drain),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: list[Lanes] = []
        self._ended: list[Ending] = []

    def start(self, run: Callable[[Delivery], Awaitable[RunResult]]) -> None:
        """From now on jobs that arrive are run. To be called once, in the loop of the handlers."""
        self._loop = asyncio.get_running_loop()
        self._lanes = [Lanes(backlog, run, self._report) for backlog in self._backlogs.values()]
        for lanes in self._lanes:
            lanes.start()

    @property
    def resting(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not any(backlog.running or len(backlog) for backlog in self._backlogs.values())

    async def at_rest(self) -> None:
        """Returns once nothing runs."""
        await asyncio.gather(*(lanes.at_rest() for lanes in self._lanes))

    async def leave(self, reason: str) -> None:
        """Nothing begins any more: what waits is released, and so is what still arrives."""
        await self._grpc.run(self._leave(reason))
        for backlog in self._backlogs.values():
            for delivery in backlog.clear():
                self._report(delivery, GivenBack("the worker is leaving"))

    async def wind_up(self, seconds: float, hurry: asyncio.Event) -> None:
        """After `leave`: runs are told that there is little time left, and get so many seconds to end, or until `hurry` is
        set; then they are given back.

        Returns when every run has an outcome, but for those that are still in a step that nothing interrupts. To give
        such a run back would have its work done again as if it had never been done: its lease is left to lapse instead.
        """
        self.stopping.fire(CancelReason.SHUTDOWN)
        await self._rest_within(seconds, unless=hurry)
        self.give_back()
        await self._rest_within(_INTERRUPT_GRACE)
        for lanes in self._lanes:
            for delivery in lanes.running():
                self._give_up(delivery)
        self.hand_over()

    def time_is_up(self) -> bool:
        """Gives back what runs, but for runs that look for this: they may end by themselves. Whether there are any."""
        self.stopping.fire(CancelReason.SHUTDOWN)
        for lanes in self._lanes:
            lanes.stop_all(sparing=lambda delivery: delivery.ends_early)
        return any(delivery.ends_early for lanes in self._lanes for delivery in lanes.running())

    def give_back(self) -> None:
        """Interrupts what runs, but for steps that nothing interrupts: their runs are given back when they have ended."""
        for lanes in self._lanes:
            lanes.stop_all()

    def hand_over(self) -> None:
        """Tells the session of every run that has ended."""
        ended, self._ended = self._ended, []
        if ended:
            self._grpc.post(self.session.ended, ended)

    async def close(self) -> None:
        """Ends the lanes. Nothing is said any more about what still runs in them."""
        for lanes in self._lanes:
            for delivery in lanes.running():
                delivery.ended = True
            await lanes.close()

    async def _leave(self, reason: str) -> None:
        self.session.leave(reason)

    async def _rest_within(self, seconds: float, unless: asyncio.Event | None = None) -> None:
        """Waits until nothing runs, for so many seconds, or until `unless` is set."""
        rest: asyncio.Future[Any] = asyncio.create_task(self.at_rest())
        hurry: asyncio.Future[Any] = asyncio.create_task((unless or asyncio.Event()).wait())
        await asyncio.wait({rest, hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (rest, hurry):
            waiting.cancel()
        await asyncio.gather(rest, hurry, return_exceptions=True)

    def _give_up(self, delivery: Delivery) -> None:
        """A run does not end although it was asked to."""
        if delivery.uninterrupted:
            log.warning("job %s is in a step that nothing interrupts; its lease is left to lapse", delivery.job_id)
            return
        log.warning("job %s does not stop; it is given back all the same", delivery.job_id)
        self._report(delivery, GivenBack("the worker shut down"))

    def _report(self, delivery: Delivery, result: RunResult) -> None:
        """A run has ended. Those of one turn of the loop are handed over together, up to 128: so the service commits
        the first of a batch while the rest of it still runs."""
        if delivery.ended:
            return
        delivery.ended = True
        if isinstance(result, Lost):
            return
        ending = Ending(delivery.lease_token, delivery.job_id, result)
        if delivery.uninterrupted and isinstance(result, Succeeded | Failed):
            self._grpc.post(self.session.ended_regardless, ending)
            return
        self._ended.append(ending)
        if len(self._ended) == 1 and self._loop is not None:
            self._loop.call_soon(self.hand_over)
        elif len(self._ended) >= _HAND_OVER:
            self.hand_over()

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
