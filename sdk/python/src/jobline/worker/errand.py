"""Errands: running, on request, what is due of a queue now, until nothing of it is left.

A worker is handed jobs for as long as it lives; an errand is sent for some and ends. The field calls such a run a burst;
this one is a call, with an answer, and may be for one owner. It claims in batches of ten, from the jobs that were due when
it began (a set that only shrinks, see DueScope), runs each batch to its end and claims again. That jobs are run once,
whoever else runs some of them, is the leases' doing.

How an errand ends
    done        nothing of the scope is pending, and nothing runs elsewhere: every job has been attempted.
    paused      the queue is paused: it claims nothing and does not wait.
    limits      after `max_jobs` or `claim_for` it claims no more, and what runs is finished. After `run_for` what runs is
                interrupted and given back, without an attempt counted: runs that look at `Run.stopping` two seconds later,
                for they may end by themselves; steps that nothing interrupts go on to their end, behind the caller's back.
    own runs    with `own_runs_only` it waits for nobody: it ends when a claim brings nothing. What becomes due while it runs
                is claimed, too.
    hung up     the caller's task was cancelled: as after `claim_for`.
    stopped     the runner is stopped: what runs gets the drain time-out to end, then it is given back. A run that is still
                in a step that nothing interrupts is not: nothing is said about it, so that its lease lapses and it counts
                as lost.

A claim that is under way cannot be taken back: it may be answered with jobs. So it waits briefly, is always waited for, and
what it brings to an errand that has ended meanwhile is given back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import uuid_utils

from jobline.calls import Calls
from jobline.channel import grpc_loop
from jobline.errors import NotActive
from jobline.v1 import work_service_pb2
from jobline.worker.executor import Executor, Pools
from jobline.worker.handlers import Handlers, label
from jobline.worker.pipeline import BoundPipeline, bind
from jobline.worker.results import Failed, GivenBack, Lost, RunResult, Stopped, Succeeded
from jobline.worker.run import Delivery
from jobline.worker.twins import Twins

__all__ = ["ErrandReport", "ErrandRunner"]

log = logging.getLogger(__name__)

_BATCH = 10
#: Seconds that a claim waits for a job that others hold, and that the service gets beyond that to answer.
_CLAIM_WAIT = 5.0
_CLAIM_PATIENCE = 20.0
#: Seconds that runs get which may end by themselves when the time is up.
_EARLY_END = 2.0
#: Seconds that interrupted runs get to end before the caller is answered.
_INTERRUPT_GRACE = 2.0
#: Seconds that outcomes get to be answered while shutting down.
_FLUSH_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class ErrandReport:
    """What came of an errand. `attempted` jobs were run; of those some `succeeded`, and of some the attempt `failed`."""

    attempted: int
    succeeded: int
    failed: int
    #: Every job that was due at the beginning has been attempted, by this errand or by whoever else held it.
    complete: bool


@dataclass(frozen=True, slots=True)
class _Order:
    """What an errand is sent for; times in seconds from its beginning."""

    queue: str
    owner: str
    kinds: Sequence[str]
    worker: str
    max_jobs: int
    claim_for: float | None
    own_runs_only: bool


class ErrandRunner:
    """Runs errands through pipelines, any number of them at once. Use it in `async with`, in the loop of the pipelines.

    `addresses` are tried in turn; `drain_timeout` is how many seconds running jobs get to finish when it is stopped: more
    than a step takes that nothing interrupts, or its job is run again.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        token: str,
        *,
        pipelines: Iterable[object],
        name: str = "",
        drain_timeout: float = 30.0,
    ) -> None:
        addresses = (addresses,) if isinstance(addresses, str) else tuple(addresses)
        self._calls = Calls(addresses, token)
        # A call's deadline is shared among up to three tries; each must outlast the wait.
        self._tries = min(len(addresses), 3)
        self._pipelines = [bind(target) for target in pipelines]
        self._pools = Pools(threads=_BATCH)
        self._name = name or label()
        self._drain_timeout = drain_timeout
        self._errands: dict[asyncio.Task[None], _Errand] = {}
        self._farewells: set[asyncio.Task[None]] = set()
        self._draining: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def run(
        self,
        queue: str,
        *,
        owner: str = "",
        kinds: Sequence[str] = (),
        max_jobs: int = 0,
        claim_for: float | None = None,
        run_for: float | None = None,
        own_runs_only: bool = False,
    ) -> ErrandReport:
        """Runs what is due of `queue` now; of all owners and of every kind there is a pipeline for, unless told otherwise.

        At most `max_jobs` (0: all), claimed within `claim_for` seconds; returns after `run_for` seconds at the latest
        (plus 2 for runs that look at `Run.stopping`, plus 2 for runs that are slow to stop). With `own_runs_only` it runs
        what can be claimed at once, until nothing can: neither jobs that others run nor those that a limit keeps are waited
        for, and jobs that become due meanwhile are claimed.

        Raises JoblineError when the queue service refuses a claim, or does not answer it, and NotActive when this runner is
        stopped before the errand is done: with the reason NOT_ACTIVE if nothing was claimed, so that another may be asked,
        else DRAINING.
        """
        if self._draining is not None:
            raise _stopping(claimed=0)
        kinds = kinds or [pipeline.kind for pipeline in self._pipelines]
        order = _Order(queue, owner, kinds, self._name, max_jobs, _least(claim_for, run_for), own_runs_only)
        errand = _Errand(order, self._calls, self._tries, self._pipelines, self._pools)
        await self._sent(errand, run_for)
        if self._draining is not None and not errand.complete:
            raise _stopping(errand.claimed)
        return errand.report()

    def stop(self) -> None:
        """No more claims; what runs gets the drain time-out to end.

        A second call gives back at once what still runs, but for steps that nothing interrupts.
        """
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        else:
            self._hurry.set()

    async def close(self) -> None:
        """Stops, and returns once everything has ended and every outcome is answered, or waited for long enough."""
        if self._draining is None:
            self.stop()
        assert self._draining is not None
        await self._draining
        self._pools.close()
        await self._calls.close()

    async def _sent(self, errand: _Errand, run_for: float | None) -> None:
        """Returns when the errand has ended, or its time is up. Raises what ended it early."""
        life = asyncio.create_task(errand.live())
        self._errands[life] = errand
        life.add_done_callback(self._ended)
        try:
            await asyncio.wait({life}, timeout=run_for)
            if not life.done() and await errand.time_is_up():
                await asyncio.wait({life}, timeout=_EARLY_END)
            if not life.done():
                errand.give_back()
                await asyncio.wait({life}, timeout=_INTERRUPT_GRACE)
        except asyncio.CancelledError:
            log.info("the caller of an errand to queue %s has gone; what runs is finished", errand.queue)
            self._say_farewell(errand.leave("the caller has gone"))
            raise
        if life.done() and not life.cancelled():
            life.result()

    async def _drain(self) -> None:
        await asyncio.gather(*(errand.wind_up(self._drain_timeout, self._hurry) for errand in self._errands.values()))
        if self._errands:
            await asyncio.wait(self._errands, timeout=_FLUSH_WITHIN)
        left = [*self._errands, *self._farewells]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _say_farewell(self, farewell: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(farewell)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    def _ended(self, life: asyncio.Task[None]) -> None:
        errand = self._errands.pop(life)
        if not life.cancelled() and (error := life.exception()) is not None:
            log.warning("an errand to queue %s ended early: %s", errand.queue, error)


class _Errand:
    """One errand, from its first claim until its last outcome is answered. Lives in the loop of the handlers."""

    def __init__(
        self, order: _Order, calls: Calls, tries: int, pipelines: Sequence[BoundPipeline], pools: Pools
    ) -> None:
        self.queue = order.queue
        self.complete = False
        #: How many jobs it was given so far.
        self.claimed = 0
        self._order = order
        self._tries = tries
        self._grpc = grpc_loop()
        self._handlers = Handlers(order.worker, {order.queue: (_BATCH, 0)}, order.kinds)
        session = self._handlers.session
        self._twins = Twins(calls, session)
        self._executor = Executor(pipelines, session.reports, pools, self._handlers.stopping)
        self._due = work_service_pb2.DueScope(owner=order.owner)
        self._began = time.monotonic()
        self._attempted = 0
        self._leaving = self._time_is_up = False

    def report(self) -> ErrandReport:
        """What has come of it so far."""
        counted = self._twins.counted
        return ErrandReport(self._attempted, counted["completed"], counted["failed"], self.complete)

    async def live(self) -> None:
        """Claims and runs until one of the ends. Raises JoblineError when a claim fails."""
        self._handlers.start(self._run)
        speech = self._grpc.submit(self._twins.run())
        try:
            while most := self._room():
                attempted = self._attempted
                answer = await self._grpc.run(self._twins.claim(self._request(most), self._deadline()))
                self.claimed += len(answer.assignments)
                if not self._order.own_runs_only:
                    self._due.at.CopyFrom(answer.due.at)
                await self._batch_ends()
                given_back = len(answer.assignments) - (self._attempted - attempted)
                left = answer.due.pending or answer.due.running or given_back
                self.complete = not (left or answer.due.paused)
                if answer.due.paused or self._is_done(answer):
                    return
        finally:
            speech.cancel()
            await self._handlers.close()

    async def leave(self, reason: str) -> None:
        """Claims no more."""
        self._leaving = True
        await self._handlers.leave(reason)

    async def time_is_up(self) -> bool:
        """Claims no more; what runs is interrupted and given back, unless it may end by itself. Whether anything may."""
        self._time_is_up = True
        await self.leave("the time of the call is up")
        return self._handlers.time_is_up()

    def give_back(self) -> None:
        """What still runs is interrupted and given back."""
        self._handlers.give_back()

    async def wind_up(self, seconds: float, hurry: asyncio.Event) -> None:
        """The worker stops: returns when what runs has ended or was given up. Outcomes may not be answered yet."""
        await self.leave("the worker was stopped")
        await self._handlers.wind_up(seconds, hurry)

    def _room(self) -> int:
        """How many jobs to claim next; 0: no more."""
        if self._leaving or not self._time_left():
            return 0
        return min(_BATCH, self._order.max_jobs - self.claimed) if self._order.max_jobs else _BATCH

    def _time_left(self) -> float:
        """Seconds in which jobs may be claimed, as far as a claim may wait."""
        if self._order.claim_for is None:
            return _CLAIM_WAIT
        return min(_CLAIM_WAIT, max(0.0, self._order.claim_for - (time.monotonic() - self._began)))

    def _is_done(self, answer: work_service_pb2.ClaimJobsResponse) -> bool:
        """Whether another claim could bring nothing."""
        return not answer.assignments if self._order.own_runs_only else self.complete

    def _deadline(self) -> float:
        return (_CLAIM_WAIT + _CLAIM_PATIENCE) * self._tries

    def _request(self, most: int) -> work_service_pb2.ClaimJobsRequest:
        request = work_service_pb2.ClaimJobsRequest(
            queues=[self._order.queue],
            kinds=self._order.kinds,
            max_jobs=most,
            worker=self._order.worker,
            request_id=str(uuid_utils.uuid4()),
            due=self._due,
        )
        wait = 0.0 if self._order.own_runs_only else self._time_left()
        request.wait.FromMilliseconds(round(wait * 1000))
        return request

    async def _batch_ends(self) -> None:
        """Returns once nothing runs, and every outcome is answered."""
        while True:
            await self._grpc.run(self._twins.settled())
            if self._handlers.resting:
                return
            # A run that nothing interrupts goes on although its lease is lost.
            await self._handlers.at_rest()

    async def _run(self, delivery: Delivery) -> RunResult:
        result = await self._executor.run(delivery)
        match result:
            case Succeeded() | Failed() | Stopped() | Lost():
                self._attempted += 1
            case GivenBack() if self._time_is_up:
                result = GivenBack("the time of the call was up")
        return result


def _least(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def _stopping(claimed: int) -> NotActive:
    reason = "DRAINING" if claimed else "NOT_ACTIVE"
    return NotActive("this worker is stopping", status=grpc.StatusCode.UNAVAILABLE, reason=reason)
