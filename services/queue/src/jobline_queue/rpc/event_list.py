"""ListEvents: the history of acts, page by page."""

from __future__ import annotations

from jobline.v1 import queue_service_pb2 as pb
from jobline_queue.core.errors import invalid
from jobline_queue.core.history import EventFilter, History
from jobline_queue.core.json_text import check_text
from jobline_queue.core.new_job import MAX_OWNER
from jobline_queue.rpc import job_message, page_token

_NEWEST_FIRST = 0


async def list_events(history: History, request: pb.ListEventsRequest) -> pb.ListEventsResponse:
    """Raises InvalidField or TooBroad."""
    size = request.page_size or 50
    if not 1 <= size <= 500:
        raise invalid("page_size", "expected 1 to 500")
    where = EventFilter(
        check_text("queue", request.queue, 64),
        check_text("actor", request.actor, MAX_OWNER),
        check_text("name", request.name, 64),
        request.with_system,
    )
    below = page_token.decode(request.page_token, _NEWEST_FIRST).seq if request.page_token else None
    rows = await history.page(where, below, size + 1)
    more, last = len(rows) > size, rows[:size][-1:]
    token = page_token.encode(_NEWEST_FIRST, page_token.Place(0, last[0]["at"], last[0]["id"])) if more else ""
    return pb.ListEventsResponse(events=map(job_message.event, rows[:size]), next_page_token=token)
