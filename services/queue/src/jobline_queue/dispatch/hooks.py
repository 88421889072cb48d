"""Hooks: what a module does in the very transaction that moves its jobs.

A module registers one `KindHooks` for each kind it owns. A hook runs in the fenced transaction of its arrow, after the
row was locked and found unfinished, under a savepoint of its own: what it writes is there exactly if the arrow is. One
that raises undoes its own writes and fails its own job, never the others of the group. Kinds without hooks take a path of
one statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy


@dataclass(frozen=True)
class KindHooks:
    """What a module wants to know of one kind. Every part is optional but the check."""

    kind: str
    #: Raises InvalidField, the path given before each field name; called on every way in.
    check: Callable[[NewJob, str], None]
    #: The step a run is in from its claim on, before the worker has said anything.
    first_step: str = ""
    #: A cancelled pending job's row is removed, its event stays.
    cancel_removes: bool = False
    #: After the claim; raising fails the run before it is handed out.
    on_start: Callable[[AsyncConnection, LiveJob], Awaitable[None]] | None = None
    #: After a step's output was stored: (transaction, job, step, output JSON).
    on_step: Callable[[AsyncConnection, LiveJob, str, str], Awaitable[None]] | None = None
    #: Before the end is written; may return another end (a result, an error, another state).
    on_end: Callable[[AsyncConnection, LiveJob, QueuePolicy, RunEnd], Awaitable[RunEnd]] | None = None
    #: After a failed or cancelled job went back to pending.
    on_retry: Callable[[AsyncConnection, LiveJob], Awaitable[None]] | None = None


class HookRegistry:
    """The hooks of all modules, by kind."""

    def __init__(self, hooks: Iterable[KindHooks] = ()) -> None:
        self._hooks: Mapping[str, KindHooks] = {each.kind: each for each in hooks}

    def of(self, kind: str) -> KindHooks | None:
        return self._hooks.get(kind)

    def first_step(self, kind: str) -> str:
        hooks = self._hooks.get(kind)
        return hooks.first_step if hooks else ""
