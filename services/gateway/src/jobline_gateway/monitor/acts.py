"""The routes that change something: one act of one admin each, which the queue service writes into its history."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from jobline.v1 import job_service_pb2 as jobs_pb
from jobline.v1 import queue_service_pb2 as queues_pb
from jobline_gateway.dependencies import ContextOf, QueueOf
from jobline_gateway.monitor import bulk, job_json, queue_json, schemas
from jobline_gateway.monitor.job_id import checked_id, unknown_where_malformed
from jobline_gateway.monitor.paths import API
from jobline_gateway.monitor.queries import BulkAct, Reason, body_of, new_limit_of
from jobline_gateway.monitor.rights import require_admin
from jobline_gateway.problems import Problem

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[Depends(require_admin)])


@router.post(f"{API}/jobs/bulk")
async def act_on_many(request: Request, queue: QueueOf, context: ContextOf) -> Response:
    wanted = await body_of(request, BulkAct)
    if not wanted.dry_run and wanted.expected_count is None:
        raise Problem(400, "expectedCount must be given")
    return await bulk.answer(wanted, queue, context)


@router.post(f"{API}/jobs/{{id}}/retry")
async def retry(id: str, queue: QueueOf, context: ContextOf) -> schemas.JobActed:
    wanted = jobs_pb.RetryJobRequest(id=checked_id(id))
    async with unknown_where_malformed():
        found = await queue.call(lambda link: link.jobs.RetryJob, wanted, context, repeatable=False)
    return schemas.JobActed(job=job_json.job(found.job))


@router.post(f"{API}/jobs/{{id}}/cancel")
async def cancel(id: str, request: Request, queue: QueueOf, context: ContextOf) -> schemas.JobActed:
    given = await body_of(request, Reason, required=False)
    wanted = jobs_pb.CancelJobRequest(id=checked_id(id), reason=given.reason or "")
    async with unknown_where_malformed():
        found = await queue.call(lambda link: link.jobs.CancelJob, wanted, context, repeatable=False)
    return schemas.JobActed(job=job_json.job(found.job))


@router.post(f"{API}/queues/{{name}}/pause")
async def pause(name: str, request: Request, queue: QueueOf, context: ContextOf) -> schemas.QueueActed:
    given = await body_of(request, Reason, required=False)
    wanted = queues_pb.PauseQueueRequest(queue=name, reason=given.reason or "")
    found = await queue.call(lambda link: link.queues.PauseQueue, wanted, context)
    return schemas.QueueActed(queue=queue_json.queue(found.queue))


@router.post(f"{API}/queues/{{name}}/resume")
async def resume(name: str, queue: QueueOf, context: ContextOf) -> schemas.QueueActed:
    wanted = queues_pb.ResumeQueueRequest(queue=name)
    found = await queue.call(lambda link: link.queues.ResumeQueue, wanted, context)
    return schemas.QueueActed(queue=queue_json.queue(found.queue))


@router.post(f"{API}/queues/{{name}}/limit")
async def set_limit(name: str, request: Request, queue: QueueOf, context: ContextOf) -> schemas.QueueActed:
    wanted = queues_pb.SetQueueLimitRequest(queue=name, max_running=await new_limit_of(request))
    found = await queue.call(lambda link: link.queues.SetQueueLimit, wanted, context)
    return schemas.QueueActed(queue=queue_json.queue(found.queue))


@router.post(f"{API}/workers/{{session}}/drain")
async def drain(session: str, queue: QueueOf, context: ContextOf) -> schemas.Workers:
    wanted = queues_pb.DrainWorkerRequest(worker=session)
    found = await queue.call(lambda link: link.queues.DrainWorker, wanted, context)
    return queue_json.workers(found.workers)
