"""The slots of one queue, in the handlers' loop.

A lane is one slot: a long-lived task that takes a job, runs it, reports it, and takes the next. There is no task per
job, because for jobs that take microseconds the task would be the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from jobline.worker.backlog import Backlog
from jobline.worker.cancel import CancelReason
from jobline.worker.results import RunResult
from jobline.worker.run import Delivery

__all__ = ["Lanes"]

#: After so many jobs that never waited for anything, a lane lets the loop do something else.
_TURN = 64


@dataclass(slots=True, eq=False)
class _Lane:
    task: asyncio.Task[None] | None = None
    delivery: Delivery | None = None
    interrupted: bool = False
    wake: asyncio.Future[None] | None = None


@dataclass(slots=True)
class Lanes:
    """Runs what waits in a backlog, as many at once as the backlog has slots."""

    backlog: Backlog
    run: Callable[[Delivery], Awaitable[RunResult]]
    report: Callable[[Delivery, RunResult], None]
    _lanes: list[_Lane] = field(default_factory=list)
    _idle: list[_Lane] = field(default_factory=list)
    _at_rest: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def start(self) -> None:
        self._at_rest.set()
        for _ in range(self.backlog.slots):
            lane = _Lane()
            lane.task = asyncio.create_task(self._serve(lane))
            self._lanes.append(lane)

    def wake(self) -> None:
        """Something waits in the backlog."""
        for _ in range(min(len(self._idle), len(self.backlog))):
            waiter = self._idle.pop().wake
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def running(self) -> list[Delivery]:
        return [lane.delivery for lane in self._lanes if lane.delivery is not None]

    async def at_rest(self) -> None:
        """Returns once nothing runs."""
        await self._at_rest.wait()

    def interrupt(self, delivery: Delivery) -> None:
        """Cancels the handler of a run whose token was fired. A thread is not interrupted; its result is void.

        In a step that nothing interrupts a run is left alone; it will see the token when the step has ended.
        """
        if delivery.uninterrupted:
            return
        for lane in self._lanes:
            if lane.delivery is delivery and lane.task is not None and not lane.interrupted:
                lane.interrupted = True
                lane.task.cancel()

    def stop_all(self, sparing: Callable[[Delivery], bool] = lambda delivery: False) -> None:
        """Time is up: every run but those to spare is to be given back, one in a step that nothing interrupts when the step
        has ended."""
        for delivery in self.running():
            if not sparing(delivery):
                delivery.cancel.fire(CancelReason.SHUTDOWN)
                self.interrupt(delivery)

    async def close(self) -> None:
        self._closed = True
        tasks = [lane.task for lane in self._lanes if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, lane: _Lane) -> None:
        turn = 0
        while not self._closed:
            delivery = self.backlog.take()
            if delivery is None:
                await self._rest(lane)
                continue
            self._began(lane, delivery)
            try:
                result = await self.run(delivery)
            finally:
                self._ended(lane)
            self.report(delivery, result)
            if lane.interrupted:
                await self._absorb(lane)
            turn += 1
            if turn % _TURN == 0:
                await asyncio.sleep(0)

    def _began(self, lane: _Lane, delivery: Delivery) -> None:
        lane.delivery = delivery
        self.backlog.running += 1
        self._at_rest.clear()

    def _ended(self, lane: _Lane) -> None:
        lane.delivery = None
        self.backlog.running -= 1
        if not self.backlog.running:
            self._at_rest.set()

    async def _rest(self, lane: _Lane) -> None:
        lane.wake = asyncio.get_running_loop().create_future()
        self._idle.append(lane)
        await lane.wake

    async def _absorb(self, lane: _Lane) -> None:
        """An interrupt may come when its run has just ended; it must not hit the lane's next job."""
        lane.interrupted = False
        task = asyncio.current_task()
        assert task is not None
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            task.uncancel()
