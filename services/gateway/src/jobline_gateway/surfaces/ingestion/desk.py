"""One request's way to the projects of the user who makes it.

The checks come in one order: the right, the input, the project or the job. The queue service makes the first and the
last in one call; so only where the input is bad, the right is asked for on its own before the input is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import grpc
from fastapi import Depends
from grpc import aio

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_gateway.auth import is_text
from jobline_gateway.dependencies import ContextOf, QueueOf
from jobline_gateway.problems import Problem
from jobline_gateway.queue_client import QueueClient, QueueLink
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.surfaces.ingestion.schemas import MAX_ID

__all__ = ["Desk", "DeskOf"]

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Desk:
    """Calls IngestionService for one user. Where the user lacks the right, that is Problem 403."""

    def __init__(self, queue: QueueClient, context: CallContext) -> None:
        self._queue = queue
        self._context = context

    async def call(
        self,
        method: Callable[[QueueLink], aio.UnaryUnaryMultiCallable[Asked, Answer]],
        request: Asked,
        *,
        repeatable: bool = True,
    ) -> Answer:
        """Makes one call; see ServiceClient.call. Raises Problem or ServiceError."""
        try:
            return await self._queue.call(method, request, self._context, repeatable=repeatable)
        except ServiceError as error:
            raise _refusal(error) from error

    async def upload(
        self,
        method: Callable[[QueueLink], aio.StreamUnaryMultiCallable[Asked, Answer]],
        messages: Callable[[], Iterator[Asked]],
    ) -> Answer:
        """Makes one call of several messages; see ServiceClient.upload. Raises as `call`."""
        try:
            return await self._queue.upload(method, messages, self._context)
        except ServiceError as error:
            raise _refusal(error) from error

    async def require(self, project_id: str) -> None:
        """Returns when there is such a project and the user may use it; raises as `call`."""
        if not project_id or not is_text(project_id, MAX_ID):
            # No project has such an id, and not every one of them can be asked for.
            raise ServiceError(grpc.StatusCode.NOT_FOUND, "PROJECT_NOT_FOUND")
        await self.call(lambda link: link.ingestion.GetProject, pb.GetProjectRequest(id=project_id))

    @asynccontextmanager
    async def reading_input(self, project_id: str) -> AsyncIterator[None]:
        """For the block that reads the rest of a request about a project: a refusal of it waits until it is known that the
        project is not another user's."""
        try:
            yield
        except Problem:
            await self._let_in(project_id)
            raise

    async def _let_in(self, project_id: str) -> None:
        try:
            await self.require(project_id)
        except ServiceError as error:
            if error.reason != "PROJECT_NOT_FOUND":
                raise


def _refusal(error: ServiceError) -> Exception:
    return Problem(403) if error.reason == "FORBIDDEN" else error


async def _desk(queue: QueueOf, context: ContextOf) -> Desk:
    return Desk(queue, context)


DeskOf = Annotated[Desk, Depends(_desk)]
