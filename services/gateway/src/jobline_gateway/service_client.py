"""How the gateway calls a gRPC service that has several addresses.

One channel for each configured address. A call goes to the address that answered last and moves on to the next when
that one is away or a standby, so a fail-over costs the end user a moment, not an error. Only calls that may be
repeated are repeated: a refused connection says nothing was done, a connection that broke half-way does not.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from jobline.runtime import GRPC_OPTIONS
from jobline.server_calls import ACCEPTED_KEY
from jobline.v1.account_service_pb2 import Caller

__all__ = ["CALL_DEADLINE", "CallContext", "Link", "ServiceClient", "ServiceError", "open_channel"]

Request = TypeVar("Request")
Response = TypeVar("Response")
T = TypeVar("T")

#: Seconds for one call with all its tries, and for a single try when another address is left to ask.
CALL_DEADLINE = 10.0
TRY_DEADLINE = 4.0
#: Seconds to wait for a connection before a call that must not be repeated.
CONNECT_DEADLINE = 1.0
#: Seconds for one try of an upload: megabytes are stored before it is answered.
UPLOAD_DEADLINE = 60.0
#: Seconds for a whole stream: a client that reads slowly must not hold a call for ever.
STREAM_DEADLINE = 600.0
#: How often all addresses are tried, and the pause in seconds in between: long enough for a standby to take a call
#: that came in the middle of a hand-over, short enough that a dead service is reported at once.
ROUNDS = 2
ROUND_PAUSE = 0.2

_OPTIONS: list[tuple[str, int]] = [
    *((name, value) for name, value in GRPC_OPTIONS if name != "grpc.max_receive_message_length"),
    # A list answer has no page limit in the contract of the surfaces; what we send stays capped.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # gRPC backs off for up to two minutes by default: far too long after a restart of the queue service.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Tries are counted here and nowhere else, and internal addresses never go through a proxy.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
]


@dataclass(frozen=True)
class CallContext:
    """On whose behalf a call is made (`None`: the gateway's own), and the id that ties the logs together."""

    caller: Caller | None
    correlation_id: str

    def metadata(self, token: str) -> tuple[tuple[str, str | bytes], ...]:
        pairs: list[tuple[str, str | bytes]] = [
            ("authorization", f"Bearer {token}"),
            ("x-request-id", self.correlation_id),
        ]
        if self.caller is not None:
            pairs.append(("jobline-caller-bin", self.caller.SerializeToString()))
        return tuple(pairs)


@dataclass(eq=False)
class ServiceError(Exception):
    """A refused call: gRPC status, the contract's reason (empty when the service gave none), its metadata, and for
    INVALID_FIELD the pairs of field and description."""

    status: grpc.StatusCode
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.status.name}/{self.reason or 'no reason'}: {self.message}"


def open_channel(address: str) -> aio.Channel:
    """A channel to `host:port`; it connects when first used. Must be called in the loop that makes the calls."""
    return aio.insecure_channel(address, options=_OPTIONS)


class Link(Protocol):
    """One address: its channel. An implementation adds the stubs of the services that are called through it."""

    address: str
    channel: aio.Channel


LinkT = TypeVar("LinkT", bound=Link)


class ServiceClient(Generic[LinkT]):
    """Calls the service `name` at `addresses`, tried in turn. Opened and closed by the application's lifespan.

    `deadline` is in seconds and holds for one call with all its tries, unless the call has its own; `math.inf` waits as
    long as it takes.
    """

    def __init__(
        self,
        name: str,
        link: Callable[[str], LinkT],
        addresses: Sequence[str],
        token: str,
        *,
        deadline: float = CALL_DEADLINE,
    ) -> None:
        self._name = name
        self._link = link
        self._addresses = tuple(addresses)
        self._token = token
        self._deadline = deadline
        self._links: tuple[LinkT, ...] = ()
        self._preferred = 0

    async def open(self) -> None:
        """Makes the channels. Must run in the loop that makes the calls."""
        self._links = tuple(self._link(address) for address in self._addresses)

    async def close(self) -> None:
        """Ends the channels. Safe before `open` and twice."""
        links, self._links = self._links, ()
        await asyncio.gather(*(link.channel.close(grace=None) for link in links))

    async def call(
        self,
        method: Callable[[LinkT], aio.UnaryUnaryMultiCallable[Request, Response]],
        request: Request,
        context: CallContext,
        *,
        repeatable: bool = True,
        deadline: float | None = None,
        try_deadline: float = TRY_DEADLINE,
    ) -> Response:
        """Makes one call and returns its answer; raises ServiceError.

        `repeatable` says that making the call twice is the same as making it once. A call that is not is made again
        only where the service surely did nothing. `deadline` takes the place of the client's; `try_deadline` is for each
        try of a repeatable call.
        """
        metadata = context.metadata(self._token)

        async def attempt(link: LinkT, seconds: float) -> Response:
            timeout = None if math.isinf(seconds) else seconds
            return await method(link)(request, timeout=timeout, metadata=metadata)

        within = self._deadline if deadline is None else deadline
        return await self._try_each(attempt, repeatable, within, try_deadline)

    async def stream(
        self,
        method: Callable[[LinkT], aio.UnaryStreamMultiCallable[Request, Response]],
        request: Request,
        context: CallContext,
        *,
        repeatable: bool = True,
        try_deadline: float = TRY_DEADLINE,
    ) -> AsyncGenerator[Response, None]:
        """The messages of a call; raises ServiceError.

        Until the first message has come it is repeated like any other call, if it is `repeatable`, with `try_deadline` for
        each try; then never. Closing the generator ends the call.
        """
        metadata = context.metadata(self._token)

        async def attempt(link: LinkT, seconds: float) -> _Opened[Request, Response]:
            call = method(link)(request, timeout=STREAM_DEADLINE, metadata=metadata)
            messages = aiter(call)
            try:
                async with asyncio.timeout(seconds):
                    return _Opened(call, await anext(messages, None), messages)
            except TimeoutError:
                call.cancel()
                raise ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, message="no first message in time") from None

        opened = await self._try_each(attempt, repeatable, self._deadline, try_deadline)
        try:
            if opened.first is not None:
                yield opened.first
                async for message in opened.rest:
                    yield message
        except aio.AioRpcError as refusal:
            raise _service_error(refusal) from None
        finally:
            opened.call.cancel()

    async def follow(
        self,
        method: Callable[[LinkT], aio.UnaryStreamMultiCallable[Request, Response]],
        request: Request,
        context: CallContext,
    ) -> AsyncGenerator[Response, None]:
        """The messages of a call that may be silent for long and goes on until one side ends it; raises ServiceError.

        Until a service has granted it, which it says in its initial metadata, the call is repeated like any other.
        """
        metadata = context.metadata(self._token)

        async def attempt(link: LinkT, seconds: float) -> aio.UnaryStreamCall[Request, Response]:
            call = method(link)(request, metadata=metadata)
            try:
                async with asyncio.timeout(seconds):
                    await _granted(call)
            except TimeoutError:
                call.cancel()
                raise ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, message="not granted in time") from None
            except BaseException:
                call.cancel()
                raise
            return call

        call = await self._try_each(attempt, True, self._deadline)
        try:
            async for message in call:
                yield message
        except aio.AioRpcError as refusal:
            raise _service_error(refusal) from None
        finally:
            call.cancel()

    async def upload(
        self,
        method: Callable[[LinkT], aio.StreamUnaryMultiCallable[Request, Response]],
        messages: Callable[[], Iterator[Request]],
        context: CallContext,
    ) -> Response:
        """Makes one call that is sent in several messages; raises ServiceError.

        `messages` gives them from the first one on, again for each try: sending them twice must be the same as once.
        """
        metadata = context.metadata(self._token)

        async def attempt(link: LinkT, seconds: float) -> Response:
            return await method(link)(messages(), timeout=UPLOAD_DEADLINE, metadata=metadata)

        return await self._try_each(attempt, True, self._deadline)

    async def _try_each(
        self,
        attempt: Callable[[LinkT, float], Awaitable[T]],
        repeatable: bool,
        deadline: float,
        try_deadline: float = TRY_DEADLINE,
    ) -> T:
        """The result of the first attempt that succeeds. `attempt` gets the seconds that it may take."""
        expires = asyncio.get_running_loop().time() + deadline
        error = ServiceError(grpc.StatusCode.UNAVAILABLE, message=f"no {self._name} service")
        async for index in self._turns():
            remaining = expires - asyncio.get_running_loop().time()
            if remaining <= 0:
                break
            link = self._links[index]
            try:
                if not repeatable:
                    await _connected(link, min(remaining, CONNECT_DEADLINE))
                result = await attempt(link, min(remaining, try_deadline) if repeatable else remaining)
            except _NotConnected as away:
                error = ServiceError(grpc.StatusCode.UNAVAILABLE, message=str(away))
            except (aio.AioRpcError, ServiceError) as refusal:
                error = refusal if isinstance(refusal, ServiceError) else _service_error(refusal)
                if not _ask_elsewhere(error, repeatable):
                    raise error from None
            else:
                self._preferred = index
                return result
        raise error

    async def _turns(self) -> AsyncIterator[int]:
        for round_number in range(ROUNDS):
            if round_number:
                await asyncio.sleep(ROUND_PAUSE)
            for index in self._in_order():
                yield index

    def _in_order(self) -> Iterator[int]:
        count = len(self._links)
        first = self._preferred
        return ((first + step) % count for step in range(count))


@dataclass(frozen=True)
class _Opened(Generic[Request, Response]):
    """A stream that has answered; `first` is None when it was empty."""

    call: aio.UnaryStreamCall[Request, Response]
    first: Response | None
    rest: AsyncIterator[Response]


class _NotConnected(Exception):
    """No connection within the time given; nothing was sent."""


async def _connected(link: Link, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await link.channel.channel_ready()
    except TimeoutError:
        raise _NotConnected(f"no connection to {link.address} within {seconds:g} s") from None


async def _granted(call: aio.UnaryStreamCall[Request, Response]) -> None:
    """Returns once the service has granted the call; raises what it was refused with."""
    if ACCEPTED_KEY not in (await call.initial_metadata() or ()):
        await call.read()
        raise ServiceError(grpc.StatusCode.INTERNAL, message="the service neither granted nor refused the call")


def _ask_elsewhere(error: ServiceError, repeatable: bool) -> bool:
    if error.reason == "NOT_ACTIVE":
        return True
    return repeatable and error.status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


#: gRPC's own words for a call that ended while it was still sending messages.
_BROKE_OFF = "Internal error from Core"


def _service_error(refusal: aio.AioRpcError) -> ServiceError:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    for detail in _details(refusal):
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    # Not cancelled by this side, which would know: gRPC's answer to a call that meets a server in the middle of its shutdown.
    cut_off = not info.reason and (refusal.code() is grpc.StatusCode.CANCELLED or refusal.details() == _BROKE_OFF)
    return ServiceError(
        status=grpc.StatusCode.UNAVAILABLE if cut_off else refusal.code(),
        reason=info.reason if info.domain == "jobline" else "",
        message=refusal.details() or "",
        metadata=dict(info.metadata),
        fields=tuple((violation.field, violation.description) for violation in bad.field_violations),
    )


def _details(refusal: aio.AioRpcError) -> Iterable[Any]:
    try:
        status = rpc_status.from_call(cast(grpc.Call, refusal))
    except ValueError:
        # The trailer contradicts the status of the call: something between us and the service wrote one of them.
        return ()
    return status.details if status is not None else ()
