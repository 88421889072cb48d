"""A coroutine that one thread hands to the event loop of another, and the way its end comes back.

The standard library has `asyncio.run_coroutine_threadsafe` for this. It will not do for a thread that waits: a signal's
handler may raise anywhere in the main thread (Ctrl-C does), also in the middle of the Python code of
`concurrent.futures.Future`. Where it has just taken the future's lock, the lock stays taken and the loop's thread hangs at
its end; where it drops the last reference to a task, the exception is swallowed in a weakref's callback, and the program
that should end goes on. So here no lock is shared, the waiting is one call of C, and tasks begin and end in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Crossing", "Ended"]

T = TypeVar("T")

#: How a coroutine ended: with a value (and None), or with an exception.
Ended = tuple[T | None, BaseException | None]


class Crossing(Generic[T]):
    """`tell` is called once, in the loop, with how the coroutine ended; it must not raise. A coroutine that was cancelled
    ended with asyncio.CancelledError.
    """

    __slots__ = ("_coroutine", "_task", "_tell")

    def __init__(self, coroutine: Coroutine[Any, Any, T], tell: Callable[[Ended[T]], object]) -> None:
        self._coroutine = coroutine
        self._tell = tell
        self._task: asyncio.Task[T] | None = None

    def begin(self) -> None:
        """To be called in the loop."""
        self._task = asyncio.get_running_loop().create_task(self._coroutine)
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        """Cancels it, whether it has begun, has ended or never came to begin. To be called in the loop."""
        if self._task is not None:
            self._task.cancel()
        else:
            self._coroutine.close()

    def _end(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if task.cancelled():
            self._tell((None, asyncio.CancelledError()))
        elif (error := task.exception()) is not None:
            self._tell((None, error))
        else:
            self._tell((task.result(), None))
