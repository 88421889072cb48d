"""The queues as server-sent events: `queues`, at the start and whenever something has happened, at most once a second."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Depends, Request
from sse_starlette import ServerSentEvent

from jobline_gateway.event_stream import RECONNECT, EventStream
from jobline_gateway.guard import token_expiry
from jobline_gateway.monitor.board import Board
from jobline_gateway.monitor.paths import API
from jobline_gateway.monitor.rights import require_staff

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[Depends(require_staff)])


@router.get(f"{API}/stream", response_class=EventStream)
async def watch_queues(request: Request) -> EventStream:
    return EventStream(_events(request.app.state.board), token_expiry(request))


async def _events(board: Board) -> AsyncGenerator[ServerSentEvent, None]:
    async with aclosing(board.pictures()) as pictures:
        async for text in pictures:
            yield ServerSentEvent(text, event="queues", retry=RECONNECT, sep="\n")
