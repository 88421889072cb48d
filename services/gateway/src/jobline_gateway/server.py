"""The HTTP server around the application: its socket, its limits, its signals.

uvicorn serves; four things it leaves open are closed here. A connection that has not sent a whole request head in
time is dropped (a slow-loris client holds sockets that way), and so is one that does not read its answer; SIGTERM ends
the process with success once running requests are answered; and the address is known before the service says that it
is ready.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from jobline.runtime import SettingsError

__all__ = ["allow_open_files", "listen", "serve"]

logger = logging.getLogger(__name__)

#: Bytes of one request head, large enough that an absurd token is still answered 401.
MAX_HEAD_BYTES = 128 * 1024
#: Seconds for a request head to arrive, from the connection's or the head's first sign of life.
HEAD_DEADLINE = 10.0
#: Seconds for a client to read what was written to it before more is written, and for its machine to confirm anything of it.
READ_DEADLINE = 120.0
CONFIRM_DEADLINE = 60.0
#: Seconds without a byte read that the shutdown waits for a client.
STALL_DEADLINE = 2.0
#: Longer than the idle time of usual clients and proxies, so that they close first and no request meets a reset.
KEEP_ALIVE_SECONDS = 75
#: Connections and requests at once: ten thousand streams of events, and far more clients that poll than ask at once.
MAX_CONCURRENCY = 16_384
SHUTDOWN_SECONDS = 20
BACKLOG = 2048


class _DeadlineProtocol(H11Protocol):
    """HTTP/1.1 with a deadline for request heads, and for answers to be read."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._stop_read_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        # Not `close`, which waits until everything is read.
        self._read_timer = self.loop.call_later(READ_DEADLINE, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_read_timer()
        super().resume_writing()

    def _watch_head(self) -> None:
        """Runs the timer exactly while a head is awaited; more bytes of the same head do not restart it."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_DEADLINE, self.transport.close)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None


class _Server(uvicorn.Server):
    """uvicorn that ends quietly on SIGTERM and SIGINT; its own version re-raises the signal after the shutdown, and waits
    for clients that do not read."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handled = (signal.SIGTERM, signal.SIGINT)
        for number in handled:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            logger.info("ready, listening on http://%s", _address(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        dropping = asyncio.create_task(self._drop_who_does_not_read())
        try:
            await super().shutdown(sockets=sockets)
        finally:
            dropping.cancel()

    async def _drop_who_does_not_read(self) -> None:
        while True:
            before = self._unread()
            await asyncio.sleep(STALL_DEADLINE)
            for transport, size in self._unread().items():
                if before.get(transport) == size:
                    transport.abort()

    def _unread(self) -> dict[asyncio.Transport, int]:
        """The connections that hold something which their clients have not read, and how many bytes."""
        transports = [connection.transport for connection in self.server_state.connections]
        return {each: size for each in transports if (size := each.get_write_buffer_size())}


def allow_open_files() -> None:
    """As many as this process may have: each stream of events is one, and the usual limit of 1024 would be theirs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONCURRENCY
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises SettingsError when the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"JOBLINE_HOST, JOBLINE_GATEWAY_PORT: cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    # Accepted sockets inherit it. Without it the body of each answer waits 40 ms for the client's delayed ACK of the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Else a client whose machine is gone, or that does not read the rest of an answer which is over, is kept for long.
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(CONFIRM_DEADLINE * 1000))
    return listener


async def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serves `app` on `listener` until SIGTERM or SIGINT; running requests get SHUTDOWN_SECONDS to end."""
    options: dict[str, Any] = {
        "http": _DeadlineProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "limit_concurrency": MAX_CONCURRENCY,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
    }
    await _Server(uvicorn.Config(app, **options)).serve(sockets=[listener])


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
