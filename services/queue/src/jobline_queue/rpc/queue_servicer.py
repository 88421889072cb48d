"""QueueService: queues, pauses, cleanup, chores and workers, for operators."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from jobline.v1 import queue_pb2
from jobline.v1 import queue_service_pb2 as pb
from jobline.v1.queue_service_pb2_grpc import QueueServiceServicer
from jobline_queue.core.errors import NotFound, invalid
from jobline_queue.core.history import History
from jobline_queue.core.json_text import check_text
from jobline_queue.core.queue_history import QueueHistory
from jobline_queue.core.stored_queue import Pause
from jobline_queue.core.trends import Stretches, StretchOfQueue, trends
from jobline_queue.dispatch.active import ActiveTerm, QueueCore
from jobline_queue.rpc import convert, queue_message, trend_message
from jobline_queue.rpc.event_list import list_events
from jobline_queue.rpc.principal import current
from jobline_queue.rpc.queue_acts import store_limit, store_pause, to_its_end
from jobline_queue.rpc.rights import check_rules, check_sees_all

#: What a worker that is told to drain may take for it.
DRAIN_SECONDS = 300.0
MAX_LIMIT = 100_000
_CHORE_NAME = re.compile(r"[a-z0-9_-]{1,64}")
Context = Any
ReadTrends = Callable[[Stretches, str, float], Awaitable[list[StretchOfQueue]]]


class QueueServicer(QueueServiceServicer):
    """See queue_service.proto for what each call promises."""

    def __init__(
        self,
        core: QueueCore,
        count: Callable[[str], Awaitable[QueueHistory]],
        grant_chore: Callable[[str, float, str], Awaitable[bool]],
        read_trends: ReadTrends,
        events: History,
    ) -> None:
        self._core = core
        self._count = count
        self._grant_chore = grant_chore
        self._read_trends = read_trends
        self._events = events

    # ---- queues -----------------------------------------------------------------------------------------------------

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Context) -> pb.ListQueuesResponse:
        active = self._core.active
        return pb.ListQueuesResponse(
            queues=[queue_message.queue(active, name) for name in sorted(active.dispatcher.queues)]
        )

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:
        active = self._core.active
        queue = queue_message.queue(active, _known(active, request.queue))
        if request.with_history:
            queue.history.CopyFrom(queue_message.history(await self._count(request.queue)))
        return pb.GetQueueResponse(queue=queue)

    async def PauseQueue(self, request: pb.PauseQueueRequest, context: Context) -> pb.PauseQueueResponse:
        return pb.PauseQueueResponse(queue=await self._set_paused(request.queue, True, request.reason))

    async def ResumeQueue(self, request: pb.ResumeQueueRequest, context: Context) -> pb.ResumeQueueResponse:
        return pb.ResumeQueueResponse(queue=await self._set_paused(request.queue, False, ""))

    async def _set_paused(self, queue: str, paused: bool, reason: str) -> queue_pb2.Queue:
        check_rules(current.get())
        active = self._core.active
        name, actor = _known(active, queue), current.get().actor
        check_text("reason", reason, 255)
        pause = Pause(actor, active.term.clock.now(), reason) if paused else None
        await to_its_end(store_pause(active, name, pause, actor))
        return queue_message.queue(active, name)

    async def SetQueueLimit(self, request: pb.SetQueueLimitRequest, context: Context) -> pb.SetQueueLimitResponse:
        check_rules(current.get())
        active = self._core.active
        name = _known(active, request.queue)
        limit = request.max_running if request.HasField("max_running") else None
        if limit is not None and not 1 <= limit <= MAX_LIMIT:
            raise invalid("max_running", f"expected 1 to {MAX_LIMIT}, or none for the policy's")
        await to_its_end(store_limit(active, name, limit, current.get().actor))
        return pb.SetQueueLimitResponse(queue=queue_message.queue(active, name))

    async def GetTrends(self, request: pb.GetTrendsRequest, context: Context) -> pb.GetTrendsResponse:
        check_sees_all(current.get())
        active = self._core.active
        queue = _known(active, request.queue) if request.queue else ""
        over = trend_message.stretches(request, active.term.clock.now())
        stored, later = await active.minutes.whole(lambda settled: self._read_trends(over, queue, settled))
        shown = []
        for each in trends(over, stored, later, queue):
            shown.append(trend_message.trend(each, over))
            await asyncio.sleep(0)
        return pb.GetTrendsResponse(trends=[shown[-1], *shown[:-1]])

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        check_sees_all(current.get())
        return await list_events(self._events, request)

    # ---- cleanup ----------------------------------------------------------------------------------------------------

    async def PruneJobs(self, request: pb.PruneJobsRequest, context: Context) -> pb.PruneJobsResponse:
        active = self._core.active
        names = [_known(active, request.queue)] if request.queue else sorted(active.dispatcher.queues)
        return pb.PruneJobsResponse(removed=sum([await active.pruner.apply_retention(name) for name in names]))

    async def RunChore(self, request: pb.RunChoreRequest, context: Context) -> pb.RunChoreResponse:
        if not _CHORE_NAME.fullmatch(request.name):
            raise invalid("name", "expected 1-64 characters of a-z, 0-9, '_' and '-'")
        fire_time = convert.epoch("fire_time", request, "fire_time")
        if fire_time is None:
            raise invalid("fire_time", "expected a time")
        granted = await self._grant_chore(request.name, fire_time, current.get().actor)
        return pb.RunChoreResponse(granted=granted)

    # ---- workers ----------------------------------------------------------------------------------------------------

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:
        check_sees_all(current.get())
        dispatcher = self._core.active.dispatcher
        leases = queue_message.leases_by_session(dispatcher) if request.with_jobs else {}
        workers = []
        for session in [each for each in dispatcher.sessions.values() if each.attached]:
            worker = queue_message.worker(session)
            worker.jobs.extend(queue_message.held_jobs(leases.get(session.id, ())))
            workers.append(worker)
            await asyncio.sleep(0)
        return pb.ListWorkersResponse(workers=workers)

    async def DrainWorker(self, request: pb.DrainWorkerRequest, context: Context) -> pb.DrainWorkerResponse:
        check_rules(current.get())
        active = self._core.active
        sessions = active.dispatcher.sessions.values()
        chosen = [each for each in sessions if each.attached and request.worker in (each.id, each.name)]
        if not chosen:
            raise NotFound("worker", request.worker)
        for session in chosen:
            session.push_drain(DRAIN_SECONDS, "operator")
            await active.maintenance_store.note_event(
                "", "drained", current.get().actor, f"{session.name}, session {session.id}"
            )
        return pb.DrainWorkerResponse(workers=[queue_message.worker(session) for session in chosen])


def _known(active: ActiveTerm, name: str) -> str:
    if name not in active.dispatcher.queues:
        raise NotFound("queue", name)
    return name
