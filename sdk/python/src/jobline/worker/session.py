"""The client side of the work stream: what to say next, and what the answers mean.

Overview
    A session is one life of a worker process: it has an id that is made at the start and kept across streams, and it
    outlives every connection. A stream is one gRPC call within it. This module is the state machine of the session and
    does no I/O: `transport` asks it what to write (`hello`, `compose`), hands it what it reads (`receive`), and calls
    `tick` ten times a second. It lives in the gRPC loop's thread; the handlers live elsewhere and reach it through
    `post`. Time is handed in, on a monotonic clock, so that every rule below can be tested without waiting.

States
                       hello                 welcome                  leave
        ┌─ closed ───────────► introduced ────────────► open ───────────────────► leaving ──┐ finish, and
        │     ▲                    │                     │                           │      │ all answered
        │     └────────────────────┴─ stream ended ──────┴───────────────────────────┘      ▼
        └─ (the transport connects again, to the next address)                            done

    `open` may be narrowed to `moving` by a Drain from the service: nothing more is asked for on this stream, and once
    nothing is held any more the transport half-closes it and goes to the next address.

What is said, and when
    One message carries everything that is due; it is composed when the one before has been written, never earlier. So
    load makes batches, and idleness makes single messages. Its parts:
    capacity    whenever the wanted number differs from what this stream was told. Wanted is slots + prefetch, or what is
                running while nothing begins (see backlog), or 0 while leaving or moving. Numbers are absolute: a lost
                message is repaired by the next.
    heartbeat   all leases every interval ± 20 % (so that a fleet does not beat in step), and at once after a Welcome;
                leases that have had neither outcome nor heartbeat for a second get theirs then: the receipt; and those
                of runs that ask whether they still hold them, at once.
    reports     steps at once, progress at most ten times a second, except the first of a step, which goes at once.
    outcomes    all that wait, up to 1000 runs and 1 MiB; runs of one lease that ended alike share one.
    goodbye     once for each stream, when leaving.

What is trusted
    A job is held from its Assignment until its outcome is *answered*. In between, exactly three things can take it away:
    the service says LOST; the lease was not confirmed in time (see leases), which is the same without being told; or the
    outcome's answer says that it did not count. In each case the run's cancel token fires with the reason LOST, its
    handler is interrupted, and nothing more is said about it. CANCEL_REQUESTED only fires the token: the run stops at its
    next step boundary and says `cancelled`.

    A run in a step that nothing interrupts (`@step(uninterrupted=True)`) is the exception. What is not confirmed in time
    is still trusted, and listed, until the step has ended or the run asks (`Run.confirm`): it goes on anyway, so the
    service is the one to say LOST. Then it is not listed any more, and goes on to the end of the step. If that is the end
    of the run, its outcome is sent although it is void, and again until it is answered; so the service can note it. The
    answer, STALE or CANCELLED, settles it like any other.

When a stream ends
    Nothing is released and no handler notices. Everything that was sent and not answered is put back: outcomes and steps
    go out again after the next Welcome, and the Hello lists every job held. What the service knows of this session and
    the Hello does not list never arrived here, and the service returns it to the queue.

Shutting down (the order is the worker's, each part is tested)
    1. `leave`: capacity 0 and Goodbye, in one message. Jobs that arrive after are released at once.
    2. Waiting jobs are released; running ones finish, for up to the drain time-out.
    3. What still runs is interrupted (reason SHUTDOWN) and released. A run in a step that nothing interrupts gets the time
       that interrupted ones get to end; after that nothing is said about it. Its lease lapses, and it counts as lost.
    4. `finish`: outcomes go on being sent until each is answered, whoever cancels the worker's task meanwhile.
    5. `done`: the transport half-closes, and the service ends the stream with OK.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from jobline.v1 import work_service_pb2
from jobline.worker.backlog import Backlog
from jobline.worker.cancel import CancelReason
from jobline.worker.leases import LeaseChanges, Leases
from jobline.worker.outcome import OutcomeBuffer
from jobline.worker.reports import ReportBuffer
from jobline.worker.results import Ending, GivenBack, fill_outcomes
from jobline.worker.run import Delivery, Terms

__all__ = ["Session"]

log = logging.getLogger(__name__)

#: Most outcomes in a message, and bytes of each of its parts; far below the 4 MiB that end a stream.
_MOST = 1000
_MOST_BYTES = 1024 * 1024

#: Seconds between heartbeats until a Welcome says better.
_DEFAULT_INTERVAL = 10.0

#: Seconds that an answer may take at least, however short the interval is, before it counts as lost.
_DEAF_AFTER = 2.0


class Session:
    """One worker session. All methods are called in the gRPC loop's thread.

    The callbacks are the way to the handlers: `on_work` (something waits in a backlog), `on_lost` (interrupt this run)
    and `on_drain` (an operator wants the worker to stop).
    """

    def __init__(
        self,
        name: str,
        backlogs: Mapping[str, Backlog],
        kinds: Sequence[str],
        *,
        post: Callable[..., object],
        on_work: Callable[[], object],
        on_lost: Callable[[Delivery], object],
        on_drain: Callable[[], object],
    ) -> None:
        self.id = str(uuid.uuid4())
        self.name = name
        #: Set when there may be something to say; the transport clears it before it composes.
        self.work = asyncio.Event()
        #: Set once the session is done.
        self.settled = asyncio.Event()
        #: Set when the service has left a heartbeat unanswered for a whole interval, or until a lease has lapsed: the
        #: stream is as good as dead.
        self.deaf = asyncio.Event()
        self.leases = Leases()
        self.outcomes = OutcomeBuffer()
        self.reports = ReportBuffer(post, self.work.set)
        self.heartbeat_interval = _DEFAULT_INTERVAL
        self.moving = False
        self._backlogs = dict(backlogs)
        self._kinds = tuple(kinds)
        self._terms: dict[str, Terms] = {}
        self._on_work, self._on_lost, self._on_drain = on_work, on_lost, on_drain
        self._welcomed = self._goodbye_said = False
        self._told: dict[str, int] = {}
        self._next_heartbeat = 0.0
        #: Statuses that were asked for on this stream, and told: the service answers every entry once, in order.
        self._asked = self._answered = 0
        self._leaving: str | None = None
        self._finishing = False

    # ---- for the worker -----------------------------------------------------------------------------------------

    def ended(self, endings: Iterable[Ending]) -> None:
        """Runs have ended; it is told as long as their leases are held."""
        for ending in endings:
            if self.leases.holds(ending.lease_token, ending.job_id):
                self.outcomes.add(ending)
        self._look()

    def ended_regardless(self, ending: Ending) -> None:
        """A run has ended with a step that nothing interrupts: it is told whether its lease is held or not."""
        self.outcomes.add(ending)
        self._look()

    def leave(self, reason: str) -> None:
        """No more jobs, please."""
        self._leaving = reason
        self._look()

    def finish(self) -> None:
        """Every run has ended: the session is done when each outcome is answered."""
        self._finishing = True
        self._look()

    # ---- for the transport --------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        return self._finishing and not self.outcomes

    @property
    def may_move(self) -> bool:
        """The service wants this stream to go elsewhere, and nothing is held that would have to be resumed there."""
        return self.moving and not self.leases and not self.outcomes

    def shortest_trust(self) -> float:
        """Seconds that a lease may go on without a word: one that was never confirmed ends with its receipt deadline."""
        return min((min(terms.lease, terms.receipt) for terms in self._terms.values()), default=Terms().receipt)

    def hello(self) -> work_service_pb2.WorkRequest:
        held = self.leases.entries()
        hello = work_service_pb2.Hello(
            session_id=self.id, name=self.name, queues=self._backlogs, kinds=self._kinds, held=held
        )
        return work_service_pb2.WorkRequest(hello=hello)

    def compose(self, now: float) -> work_service_pb2.WorkRequest | None:
        """The next message, or None when there is nothing to say now."""
        if not self._welcomed:
            return None
        request = work_service_pb2.WorkRequest()
        if changed := self._capacity_changes():
            request.capacity.queues.extend(changed)
        self._compose_heartbeat(request, now)
        if self.reports.ready(now) and (reports := self.reports.take(now, _MOST_BYTES)):
            request.reports.CopyFrom(reports)
        if self.outcomes.ready(now):
            fill_outcomes(request.outcomes, self.outcomes.take(now, _MOST, _MOST_BYTES))
        if self._leaving is not None and not self._goodbye_said:
            self._goodbye_said = True
            request.goodbye.reason = self._leaving
        return request if request.ListFields() else None

    def receive(self, response: work_service_pb2.WorkResponse, now: float) -> None:
        """Takes in one message; its parts in the order of their numbers."""
        if response.HasField("welcome"):
            self._receive_welcome(response.welcome, now)
        for ack in response.outcome_acks.acks:
            self._receive_outcome_ack(ack, now)
        for step in response.report_acks.steps:
            self.reports.answer(step, now)
        if response.HasField("heartbeat_ack"):
            self._apply(self.leases.apply(response.heartbeat_ack.leases))
            self._answered += len(response.heartbeat_ack.leases)
            self.reports.told(self._answered)
        if response.HasField("cancel"):
            self._apply(self.leases.apply(response.cancel.leases, is_answer=False))
        if response.HasField("assignments"):
            self._receive_assignments(response.assignments.assignments, now)
        if response.HasField("drain"):
            self._receive_drain(response.drain)
        self._look()

    def tick(self, now: float) -> None:
        """What happens by the passing of time. Called several times a second, connected or not."""
        for delivery in self.leases.lapsed(now, self.reports.asking()):
            log.warning("job %s: its lease was not confirmed in time; its run stops", delivery.job_id)
            self._lose(delivery)
            if self._welcomed:
                self.deaf.set()
        for backlog in self._backlogs.values():
            for delivery in backlog.give_back(now):
                self._release(delivery, "not started within a second")
        too_old = now - max(self.heartbeat_interval, _DEAF_AFTER)
        self.reports.repeat_unanswered(too_old)
        asked_at = self.leases.unanswered_since()
        if self._welcomed and asked_at is not None and asked_at < too_old:
            self.deaf.set()
        self._look()

    def stream_ended(self) -> None:
        self._welcomed = self._goodbye_said = self.moving = False
        self.deaf.clear()
        self._told = {}
        self.heartbeats_lost()
        self.outcomes.stream_ended()
        self.reports.stream_ended()

    def heartbeats_lost(self) -> None:
        """No answer will come any more to the heartbeats that were sent."""
        self._asked = self._answered = 0
        self.leases.stream_ended()
        self.reports.unanswered()

    def _look(self) -> None:
        """Something has changed that may be worth a message."""
        self.work.set()
        if self.done:
            self.settled.set()

    # ---- parts --------------------------------------------------------------------------------------------------

    def _capacity_changes(self) -> list[work_service_pb2.QueueCapacity]:
        stopped = self._leaving is not None or self.moving
        changes = []
        for queue, backlog in self._backlogs.items():
            wanted = 0 if stopped else backlog.capacity()
            if self._told.get(queue, 0) != wanted:
                self._told[queue] = wanted
                changes.append(work_service_pb2.QueueCapacity(queue=queue, jobs=wanted))
        return changes

    def _compose_heartbeat(self, request: work_service_pb2.WorkRequest, now: float) -> None:
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self.heartbeat_interval * random.uniform(0.8, 1.2)
            request.heartbeat.held.extend(self.leases.ask_all(now))
            request.heartbeat.SetInParent()
        elif tokens := {*self.leases.without_receipt(now), *self.reports.to_ask()}:
            request.heartbeat.held.extend(self.leases.ask(tokens, now))
        else:
            return
        self._asked += sum(len(group.job_ids) for group in request.heartbeat.held)
        self.reports.asked(self._asked)

    def _receive_welcome(self, welcome: work_service_pb2.Welcome, now: float) -> None:
        self._welcomed = True
        self._terms = {terms.queue: Terms.from_proto(terms) for terms in welcome.queues}
        self.heartbeat_interval = welcome.heartbeat_interval.ToTimedelta().total_seconds() or _DEFAULT_INTERVAL
        # A reconnect may have cost much of the leases' time: extend them at once.
        self._next_heartbeat = now
        self._apply(self.leases.apply(welcome.leases, is_answer=False))

    def _receive_outcome_ack(self, ack: work_service_pb2.OutcomeAck, now: float) -> None:
        token, status, detail = ack.lease_token, ack.status, ack.detail
        for job_id in ack.job_ids:
            answer = self.outcomes.answer(token, job_id, status, detail, now)
            if answer.complaint:
                log.error("%s", answer.complaint)
            if answer.settled:
                self.leases.end(token, job_id)

    def _receive_assignments(self, assignments: Iterable[work_service_pb2.Assignment], now: float) -> None:
        for assignment in assignments:
            queue = assignment.queue
            delivery = Delivery(assignment, self._terms.get(queue) or Terms(), now)
            if self.leases.holds(delivery.lease_token, delivery.job_id):
                continue  # it is here already
            self.leases.add(delivery, now)
            backlog = self._backlogs.get(queue)
            if backlog is None or self._leaving is not None:
                self._release(delivery, "the worker is leaving")
            else:
                backlog.put(delivery)
        self._on_work()

    def _receive_drain(self, drain: work_service_pb2.Drain) -> None:
        log.info("the queue service asks this worker to drain: %s", drain.reason or "no reason given")
        if drain.reason == "operator":
            self._on_drain()
        else:
            self.moving = True

    def _apply(self, changes: LeaseChanges) -> None:
        for delivery in changes.cancelled:
            delivery.cancel.fire(CancelReason.REQUESTED)
        for delivery in changes.lost:
            self._lose(delivery)

    def _lose(self, delivery: Delivery) -> None:
        """The run is void: it stops, and nothing more is said about it, unless nothing could interrupt its last step."""
        delivery.cancel.fire(CancelReason.LOST)
        self.reports.lost(delivery)
        if not delivery.uninterrupted:
            self.outcomes.drop(delivery.lease_token, delivery.job_id)
        self._on_lost(delivery)

    def _release(self, delivery: Delivery, reason: str) -> None:
        delivery.ended = True
        self.outcomes.add(Ending(delivery.lease_token, delivery.job_id, GivenBack(reason)))
