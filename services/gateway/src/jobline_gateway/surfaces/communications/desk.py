"""One request's way to the communications of the business in its path.

The checks come in one order: the business, the right, the input, the job. The queue service makes all but the third
in one call; so only where the input is bad, the first two are asked for on their own before the input is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request
from grpc import aio

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.guard import call_context
from jobline_gateway.problems import Problem
from jobline_gateway.queue_client import QueueClient, QueueLink
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.surfaces.communications.streamed_jobs import Batches

__all__ = ["Desk", "DeskOf"]

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Batch = TypeVar("Batch", pb.ExportMessagesResponse, pb.ListCommunicationMessagesResponse)


class Desk:
    """Calls CommunicationService for one user about one business; `business_id` is as the path has it."""

    def __init__(self, queue: QueueClient, context: CallContext, business_id: str) -> None:
        self._queue = queue
        self._context = context
        self.business_id = business_id

    async def call(
        self,
        method: Callable[[QueueLink], aio.UnaryUnaryMultiCallable[Asked, Answer]],
        request: Asked,
        *,
        job_id: str = "",
        repeatable: bool = True,
        deadline: float | None = None,
    ) -> Answer:
        """Makes one call; see ServiceClient.call. Raises Problem in this surface's words, or ServiceError."""
        try:
            return await self._queue.call(method, request, self._context, repeatable=repeatable, deadline=deadline)
        except ServiceError as error:
            raise self._refusal(error, job_id) from error

    async def stream(
        self, method: Callable[[QueueLink], aio.UnaryStreamMultiCallable[Asked, Batch]], request: Asked
    ) -> Batches:
        """The jobs of a call that streams them; raises as `call`."""
        batches = self._queue.stream(method, request, self._context)
        try:
            async for batch in batches:
                yield batch.messages
        except ServiceError as error:
            raise self._refusal(error) from error
        finally:
            await batches.aclose()

    async def require(self, action: pb.Action.ValueType) -> None:
        """Returns when the business exists and the user has the right; raises as `call`."""
        request = pb.AuthorizeRequest(business_id=self.business_id, action=action)
        await self.call(lambda link: link.communications.Authorize, request)

    @asynccontextmanager
    async def reading_input(self, action: pb.Action.ValueType) -> AsyncIterator[None]:
        """For the block that reads the input of a request that needs the right `action`: a refusal of the input waits
        until business and right were checked."""
        try:
            yield
        except Problem:
            await self.require(action)
            raise

    def _refusal(self, error: ServiceError, job_id: str = "") -> Exception:
        match error.reason:
            case "BUSINESS_NOT_FOUND":
                return Problem(404, f"Business {self.business_id} not found")
            case "FORBIDDEN":
                return Problem(403)
            case "JOB_NOT_FOUND":
                return Problem(404, f"Job {job_id} not found")
        return error


async def _desk(request: Request, business_id: Annotated[str, Path(alias="businessId")]) -> Desk:
    return Desk(request.app.state.queue, call_context(request), business_id)


DeskOf = Annotated[Desk, Depends(_desk)]
