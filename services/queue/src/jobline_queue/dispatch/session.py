"""The server side of a worker session: what it may be handed, what it holds, and what is waiting to be sent to it.

A session outlives its stream. It begins with the first Hello of a worker process, and goes when the stream is gone and
its last lease has ended. Nothing in here knows gRPC: `rpc/work_stream.py` reads a worker's messages into calls of the
dispatcher, and sends what lies in the session's `Outbox`.

**Capacity, not credit.** The worker says how many jobs it will hold of each queue, as an absolute number; the room is that
number less what the session holds now. A lost message cannot make the two drift apart, and lowering the number revokes
nothing. Jobs that were picked for the session and wait for the commit of their lease count as held.

**The outbox.** Everything waits in lists until the one writer of the stream takes all of it into one message. Assignments
that are not sent yet count against the room as well: a stream that does not read gets no more than two batches, and
`stalled_since` tells the dispatcher to pass it over.

**Detached.** When the stream breaks, the outbox is thrown away: a job that was assigned but not sent, or sent into the
broken connection, is told apart from one that arrived by the worker's next Hello, which lists what it holds. What it does
not list and never showed a receipt for goes back to its old place without costing an attempt. If no Hello comes, the
receipt deadline does the same, and the lease, later, ends the runs that did arrive.

**Superseded.** A second stream of the same session takes over: the older one ends with ABORTED. A worker whose network
changed under it comes back in a second, long before the server notices that the first connection is dead.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from jobline_queue.core.live_job import LiveJob

if TYPE_CHECKING:
    from jobline_queue.dispatch.acts import EndRun
    from jobline_queue.dispatch.due_scope import DueScope

#: Unsent assignments beyond which a session is handed nothing more.
MAX_UNSENT = 1024


class OutcomeStatus(IntEnum):
    """The answer to an outcome; names and numbers are those of the proto."""

    COMMITTED = 1
    ALREADY_COMMITTED = 2
    STALE = 3
    CANCELLED = 4
    INVALID = 5
    RETRY = 6


class StepStatus(IntEnum):
    STORED = 1
    LOST = 2
    INVALID = 3
    RETRY = 4


class LeaseState(IntEnum):
    HELD = 1
    LOST = 2
    CANCEL_REQUESTED = 3


@dataclass(frozen=True, slots=True)
class FinishedStep:
    name: str
    output: str
    seconds: float


class Assignment(NamedTuple):
    """A job on its way to a worker: everything a run needs, frozen at the claim."""

    job: LiveJob
    lease_token: str
    payload: str
    attempt: int
    steps: tuple[FinishedStep, ...] = ()


@dataclass(slots=True)
class Outbox:
    """What waits to be sent, by kind; `take` empties it."""

    outcome_acks: list[tuple[str, str, OutcomeStatus, str]] = field(default_factory=list)
    step_acks: list[tuple[str, str, StepStatus, str]] = field(default_factory=list)
    lease_states: list[tuple[str, str, LeaseState]] = field(default_factory=list)
    cancels: list[tuple[str, str, LeaseState]] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    #: (seconds until the deadline, reason)
    drain: tuple[float, str] | None = None
    heartbeat_due: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.outcome_acks
            or self.step_acks
            or self.heartbeat_due
            or self.cancels
            or self.assignments
            or self.drain is not None
        )

    @property
    def answers(self) -> int:
        """How many of its entries answer what the worker said."""
        return len(self.outcome_acks) + len(self.step_acks) + len(self.lease_states) + len(self.cancels)


class Session:
    """One start of one worker process."""

    def __init__(self, session_id: str, name: str, principal: str, queues: set[str], kinds: frozenset[str]) -> None:
        self.id = session_id
        self.name = name
        self.principal = principal
        self.queues = queues
        self.kinds = kinds
        self.capacity: dict[str, int] = {}
        #: How many jobs it will hold of all queues together; None: the capacity of each says it.
        self.most: int | None = None
        #: It gets the jobs of this scope only, past all others; None: those whose turn it is.
        self.scope: DueScope | None = None
        #: Jobs in its leases, and jobs picked for it, by queue.
        self.held: dict[str, int] = {}
        #: Of those, the ones whose outcomes wait for their commit and take no room any more.
        self.ending: dict[str, int] = {}
        self.attached = False
        #: The claimer has looked for jobs for it: that it holds none means that there was none.
        self.looked_for = False
        self.draining = False
        self.connected_at = 0.0
        self.last_seen_at = 0.0
        #: It let a receipt deadline pass without a word; it is handed nothing more until it is heard again.
        self.silent = False
        #: Seconds of the clock since which a write is blocked; None: none is.
        self.stalled_since: float | None = None
        #: Outcomes and steps that wait for their commit.
        self.unanswered = 0
        self.outbox = Outbox()
        self.wake = asyncio.Event()
        #: Raised by a newer stream of the session, or by the end of the term.
        self.ended: BaseException | None = None

    @property
    def holding(self) -> int:
        return sum(self.held.values())

    def room(self, queue: str, ended: int = 0) -> int:
        """How many more jobs of `queue` it may be handed once `ended` of those it holds have ended."""
        if not self.attached or self.draining or self.silent or self.stalled_since is not None:
            return 0
        if len(self.outbox.assignments) >= MAX_UNSENT:
            return 0
        room = self.capacity.get(queue, 0) - self.held.get(queue, 0) + self.ending.get(queue, 0) + ended
        if self.most is not None:
            room = min(room, self.most - self.holding + ended)
        return max(0, room)

    def hold(self, queue: str, count: int) -> None:
        self.held[queue] = self.held.get(queue, 0) + count

    def free(self, queue: str) -> None:
        """A run's outcome has arrived: its place is free, and taken again if the outcome turns out not to count."""
        self.ending[queue] = self.ending.get(queue, 0) + 1

    def assign(self, assignments: list[Assignment]) -> None:
        self.outbox.assignments.extend(assignments)
        self.wake.set()

    def acknowledge(self, job_id: str, token: str, status: OutcomeStatus, detail: str = "") -> None:
        self.outbox.outcome_acks.append((job_id, token, status, detail))
        self.wake.set()

    def answer_outcome(self, act: EndRun, status: OutcomeStatus, detail: str) -> None:
        """The answer to an outcome that counts as unanswered."""
        self.unanswered -= 1
        if act.freed:
            self.ending[act.freed] -= 1
        self.acknowledge(act.job_id, act.token, status, detail)

    def acknowledge_step(self, job_id: str, step: str, status: StepStatus, detail: str = "") -> None:
        self.outbox.step_acks.append((job_id, step, status, detail))
        self.wake.set()

    def answer_heartbeat(self, states: list[tuple[str, str, LeaseState]]) -> None:
        self.outbox.lease_states.extend(states)
        self.outbox.heartbeat_due = True
        self.wake.set()

    def push_cancel(self, token: str, job_id: str, state: LeaseState) -> None:
        self.outbox.cancels.append((token, job_id, state))
        self.wake.set()

    def push_drain(self, seconds: float, reason: str) -> None:
        self.draining = True
        self.outbox.drain = (seconds, reason)
        self.wake.set()

    def take(self) -> Outbox:
        """Everything that waits; the session gets an empty outbox."""
        full, self.outbox = self.outbox, Outbox()
        self.wake.clear()
        return full

    def end(self, error: BaseException) -> None:
        """Ends the stream with `error`; the leases stay."""
        self.ended = error
        self.attached = False
        self.wake.set()
