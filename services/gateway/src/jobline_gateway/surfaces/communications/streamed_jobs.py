"""Jobs that are written while they arrive: an answer of any length takes the memory of one batch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import ClassVar, Self

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.surfaces.communications import convert

__all__ = ["Batches", "JobArray", "StreamedJobs"]

Batches = AsyncGenerator[Sequence[pb.Message], None]


class StreamedJobs(StreamingResponse):
    """The jobs of a call that streams them. Ends the call when the client hangs up."""

    extra_headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, batches: Batches, first: Sequence[pb.Message]) -> None:
        arriving = _chained(first, batches)
        text = self.written(arriving)
        self._open: tuple[AsyncGenerator[object, None], ...] = (batches, arriving, text)
        super().__init__(text, headers=self.extra_headers)

    @classmethod
    async def begun(cls, batches: Batches) -> Self:
        """Waits for the first batch: so long a refusal can still be an answer."""
        # No tuple: CPython 3.11 answers SystemError where an empty generator meets an empty tuple as the default.
        return cls(batches, await anext(batches, []))

    @staticmethod
    def written(batches: Batches) -> AsyncGenerator[str, None]:
        """The text of the answer, a part for each batch."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            for generator in self._open:
                await stack.enter_async_context(aclosing(generator))
            await super().__call__(scope, receive, send)


async def _chained(first: Sequence[pb.Message], rest: Batches) -> Batches:
    yield first
    async for batch in rest:
        yield batch


class JobArray(StreamedJobs):
    """A bare JSON array of job objects."""

    media_type = "application/json"

    @staticmethod
    async def written(batches: Batches) -> AsyncGenerator[str, None]:
        yield "["
        before = ""
        async for batch in batches:
            if batch:
                yield before + ",".join(map(_object, batch))
                before = ","
        yield "]"


def _object(message: pb.Message) -> str:
    return convert.job(message).model_dump_json(by_alias=True, exclude_none=True)
