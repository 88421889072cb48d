"""The state machine of a job: states, arrows and the one table that joins them.

Jobline's promise is this table. Every arrow has one entry here, one SQL statement in `store/sql`, one race test in
`tests/integration` and one row in docs/job-lifecycle.md; whoever adds an arrow adds all four.

                       ┌──────────────── fail (attempts left), snooze, release, rescue ───────────────┐
                       ▼                                                                              │
    enqueue ──▶ ┌─────────┐  claim  ┌─────────┐  complete  ┌───────────┐                              │
                │ pending │────────▶│ running │───────────▶│ succeeded │                              │
                └─────────┘         └─────────┘            └───────────┘                              │
                  │  ▲  │                │ │ └────────────────────────────────────────────────────────┘
        cancel    │  │  │ expire         │ │ fail, rescue, time out (no attempts left)
                  │  │  ▼                │ ▼
                  │  │ (removed)         │ ┌────────┐
                  │  └───── retry ───────┼─│ failed │
                  ▼         retry        │ └────────┘
                ┌───────────┐            │ cancel (by policy: at once, or at the next step boundary)
                │ cancelled │◀───────────┘
                └───────────┘            delete: any state ▶ (removed)    prune: finished ▶ (removed)

Three things make the table hold under concurrency.

**One writer.** The active queue service holds every live job in memory, and every arrow passes through it. Arrows that
end a run, and acts of callers (cancel, retry, delete), are decided one after another by one task (`dispatch/finisher`),
claims by another (`dispatch/claimer`). Memory decides, the database records; memory is changed only after the commit,
and a commit whose outcome is unknown ends the service's term: it forgets everything and loads it anew.

**The lease.** A claim makes a lease: a token that only the worker that got the job knows. Every statement that ends a run
asks for the job's current lease, so whatever a lost, cancelled or superseded run says later changes nothing (`StaleLease`).

**The epoch.** A term of an active service has a number. A service that takes over first ends every database session of its
predecessor, so no statement of an old term can commit in a new one, and no statement needs to check it.

What counts as an attempt: a run that a worker began and that ended in complete, fail, rescue or time out. A release, a
snooze and a delivery that never arrived count nothing, and a release or a lost delivery keeps the job's place in the order.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FINISHED", "TRANSITIONS", "Arrow", "State", "may"]


class State(StrEnum):
    """Where a job is. The words are those of SQL; the proto has them in upper case."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Arrow(StrEnum):
    """What moves a job. Each has a statement of the same name in store/sql."""

    ENQUEUE = "enqueue"
    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    SNOOZE = "snooze"
    RELEASE = "release"
    RESCUE = "rescue"
    TIME_OUT = "time_out"
    CANCEL = "cancel"
    RETRY = "retry"
    EXPIRE = "expire"
    DELETE = "delete"
    PRUNE = "prune"


FINISHED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

#: (from, arrow) → the states it may lead to; None stands for "no row".
TRANSITIONS: dict[tuple[State | None, Arrow], frozenset[State | None]] = {
    (None, Arrow.ENQUEUE): frozenset({State.PENDING}),
    (State.PENDING, Arrow.CLAIM): frozenset({State.RUNNING}),
    (State.RUNNING, Arrow.COMPLETE): frozenset({State.SUCCEEDED}),
    (State.RUNNING, Arrow.FAIL): frozenset({State.PENDING, State.FAILED}),
    (State.RUNNING, Arrow.SNOOZE): frozenset({State.PENDING}),
    (State.RUNNING, Arrow.RELEASE): frozenset({State.PENDING, State.CANCELLED}),
    (State.RUNNING, Arrow.RESCUE): frozenset({State.PENDING, State.FAILED}),
    (State.RUNNING, Arrow.TIME_OUT): frozenset({State.PENDING, State.FAILED}),
    (State.PENDING, Arrow.CANCEL): frozenset({State.CANCELLED, None}),
    (State.RUNNING, Arrow.CANCEL): frozenset({State.RUNNING, State.CANCELLED}),
    (State.FAILED, Arrow.RETRY): frozenset({State.PENDING}),
    (State.CANCELLED, Arrow.RETRY): frozenset({State.PENDING}),
    (State.PENDING, Arrow.EXPIRE): frozenset({None}),
    **{(state, Arrow.DELETE): frozenset({None}) for state in State},
    **{(state, Arrow.PRUNE): frozenset({None}) for state in FINISHED},
}


def may(state: State | None, arrow: Arrow) -> bool:
    """Whether the table has `arrow` from `state`."""
    return (state, arrow) in TRANSITIONS
