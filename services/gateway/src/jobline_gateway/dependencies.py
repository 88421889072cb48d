"""What routes are given: the ways to the services, and on whose behalf they go them.

All are coroutines, though they wait for nothing: the framework runs plain functions in threads.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from jobline_gateway.guard import call_context
from jobline_gateway.live.hub import Hub
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext
from jobline_gateway.worker_client import WorkerClient

__all__ = ["ContextOf", "HubOf", "QueueOf", "WorkerOf"]


async def _queue(request: Request) -> QueueClient:
    queue: QueueClient = request.app.state.queue
    return queue


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def _worker(request: Request) -> WorkerClient:
    worker: WorkerClient = request.app.state.worker
    return worker


async def _context(request: Request) -> CallContext:
    return call_context(request)


QueueOf = Annotated[QueueClient, Depends(_queue)]
HubOf = Annotated[Hub, Depends(_hub)]
WorkerOf = Annotated[WorkerClient, Depends(_worker)]
ContextOf = Annotated[CallContext, Depends(_context)]
