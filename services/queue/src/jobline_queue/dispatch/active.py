"""The active service: wins the election, runs one term after the other, and hands over in an orderly way.

A term is built from nothing and thrown away whole: connections, memory, tasks. Whatever breaks in it (a connection, the
lock, a bug in a loop) ends it; then the service campaigns again and reads the truth from the table. There is no repair of
a half-known state anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from jobline import failpoints
from jobline_queue.core.ending import Failed
from jobline_queue.core.errors import Draining, NotActive
from jobline_queue.core.pace import RunTime
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.acts import unheard
from jobline_queue.dispatch.changes import Changes
from jobline_queue.dispatch.claimer import Claimer, ClaimWriter
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.election import Election
from jobline_queue.dispatch.enqueuer import Enqueuer
from jobline_queue.dispatch.finisher import Finisher
from jobline_queue.dispatch.forecast import INTERVAL as ETA_INTERVAL
from jobline_queue.dispatch.hooks import HookRegistry
from jobline_queue.dispatch.inspection import inspect
from jobline_queue.dispatch.load import load
from jobline_queue.dispatch.term import Term, TermLost
from jobline_queue.dispatch.warm_up import warm_up
from jobline_queue.dispatch.work_desk import WorkDesk
from jobline_queue.maintenance.expirer import Expirer
from jobline_queue.maintenance.input_sweeper import InputSweeper
from jobline_queue.maintenance.minute_keeper import MinuteKeeper
from jobline_queue.maintenance.periodic import periodically
from jobline_queue.maintenance.pruner import Pruner
from jobline_queue.maintenance.reconciler import Reconciler
from jobline_queue.maintenance.recorder import INTERVAL, Recorder
from jobline_queue.maintenance.rescuer import Rescuer
from jobline_queue.store.engine import Deposed, connect_writer
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)

#: Bytes of payloads kept in memory; beyond it only ids are, and payloads are read when their job comes up.
PAYLOAD_CAP = 32 * 1024 * 1024
#: Seconds that a hand-over waits for the last answers to workers.
_LAST_ANSWERS = 0.2
#: Seconds that the end of a term may wait for the database to take what the queues did in its last minute.
_LAST_MINUTES = 0.5
CONNECTIONS = ("enqueue", "claim", "finish", "maintenance")


#: Reads how long the last runs took, of the newest jobs and of those before these ids.
ReadRunTimes = Callable[[Sequence[str]], Awaitable[Sequence[RunTime]]]


@dataclass(eq=False)
class ActiveTerm:
    """A running term and its parts."""

    term: Term
    enqueuer: Enqueuer
    claimer: Claimer
    finisher: Finisher
    desk: WorkDesk
    pruner: Pruner
    minutes: MinuteKeeper
    #: The sessions of enqueuer, claimer and finisher.
    writers: tuple[JobStore, JobStore, JobStore]
    #: For what operators set, and for prunes.
    maintenance_store: JobStore

    @property
    def dispatcher(self) -> Dispatcher:
        return self.term.dispatcher

    def note_progress(self, job_id: str, token: str, step: str, current: int, total: int, message: str) -> None:
        """A module has stored a run's progress in the job's own row, in a transaction of its own: memory and who watches
        follow. No effect for a run that is not current."""
        self.desk.tell_progress(job_id, token, step, current, total, message)


class QueueCore:
    """The service's way to the present term."""

    def __init__(
        self,
        database_url: str,
        instance: str,
        policies: Mapping[str, QueuePolicy],
        hooks: HookRegistry,
        on_active: Callable[[bool], Awaitable[None]],
        take_over_after: float,
        read_run_times: ReadRunTimes,
    ) -> None:
        self._database_url = database_url
        self._policies = policies
        self._hooks = hooks
        self._on_active = on_active
        self._read_run_times = read_run_times
        self._election = Election(database_url, instance, take_over_after)
        self._active: ActiveTerm | None = None
        self._stopping = False

    @property
    def active(self) -> ActiveTerm:
        """The present term. Raises NotActive on a standby."""
        if self._active is None or self._active.term.over.is_set():
            raise NotActive
        return self._active

    @property
    def hooks(self) -> HookRegistry:
        return self._hooks

    async def run(self) -> None:
        """Campaigns and serves until cancelled; then hands over."""
        try:
            while True:
                epoch, now = await self._election.win()
                try:
                    await self._serve_term(epoch, Clock(now))
                except (TermLost, Deposed, psycopg.Error, TimeoutError) as error:
                    logger.warning("term %d ended: %s", epoch, error)
                await self._election.resign()
        finally:
            await self._election.resign()

    def log_state(self) -> None:
        """Writes into the log what the present term has in memory; see `inspection.py`."""
        if self._active is None:
            logger.info("this service is not the active one")
            return
        for line in inspect(self._active.dispatcher, self._active.claimer):
            logger.info("%s", line)

    async def drain(self) -> None:
        """Before an orderly stop: no more assignments, and every worker is told to go elsewhere. What workers have said is
        still answered, as far as that takes no time worth mentioning: what is not, they say to the next service."""
        self._stopping = True
        if self._active is None:
            return
        sessions = [session for session in self._active.dispatcher.sessions.values() if session.attached]
        for session in sessions:
            session.push_drain(0.0, "shutdown")
        deadline = time.monotonic() + _LAST_ANSWERS
        while time.monotonic() < deadline and any(session.unanswered or session.outbox for session in sessions):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await failpoints.reach("hand_over.drained")

    async def _serve_term(self, epoch: int, clock: Clock) -> None:
        connections = [await connect_writer(self._database_url, name, epoch) for name in CONNECTIONS]
        active: ActiveTerm | None = None
        try:
            active = self._build(epoch, clock, connections)
            await self._run_tasks(active)
        finally:
            served, self._active = self._active is not None, None
            await self._end_term(active, connections, served=served)

    def _build(self, epoch: int, clock: Clock, connections: list[AsyncConnection]) -> ActiveTerm:
        enqueue, claim, finish, maintenance = (JobStore(connection) for connection in connections)
        dispatcher = Dispatcher(self._policies, clock, epoch, PAYLOAD_CAP)
        term = Term(epoch, dispatcher, self._hooks, clock, Changes(epoch))

        def refuse(job_id: str, token: str, outcome: Failed) -> None:
            desk.outcome(job_id, token, outcome, unheard)

        def on_settled() -> None:
            finisher.nudge()

        claimer = Claimer(term, ClaimWriter(term, claim, refuse), claim, on_settled)
        finisher = Finisher(term, finish, ClaimWriter(term, finish, refuse), claimer.wake)
        enqueuer = Enqueuer(term, enqueue, ClaimWriter(term, enqueue, refuse), claimer.wake)
        desk = WorkDesk(term, claimer, finisher)
        return ActiveTerm(
            term,
            enqueuer,
            claimer,
            finisher,
            desk,
            Pruner(term, maintenance),
            MinuteKeeper(term, maintenance),
            (enqueue, claim, finish),
            maintenance,
        )

    async def _run_tasks(self, active: ActiveTerm) -> None:
        """Runs the term's tasks until one ends, which ends the term."""
        term, finisher = active.term, active.finisher
        loops = [
            active.enqueuer.run(),
            active.claimer.run(),
            finisher.run(),
            periodically("runs found lost", 0.5, Rescuer(term, finisher).run_once),
            periodically("progress recorded", INTERVAL, Recorder(term, finisher).run_once),
            periodically("jobs expired", 1.0, Expirer(term, finisher).run_once),
            periodically("estimates looked after", ETA_INTERVAL, term.dispatcher.forecast.run_once),
            periodically("minutes kept", 1.0, active.minutes.run_once),
            periodically("expired jobs swept", 60.0, active.pruner.run_once),
            periodically("unused parts of inputs swept", 600.0, InputSweeper(active.maintenance_store).run_once),
            periodically(
                "jobs of deleted users forgotten", 2.0, Reconciler(active.maintenance_store, finisher).run_once
            ),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(active))
                group.create_task(self._begin(active, group, loops))
        except ExceptionGroup as errors:
            _, faults = errors.split((TermLost, psycopg.Error, TimeoutError))
            if faults is not None:
                logger.error("a task of the term failed", exc_info=faults)
            raise TermLost(str(_first(errors))) from errors

    async def _begin(
        self, active: ActiveTerm, group: asyncio.TaskGroup, loops: Sequence[Coroutine[Any, Any, None]]
    ) -> None:
        """Reads what lives, then serves. The lock is watched meanwhile: a long load must not look like a frozen service."""
        await failpoints.reach("take_over.before_load")
        async with asyncio.TaskGroup() as readiness:
            readiness.create_task(load(active.dispatcher, active.maintenance_store))
            readiness.create_task(warm_up(*active.writers))
        gc.freeze()  # what was just loaded is no garbage: a million jobs need not be looked through again and again
        logger.info("active, epoch %d", active.term.epoch)
        self._active = active
        await self._on_active(True)
        for loop in loops:
            group.create_task(loop)
        active.claimer.wake()
        await self._remember(active.dispatcher)

    async def _remember(self, dispatcher: Dispatcher) -> None:
        """Reads how long the last runs took. Nothing waits for it, and without it estimates begin with the first run."""
        firsts = [first.id for state in dispatcher.queues.values() if (first := state.order.first())]
        try:
            dispatcher.forecast.remember(await self._read_run_times(firsts))
        except Exception as error:
            logger.warning("how long the last runs took could not be read: %s", error)

    async def _watch(self, active: ActiveTerm) -> None:
        """Ends the term when the lock is gone, or when a connection turned out to be: none is repaired within a term."""
        while True:
            active.term.clock.resync(await self._election.confirm())
            if active.maintenance_store.connection.closed:
                raise TermLost("the maintenance connection is gone")
            await asyncio.sleep(1.0)

    async def _end_term(self, active: ActiveTerm | None, connections: list[AsyncConnection], *, served: bool) -> None:
        if active is not None:
            active.term.lose("its tasks have ended")
            active.enqueuer.abandon()
            active.finisher.abandon()
            for session in list(active.dispatcher.sessions.values()):
                session.end(Draining() if self._stopping else NotActive())
            await self._on_active(False)
        if active is not None and served:
            await self._keep_last_minutes(active)
        for connection in connections:
            await connection.close()

    @staticmethod
    async def _keep_last_minutes(active: ActiveTerm) -> None:
        with contextlib.suppress(psycopg.Error, TimeoutError):
            async with asyncio.timeout(_LAST_MINUTES):
                await active.minutes.finish()


def _first(error: BaseException) -> BaseException:
    """The first of the errors that ended a group."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
