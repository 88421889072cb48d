"""Hooks: what a module does in the very transaction that moves its jobs.

A module registers one `KindHooks` for each kind it owns. A hook runs in the fenced transaction of its arrow, under a
savepoint of its own, after the row was stored, or locked and found unfinished: what it writes is there exactly if the arrow
is. One that raises undoes its own writes and fails its own job or call, never the others of the group. Kinds without hooks
take a path of one statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, RunError
from jobline_queue.core.errors import JoblineError
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy

#: (values, number of the first one, path): raises InvalidField that names `{path}[N]`.
InputCheck = Callable[[list[Any], int, str], None]
RetryHook = Callable[[AsyncConnection, LiveJob], Awaitable[None]]
CancelHook = Callable[[AsyncConnection, LiveJob, str, str], Awaitable[None]]
StepHook = Callable[[AsyncConnection, LiveJob, str, str], Awaitable[None]]


class RunRefused(Exception):
    """An `on_start` hook will not have the run begin; `error` is what the run fails with, word for word."""

    def __init__(self, error: RunError) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


def told_cause(error: Exception) -> str:
    """What the owner of a job may read of an error in a hook: our own words, but of others (a database's, say) the kind."""
    return str(error) if isinstance(error, JoblineError) else type(error).__name__


@dataclass(frozen=True)
class KindHooks:
    """What a module wants to know of one kind. Every part is optional but the check."""

    kind: str
    #: Raises InvalidField, the path given before each field name; called on every way in.
    check: Callable[[NewJob, str], None]
    #: Looks at the values of an input, some at a time; called on every way in. Without, every value is taken.
    check_input: InputCheck | None = None
    #: The step a run is in from its claim on, before the worker has said anything.
    first_step: str = ""
    #: A cancelled pending job's row is removed, its event stays.
    cancel_removes: bool = False
    #: A job's own row says `running` from the transaction of its claim on, for reads that look at the rows alone. Without,
    #: it follows after 100 ms, or never for a run that is shorter (dispatch/claimer.py).
    marks_claims: bool = False
    #: A `run_at` that is past when the job is stored stays as it is, and so is its place in the order. Without, it counts
    #: from the moment of storing, so that nobody gets before others by naming an early time.
    keeps_past_times: bool = False
    #: After the rows of a call were stored: the jobs of this kind that are new, in the call's order, payloads in memory. A
    #: JoblineError refuses the whole call, and only this call, with that error; it names the fields itself.
    on_enqueue: Callable[[AsyncConnection, Sequence[LiveJob]], Awaitable[None]] | None = None
    #: After the claim, whose rows are marked then, too; raising fails the run before it is handed out: a RunRefused with its
    #: own error, anything else with RESULT_REJECTED.
    on_start: Callable[[AsyncConnection, LiveJob], Awaitable[None]] | None = None
    #: In the transaction that stores a step's output: (transaction, job, step, output JSON). Raising refuses the output and
    #: fails the run with RESULT_REJECTED, for a JoblineError in its words.
    on_step: StepHook | None = None
    #: Before the end is written; may return another end (a result, an error, another state), and `follow_ups` with it: jobs
    #: that are stored in the same transaction, as those of the producer `system`, past the check and the `on_enqueue` hook
    #: of their kind, and without idempotency keys. Raising, or a follow-up that cannot be stored, turns a success into a
    #: failure, for which it is called again; of any other end it undoes what the hook has written, and no more.
    on_end: Callable[[AsyncConnection, LiveJob, QueuePolicy, RunEnd], Awaitable[RunEnd]] | None = None
    #: After a pending job was cancelled (a running one: `on_end`): (transaction, job, who, why). Raising refuses its cancel,
    #: and only this, with that error.
    on_cancel: CancelHook | None = None
    #: After a failed or cancelled job went back to pending; raising refuses its retry, and only this, with that error.
    on_retry: RetryHook | None = None

    @property
    def marked_at_claim(self) -> bool:
        """Whether a claim writes the job's own row. A hook that starts a run needs it: what both write has to agree."""
        return self.marks_claims or self.on_start is not None


class HookRegistry:
    """The hooks of all modules, by kind."""

    def __init__(self, hooks: Iterable[KindHooks] = ()) -> None:
        self._hooks: Mapping[str, KindHooks] = {each.kind: each for each in hooks}
        #: The kinds with an `on_enqueue` hook.
        self.enqueue_kinds = frozenset(kind for kind, each in self._hooks.items() if each.on_enqueue is not None)

    def of(self, kind: str) -> KindHooks | None:
        return self._hooks.get(kind)

    def first_step(self, kind: str) -> str:
        hooks = self._hooks.get(kind)
        return hooks.first_step if hooks else ""
