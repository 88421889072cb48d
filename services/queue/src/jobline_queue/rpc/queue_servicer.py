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
from jobline_queue.core.json_text import check_text
from jobline_queue.core.queue_history import QueueHistory
from jobline_queue.dispatch.active import ActiveTerm, QueueCore
from jobline_queue.dispatch.session import Session
from jobline_queue.rpc import convert
from jobline_queue.rpc.principal import current

#: What a worker that is told to drain may take for it.
DRAIN_SECONDS = 300.0
_CHORE_NAME = re.compile(r"[a-z0-9_-]{1,64}")
Context = Any


class QueueServicer(QueueServiceServicer):
    """See queue_service.proto for what each call promises."""

    def __init__(
        self,
        core: QueueCore,
        count: Callable[[str], Awaitable[QueueHistory]],
        grant_chore: Callable[[str, float, str], Awaitable[bool]],
    ) -> None:
        self._core = core
        self._count = count
        self._grant_chore = grant_chore

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Context) -> pb.ListQueuesResponse:
        active = self._core.active
        return pb.ListQueuesResponse(queues=[_queue(active, name) for name in sorted(active.dispatcher.queues)])

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:
        active = self._core.active
        queue = _queue(active, _known(active, request.queue))
        if request.with_history:
            queue.history.CopyFrom(_history(await self._count(request.queue)))
        return pb.GetQueueResponse(queue=queue)

    async def PauseQueue(self, request: pb.PauseQueueRequest, context: Context) -> pb.PauseQueueResponse:
        return pb.PauseQueueResponse(queue=await self._set_paused(request.queue, True, request.reason))

    async def ResumeQueue(self, request: pb.ResumeQueueRequest, context: Context) -> pb.ResumeQueueResponse:
        return pb.ResumeQueueResponse(queue=await self._set_paused(request.queue, False, ""))

    async def _set_paused(self, queue: str, paused: bool, reason: str) -> queue_pb2.Queue:
        active = self._core.active
        name = _known(active, queue)
        check_text("reason", reason, 255)
        # To its end, also when the caller is gone: cancelled half-way, the table might say paused and memory not.
        storing = asyncio.create_task(_store_paused(active, name, paused, reason))
        storing.add_done_callback(lambda task: task.cancelled() or task.exception())  # a caller that is gone reads none
        await asyncio.shield(storing)
        return _queue(active, name)

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

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:
        sessions = self._core.active.dispatcher.sessions.values()
        return pb.ListWorkersResponse(workers=[_worker(session) for session in sessions if session.attached])

    async def DrainWorker(self, request: pb.DrainWorkerRequest, context: Context) -> pb.DrainWorkerResponse:
        sessions = self._core.active.dispatcher.sessions.values()
        chosen = [each for each in sessions if each.attached and request.worker in (each.id, each.name)]
        if not chosen:
            raise NotFound("worker", request.worker)
        for session in chosen:
            session.push_drain(DRAIN_SECONDS, "operator")
        return pb.DrainWorkerResponse(workers=[_worker(session) for session in chosen])


async def _store_paused(active: ActiveTerm, name: str, paused: bool, reason: str) -> None:
    state = active.dispatcher.queue(name)
    async with state.switching:
        before = state.paused
        state.paused = before or paused  # a pause holds before its commit: nothing is claimed after it
        try:
            while paused and state.picked and not active.term.over.is_set():  # noqa: ASYNC110  # one commit's time
                await asyncio.sleep(0.005)
            await active.maintenance_store.pause_queue(name, paused, current.get().actor, reason)
            state.paused = paused
        except BaseException:
            state.paused = before
            raise
        finally:
            state.wake_scopes()
            active.claimer.wake()  # also after a pause that was not stored: jobs may have come due meanwhile


def _known(active: ActiveTerm, name: str) -> str:
    if name not in active.dispatcher.queues:
        raise NotFound("queue", name)
    return name


def _queue(active: ActiveTerm, name: str) -> queue_pb2.Queue:
    state = active.dispatcher.queue(name)
    first = state.order.first()
    age = active.term.clock.now() - first.run_at if first else None
    sessions = active.dispatcher.sessions.values()
    return queue_pb2.Queue(
        policy=convert.queue_policy(state.policy),
        paused=state.paused,
        stats=queue_pb2.QueueStats(
            ready=len(state.order),
            delayed=state.delayed,
            running=state.running,
            oldest_ready_age=convert.duration(max(age, 0.0)) if age is not None else None,
            free_capacity=sum(session.room(name) for session in sessions),
        ),
    )


def _history(row: QueueHistory) -> queue_pb2.QueueHistory:
    return queue_pb2.QueueHistory(
        succeeded=row.succeeded,
        failed=row.failed,
        cancelled=row.cancelled,
        failure_rate=100.0 * row.failed / row.total if row.total else 0.0,
        mean_run_time=convert.duration(row.mean_run_seconds),
        oldest_pending=convert.timestamp(row.oldest_pending),
    )


def _worker(session: Session) -> queue_pb2.WorkerInfo:
    return queue_pb2.WorkerInfo(
        session_id=session.id,
        name=session.name,
        queues=sorted(session.queues),
        kinds=sorted(session.kinds),
        capacity=sum(session.capacity.values()),
        running=session.holding,
        connected_at=convert.timestamp(session.connected_at),
        last_seen_at=convert.timestamp(session.last_seen_at),
        draining=session.draining,
    )
