"""What routes are given: the ways to the services, and on whose behalf they go them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from jobline_gateway.guard import call_context
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext
from jobline_gateway.worker_client import WorkerClient

__all__ = ["ContextOf", "QueueOf", "WorkerOf"]


def _queue(request: Request) -> QueueClient:
    queue: QueueClient = request.app.state.queue
    return queue


def _worker(request: Request) -> WorkerClient:
    worker: WorkerClient = request.app.state.worker
    return worker


QueueOf = Annotated[QueueClient, Depends(_queue)]
WorkerOf = Annotated[WorkerClient, Depends(_worker)]
ContextOf = Annotated[CallContext, Depends(call_context)]
