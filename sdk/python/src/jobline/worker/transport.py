"""Keeps the session connected: one stream at a time, to one address after the other.

Runs in the gRPC loop's thread. Each stream has one reader and one writer, because grpc.aio allows no more, and a ticker
that goes on between streams, since leases lapse whether anybody is connected or not.

Reconnecting uses full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): a uniform wait
between 0 and a ceiling that doubles from 0.2 s to 30 s. While jobs are held the ceiling is a third of their lease, or
the leases would lapse while the worker sits and waits. A stream that lived for a while resets it. An address that
answers NOT_ACTIVE or DRAINING is left at once for the next, as long as there is one that has not been tried; and since
somebody is there who takes over within seconds, the ceiling is two seconds for the round that follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence

import grpc

from jobline import failpoints
from jobline.channel import bearer, open_channel
from jobline.errors import (
    InvalidField,
    JoblineError,
    NotActive,
    PermissionDenied,
    ProtocolViolation,
    Unauthenticated,
    from_rpc_error,
)
from jobline.v1 import work_service_pb2, work_service_pb2_grpc
from jobline.worker.session import Session

__all__ = ["Reconnect", "Transport"]

log = logging.getLogger(__name__)

#: Nothing gets better by asking again.
_FINAL = (Unauthenticated, PermissionDenied, InvalidField, ProtocolViolation)

_WELCOME_WITHIN = 10.0
_TICK = 0.1

_Call = grpc.aio.StreamStreamCall[work_service_pb2.WorkRequest, work_service_pb2.WorkResponse]


class Reconnect:
    """How long to wait before the next stream, in seconds, and which address to try."""

    BASE, CAP, CAP_WITH_STANDBY, HEALTHY_AFTER = 0.2, 30.0, 2.0, 10.0

    def __init__(self, addresses: Sequence[str]) -> None:
        if not addresses:
            raise ValueError("addresses: expected at least one host:port")
        self._addresses = tuple(addresses)
        self._index = 0
        self._failures = 0
        self._skipped = 0
        #: How many tries in a row found nobody; a round of them, and there is no standby either.
        self._silent = len(self._addresses)

    @property
    def address(self) -> str:
        return self._addresses[self._index]

    def after(self, lived: float, held_lease: float | None, *, inactive: bool) -> float:
        """The wait after a stream of `lived` seconds; goes on to the next address.

        `held_lease` is the shortest lease while jobs are held; `inactive` says that the address did answer, as a standby
        or stopping.
        """
        self._index = (self._index + 1) % len(self._addresses)
        if lived >= self.HEALTHY_AFTER:
            self._failures = self._skipped = 0
        self._silent = 0 if inactive else self._silent + 1
        if inactive and self._skipped < len(self._addresses) - 1:
            self._skipped += 1
            return 0.0
        self._skipped = 0
        cap = self.CAP if self._silent >= len(self._addresses) else self.CAP_WITH_STANDBY
        cap = cap if held_lease is None else min(cap, held_lease / 3)
        ceiling = min(cap, self.BASE * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return random.uniform(0, ceiling)


class Transport:
    """Runs the streams of one session until it is done. All methods are called in the gRPC loop."""

    def __init__(self, addresses: Sequence[str], token: str, session: Session) -> None:
        self._reconnect = Reconnect(addresses)
        self._metadata = bearer(token)
        self._session = session

    async def run(self) -> None:
        """Returns when the session is done. Raises JoblineError when the service will not have this worker."""
        ticker = asyncio.create_task(self._tick())
        try:
            while not self._session.done:
                await self._pause(await self._one_stream())
        finally:
            ticker.cancel()

    async def _one_stream(self) -> float:
        """One stream, from connect to end; the seconds to wait before the next."""
        address, started = self._reconnect.address, time.monotonic()
        session = self._session
        inactive = False
        try:
            await self._stream(address)
            inactive = session.moving
            log.info("the work stream to %s has ended", address)
        except (grpc.aio.AioRpcError, JoblineError) as raised:
            error = from_rpc_error(raised) if isinstance(raised, grpc.aio.AioRpcError) else raised
            if isinstance(error, _FINAL):
                raise error from raised
            inactive = isinstance(error, NotActive)
            log.warning("the work stream to %s broke: %s", address, error)
        finally:
            session.stream_ended()
        trust = session.shortest_trust() if session.leases else None
        return self._reconnect.after(time.monotonic() - started, trust, inactive=inactive)

    async def _stream(self, address: str) -> None:
        async with open_channel(address) as channel:
            call = work_service_pb2_grpc.WorkServiceStub(channel).Work(None, metadata=self._metadata)
            try:
                await call.write(self._session.hello())
                await self._read_welcome(call)
                log.info("session %s is connected to %s", self._session.id, address)
                await self._converse(call)
            finally:
                call.cancel()

    async def _read_welcome(self, call: _Call) -> None:
        try:
            async with asyncio.timeout(_WELCOME_WITHIN):
                response = await call.read()
        except TimeoutError as error:
            raise JoblineError(f"no Welcome within {_WELCOME_WITHIN:g} seconds") from error
        if not isinstance(response, work_service_pb2.WorkResponse) or not response.HasField("welcome"):
            raise JoblineError("the first message of the stream was not a Welcome")
        self._session.receive(response, time.monotonic())

    async def _converse(self, call: _Call) -> None:
        writer = asyncio.create_task(self._write(call))
        watcher = asyncio.create_task(self._watch(call))
        try:
            while isinstance(response := await call.read(), work_service_pb2.WorkResponse):
                self._session.receive(response, time.monotonic())
        except asyncio.CancelledError:
            if not watcher.done() or watcher.cancelled():
                raise
            raise JoblineError("the service does not answer heartbeats any more") from None
        finally:
            writer.cancel()
            watcher.cancel()

    async def _write(self, call: _Call) -> None:
        """The one writer. A broken stream is the reader's to notice."""
        session = self._session
        while not (session.done or session.may_move):
            session.work.clear()
            request = session.compose(time.monotonic())
            if request is None:
                await session.work.wait()
                continue
            try:
                await _reach("worker.before_outcome", request)
                await call.write(request)
                await _reach("worker.after_outcome", request)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return
        await call.done_writing()

    async def _watch(self, call: _Call) -> None:
        """Cuts a stream on which the service has stopped answering."""
        await self._session.deaf.wait()
        call.cancel()

    async def _tick(self) -> None:
        while True:
            self._session.tick(time.monotonic())
            await asyncio.sleep(_TICK)

    async def _pause(self, seconds: float) -> None:
        """Waits, but not for a session that has become done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._session.settled.wait()


async def _reach(point: str, request: work_service_pb2.WorkRequest) -> None:
    if failpoints.armed and request.HasField("outcomes"):
        await failpoints.reach(point)
