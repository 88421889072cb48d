"""The request to stop a run, as the run sees it.

A token is fired once, from any thread, for one of four reasons. What follows is decided elsewhere: a lost lease also
interrupts an asynchronous step, a cancel request waits for the step boundary. The token itself only remembers the
first reason and wakes whoever waits. Nothing is allocated until somebody waits, because most of the millions of tokens
of a busy worker are never looked at.
"""

from __future__ import annotations

import asyncio
import threading
from enum import Enum

from jobline.worker.errors import RunStopped

__all__ = ["CancelReason", "CancelToken"]

_LOCK = threading.Lock()


class CancelReason(Enum):
    """Why a run should stop."""

    #: A caller cancelled the job; the run ends as `cancelled` at its next step boundary.
    REQUESTED = "cancel requested"
    #: The lease is not the worker's any more; whatever the run does is void.
    LOST = "lease lost"
    #: The worker shuts down, or the time of the call that runs the job is up: it is given back.
    SHUTDOWN = "worker shut down"


class CancelToken:
    """Whether a run should stop. Safe to use from any thread; only `wait` needs an event loop."""

    __slots__ = ("_reason", "_waiters")

    def __init__(self) -> None:
        self._reason: CancelReason | None = None
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] | None = None

    @property
    def reason(self) -> CancelReason | None:
        return self._reason

    def is_set(self) -> bool:
        return self._reason is not None

    def raise_if_set(self) -> None:
        """Raises RunStopped once the run should stop."""
        if self._reason is not None:
            raise RunStopped(self._reason.value)

    async def wait(self) -> None:
        """Returns once the run should stop."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        with _LOCK:
            if self._reason is not None:
                return
            self._waiters = self._waiters or []
            self._waiters.append((loop, waiter))
        try:
            await waiter
        finally:
            self._forget(loop, waiter)

    def fire(self, reason: CancelReason) -> bool:
        """Asks the run to stop; false when it was asked before. A lost lease overrules an earlier, politer reason."""
        with _LOCK:
            first = self._reason is None
            if first or reason is CancelReason.LOST:
                self._reason = reason
            waiters, self._waiters = self._waiters or [], None
        for loop, waiter in waiters:
            loop.call_soon_threadsafe(_wake, waiter)
        return first

    def _forget(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
        """A token that many runs share outlives whoever waits for it."""
        with _LOCK:
            if self._waiters and (loop, waiter) in self._waiters:
                self._waiters.remove((loop, waiter))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
