"""Tells when handlers block their event loop, and where.

A blocked loop loses no lease, since heartbeats come from another thread; but every other job of the worker stands
still, and nothing else would say why.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback

__all__ = ["Watchdog"]

log = logging.getLogger(__name__)

_LIMIT = 1.0


class Watchdog:
    """Asks the handlers' loop for a sign of life; warns with its stack when none comes for a second.

    `watch` runs in another loop than the one that is watched.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        self._loop = loop
        self._thread_id = thread_id
        self._alive_at = 0.0

    async def watch(self) -> None:
        while not self._loop.is_closed():
            asked_at = time.monotonic()
            self._loop.call_soon_threadsafe(self._sign)
            warned = False
            while self._alive_at < asked_at:
                await asyncio.sleep(_LIMIT / 4)
                if not warned and self._alive_at < asked_at and time.monotonic() - asked_at > _LIMIT:
                    warned = True
                    log.warning("a handler blocks the event loop of this worker:\n%s", self._stack())
            if warned:
                log.warning("the event loop was blocked for %.1f seconds", time.monotonic() - asked_at)
            await asyncio.sleep(_LIMIT / 4)

    def _sign(self) -> None:
        self._alive_at = time.monotonic()

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread_id)
        return "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"
