"""The scopes that are open. A caller claims batch after batch of one scope, so it stays open from one call to the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.due_scope import DueScope

#: Seconds that a scope stays open without a call. The next call opens it again, so nothing depends on it but costs.
KEEP = 60.0
#: Due jobs that are filled in in one go, which takes about a millisecond.
SLICE = 500

#: (queue, owner, kinds, moment)
_Key = tuple[str, str, frozenset[str], float]


class _Opened:
    """An open scope and who uses it."""

    def __init__(self, scope: DueScope, filled: asyncio.Task[None]) -> None:
        self.scope = scope
        self.filled = filled
        self.users = 0
        self.closing: asyncio.TimerHandle | None = None


class OpenScopes:
    """The open scopes of a term."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._opened: dict[_Key, _Opened] = {}

    @contextlib.asynccontextmanager
    async def use(self, queue: str, owner: str, kinds: frozenset[str], at: float) -> AsyncIterator[DueScope]:
        """The scope, complete. `at` must have come."""
        key = (queue, owner, kinds, at)
        opened = self._opened.get(key)
        if opened is None:
            opened = self._opened[key] = self._open(queue, owner, kinds, at)
        opened.users += 1
        if opened.closing is not None:
            opened.closing.cancel()
            opened.closing = None
        try:
            await asyncio.shield(opened.filled)  # for all who wait for it: one that hangs up must not stop it
            yield opened.scope
        finally:
            opened.users -= 1
            if not opened.users:
                self._leave(key, opened)

    def _open(self, queue: str, owner: str, kinds: frozenset[str], at: float) -> _Opened:
        """Opens a scope with what runs or is held back; what waits is filled in slice by slice, while the queue tells what
        moves."""
        # What is neither in the order after this nor held back is due later than at any moment that has come.
        self._dispatcher.admit_due(self._dispatcher.clock.now())
        state = self._dispatcher.queue(queue)
        scope = DueScope(queue, owner, kinds, at, state.order.new_backlog())
        waiting = state.order.listed(owner)
        state.open_scope(scope)
        for job in (*state.picked, *state.held_back):
            scope.place(job)
        for lease in self._dispatcher.leases.values():
            if lease.queue == queue:
                for job in lease.jobs.values():
                    scope.place(job)
        return _Opened(scope, asyncio.create_task(_fill(scope, waiting)))

    def _leave(self, key: _Key, opened: _Opened) -> None:
        """The last call is over: an empty scope is of no more use, unless it is empty because it is still being filled."""
        if opened.filled.done() and opened.scope.is_empty:
            self._close(key, opened)
        else:
            opened.closing = asyncio.get_running_loop().call_later(KEEP, self._close, key, opened)

    def _close(self, key: _Key, opened: _Opened) -> None:
        del self._opened[key]
        self._dispatcher.queue(opened.scope.queue).close_scope(opened.scope)


async def _fill(scope: DueScope, waiting: Sequence[LiveJob]) -> None:
    """Fills in the jobs that waited when the scope was opened. Of those that have moved since, the scope was told."""
    for start in range(0, len(waiting), SLICE):
        for job in waiting[start : start + SLICE]:
            if job.place is Place.DUE:
                scope.place(job)
        await asyncio.sleep(0)
