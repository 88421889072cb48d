"""What routes are given: the way to the queue service, and on whose behalf they go it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from jobline_gateway.guard import call_context
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext

__all__ = ["ContextOf", "QueueOf"]


def _queue(request: Request) -> QueueClient:
    queue: QueueClient = request.app.state.queue
    return queue


QueueOf = Annotated[QueueClient, Depends(_queue)]
ContextOf = Annotated[CallContext, Depends(call_context)]
