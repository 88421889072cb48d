"""The gateway's way to the queue service.

One channel for each configured address. A call goes to the address that answered last and moves on to the next when
that one is away or a standby, so a fail-over costs the end user a moment, not an error. Only calls that may be
repeated are repeated: a refused connection says nothing was done, a connection that broke half-way does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from jobline.runtime import GRPC_OPTIONS
from jobline.v1.account_service_pb2 import Caller
from jobline.v1.account_service_pb2_grpc import AccountServiceStub
from jobline.v1.email_service_pb2_grpc import EmailServiceStub

__all__ = ["CallContext", "QueueClient", "QueueError", "QueueLink"]

Request = TypeVar("Request")
Response = TypeVar("Response")

#: Seconds for one call with all its tries, and for a single try when another address is left to ask.
CALL_DEADLINE = 10.0
TRY_DEADLINE = 4.0
#: Seconds to wait for a connection before a call that must not be repeated.
CONNECT_DEADLINE = 1.0
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
class QueueError(Exception):
    """A refused call: gRPC status, the contract's reason (empty when the service gave none), its metadata, and for
    INVALID_FIELD the pairs of field and description."""

    status: grpc.StatusCode
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.status.name}/{self.reason or 'no reason'}: {self.message}"


class QueueLink:
    """The channel to one address with the services that are called through it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = aio.insecure_channel(address, options=_OPTIONS)
        self.accounts = AccountServiceStub(self.channel)
        self.email = EmailServiceStub(self.channel)


class QueueClient:
    """Calls the queue services in `addresses`, tried in turn. Opened and closed by the application's lifespan."""

    def __init__(self, addresses: Sequence[str], token: str, *, deadline: float = CALL_DEADLINE) -> None:
        self._addresses = tuple(addresses)
        self._token = token
        self._deadline = deadline
        self._links: tuple[QueueLink, ...] = ()
        self._preferred = 0

    async def open(self) -> None:
        """Makes the channels; they connect when first used. Must run in the loop that makes the calls."""
        self._links = tuple(QueueLink(address) for address in self._addresses)

    async def close(self) -> None:
        """Ends the channels. Safe before `open` and twice."""
        links, self._links = self._links, ()
        await asyncio.gather(*(link.channel.close(grace=None) for link in links))

    async def call(
        self,
        method: Callable[[QueueLink], aio.UnaryUnaryMultiCallable[Request, Response]],
        request: Request,
        context: CallContext,
        *,
        repeatable: bool = True,
    ) -> Response:
        """Makes one call and returns its answer; raises QueueError.

        `repeatable` says that making the call twice is the same as making it once. A call that is not is made again
        only where the service surely did nothing.
        """
        expires = asyncio.get_running_loop().time() + self._deadline
        error = QueueError(grpc.StatusCode.UNAVAILABLE, message="no queue service")
        async for index in self._turns():
            remaining = expires - asyncio.get_running_loop().time()
            if remaining <= 0:
                break
            link = self._links[index]
            try:
                if not repeatable:
                    await _connected(link, min(remaining, CONNECT_DEADLINE))
                timeout = min(remaining, TRY_DEADLINE) if repeatable else remaining
                metadata = context.metadata(self._token)
                answer = await method(link)(request, timeout=timeout, metadata=metadata)
            except _NotConnected as away:
                error = QueueError(grpc.StatusCode.UNAVAILABLE, message=str(away))
            except aio.AioRpcError as refusal:
                error = _queue_error(refusal)
                if not _ask_elsewhere(error, repeatable):
                    raise error from None
            else:
                self._preferred = index
                return answer
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


class _NotConnected(Exception):
    """No connection within the time given; nothing was sent."""


async def _connected(link: QueueLink, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await link.channel.channel_ready()
    except TimeoutError:
        raise _NotConnected(f"no connection to {link.address} within {seconds:g} s") from None


def _ask_elsewhere(error: QueueError, repeatable: bool) -> bool:
    if error.reason == "NOT_ACTIVE":
        return True
    return repeatable and error.status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def _queue_error(refusal: aio.AioRpcError) -> QueueError:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    for detail in _details(refusal):
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    # Not cancelled by this side, which would know: gRPC's answer to a call that meets a server in the middle of its shutdown.
    cut_off = refusal.code() is grpc.StatusCode.CANCELLED and not info.reason
    return QueueError(
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
