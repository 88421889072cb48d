"""One call: which address, how long, and whether it may be made again.

A call that was refused by a standby, or by a service that is stopping, did nothing and goes to the next address whatever
it is. Any other failure to answer leaves open whether the call had an effect, so only calls whose repetition changes
nothing are made again. All tries and waits of a call together keep its deadline.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

import grpc
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from jobline.channel import bearer, grpc_loop, open_channel
from jobline.errors import DeadlineExceeded, JoblineError, NotActive, Unavailable, from_rpc_error

__all__ = ["DEFAULT_DEADLINE", "Calls"]

Response = TypeVar("Response")

#: The method of a channel's stub that makes the call.
_Method: TypeAlias = Callable[[grpc.aio.Channel], Callable[..., Awaitable[Response]]]

#: Seconds for one call, its repetitions included.
DEFAULT_DEADLINE = 10.0

#: The shortest share of the deadline that one try of several gets.
_SHORTEST_TRY = 1.0


class Calls:
    """Makes unary calls and opens streams, on channels of its own, in the gRPC loop."""

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        if not addresses:
            raise ValueError("addresses: expected at least one host:port")
        self.metadata = bearer(token)
        self._addresses = tuple(addresses)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._index = 0
        self._loop = grpc_loop()

    async def unary(
        self,
        call: _Method[Response],
        request: object,
        *,
        idempotent: bool,
        deadline: float,
    ) -> Response:
        """The response of `call(channel)(request)`. Raises JoblineError."""
        return await self._loop.run(self._unary(call, request, idempotent, deadline))

    async def close(self) -> None:
        await self._loop.run(self._close())

    def channel(self) -> grpc.aio.Channel:
        """The channel to the present address. To be called in the gRPC loop."""
        address = self._addresses[self._index]
        if address not in self._channels:
            self._channels[address] = open_channel(address)
        return self._channels[address]

    def next_address(self) -> None:
        self._index = (self._index + 1) % len(self._addresses)

    async def _unary(
        self,
        call: _Method[Response],
        request: object,
        idempotent: bool,
        deadline: float,
    ) -> Response:
        ends_at = time.monotonic() + deadline
        share = max(_SHORTEST_TRY, deadline / min(len(self._addresses), 3)) if idempotent else deadline
        try:
            return await self._once(call, request, min(share, deadline))
        except JoblineError as error:
            # Nearly every call ends here or above. Only one that failed pays for what repeats it (0.15 ms).
            if not _worth_another_try(error, idempotent):
                raise
            failure = error
        return await self._again(call, request, idempotent, ends_at, share, failure)

    async def _again(
        self,
        call: _Method[Response],
        request: object,
        idempotent: bool,
        ends_at: float,
        share: float,
        failure: JoblineError,
    ) -> Response:
        """Makes a call again that failed with `failure`, until it ends otherwise or its deadline is near."""
        made = [failure]

        async def attempt() -> Response:
            if made:  # the first try
                raise made.pop()
            left = max(0.001, ends_at - time.monotonic())
            return await self._once(call, request, min(share, left))

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: _worth_another_try(error, idempotent)),
            wait=self._wait,
            # The wait counts: a try that could only begin after the deadline is not made.
            stop=lambda state: time.monotonic() + state.upcoming_sleep >= ends_at,
            reraise=True,
        )
        return await retrying(attempt)

    async def _once(self, call: _Method[Response], request: object, seconds: float) -> Response:
        try:
            return await call(self.channel())(request, timeout=seconds, metadata=self.metadata)
        except grpc.aio.AioRpcError as raised:
            error = from_rpc_error(raised)
            if isinstance(error, Unavailable | DeadlineExceeded):
                self.next_address()
            raise error from raised

    def _wait(self, state: RetryCallState) -> float:
        """None before an address that has not been tried, then full jitter from 0.1 s to 2 s, and on top of what the service
        asked for: everybody was asked for the same."""
        if state.attempt_number < len(self._addresses):
            return 0.0
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after if isinstance(error, JoblineError) else 0.0
        return asked + float(_JITTER(state))

    async def _close(self) -> None:
        for channel in self._channels.values():
            await channel.close(grace=None)
        self._channels.clear()


_JITTER = wait_random_exponential(multiplier=0.1, max=2.0)


def _worth_another_try(error: BaseException, idempotent: bool) -> bool:
    if isinstance(error, NotActive):
        return True
    return idempotent and isinstance(error, JoblineError) and isinstance(error, Unavailable | DeadlineExceeded)
