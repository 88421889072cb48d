"""Where gRPC lives in a process: one thread, one event loop, and how channels are opened there.

grpc.aio polls on one completion queue for the whole process; with objects in two event loops the loops steal each
other's wake-ups. So the SDK keeps every grpc.aio object in a loop of its own, on a thread of its own: the worker's
stream, the clients' channels, and a server that a worker process may add. The second reason is as strong: a handler that
blocks the program's main loop must not stop the heartbeats that keep its lease.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import grpc

from jobline.crossing import Crossing, Ended
from jobline.event_loop import new_event_loop
from jobline.runtime import GRPC_OPTIONS

__all__ = ["GrpcLoop", "bearer", "grpc_loop", "open_channel"]

T = TypeVar("T")

#: gRPC's own waits before it connects again are far too long for a service that is back in a second; and channels to one
#: address would share them, so that a new channel inherits the penalty of the old one.
_CHANNEL_OPTIONS: list[tuple[str, int]] = [
    *GRPC_OPTIONS,
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.enable_retries", 0),
    # The services are called where the settings say, never through a proxy that the environment may name.
    ("grpc.enable_http_proxy", 0),
]


class GrpcLoop:
    """An event loop on a daemon thread. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._serve, name="jobline-grpc", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    def post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Has a plain function called in the loop; nothing happens once the interpreter is exiting."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs a coroutine in the loop, for as long as it takes. Raises RuntimeError as `run` does."""
        self._refuse_forked(coroutine)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Awaits a coroutine in the loop, from whichever loop the caller runs in. Cancelling cancels it there.

        Raises RuntimeError in a child that was forked: the thread stayed behind, and nobody would ever run it.
        """
        caller = asyncio.get_running_loop()
        if caller is self._loop:
            return await coroutine
        self._refuse_forked(coroutine)
        answer: asyncio.Future[T] = caller.create_future()

        def tell(ended: Ended[T]) -> None:
            if not caller.is_closed():
                caller.call_soon_threadsafe(_settle, answer, ended)

        crossing = Crossing(coroutine, tell)
        self._loop.call_soon_threadsafe(crossing.begin)
        try:
            return await answer
        except asyncio.CancelledError:
            self.post(crossing.cancel)
            raise

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the loop while the calling thread waits for its result.

        A signal's handler may raise meanwhile: the coroutine is cancelled then. Raises RuntimeError as `run` does, and in the
        loop's own thread, where waiting for it would wait forever.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a blocking call cannot be made in the gRPC loop's own thread")
        self._refuse_forked(coroutine)
        answers: SimpleQueue[Ended[T]] = SimpleQueue()
        crossing = Crossing(coroutine, answers.put)
        try:
            self._loop.call_soon_threadsafe(crossing.begin)
            value, error = answers.get()
        except BaseException:
            # A KeyboardInterrupt in the waiting thread leaves nobody to want the answer.
            self.post(crossing.cancel)
            raise
        if error is not None:
            raise error
        return cast("T", value)

    def _refuse_forked(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        if os.getpid() != self._process:
            coroutine.close()
            raise RuntimeError(
                "this process was forked from one that used gRPC, which does not survive that: start it by "
                "multiprocessing.get_context('spawn')"
            )

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        # As asyncio.run does: what was cancelled gets to end, or the interpreter complains of destroyed tasks.
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    def _stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2)


def _settle(answer: asyncio.Future[T], ended: Ended[T]) -> None:
    if answer.done():
        return
    value, error = ended
    if error is None:
        answer.set_result(cast("T", value))
    elif isinstance(error, asyncio.CancelledError):
        answer.cancel()
    else:
        answer.set_exception(error)


_lock = threading.Lock()
_shared: GrpcLoop | None = None


def grpc_loop() -> GrpcLoop:
    """The process's one loop for grpc.aio objects; started at its first use."""
    global _shared  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _shared is None:
            _shared = GrpcLoop()
        return _shared


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to `host:port`. To be called, used and closed in the gRPC loop."""
    return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that authenticates a call."""
    return (("authorization", f"Bearer {token}"),)
