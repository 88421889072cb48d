"""The routes that only look: read the request, ask the queue service, convert the answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version

from fastapi import APIRouter, Depends, Request
from google.protobuf.duration_pb2 import Duration

from jobline.v1 import job_service_pb2 as jobs_pb
from jobline.v1 import queue_service_pb2 as queues_pb
from jobline_gateway.dependencies import ContextOf, QueueOf
from jobline_gateway.guard import token_expiry
from jobline_gateway.monitor import job_json, queue_json, schemas
from jobline_gateway.monitor.commands import commands_for
from jobline_gateway.monitor.csv_export import JobTable
from jobline_gateway.monitor.job_id import checked_id, unknown_where_malformed
from jobline_gateway.monitor.paths import API
from jobline_gateway.monitor.queries import EventQuery, Filter, JobQuery, TrendQuery, query_of
from jobline_gateway.monitor.rights import can_act, require_staff
from jobline_gateway.queue_client import SEARCH_DEADLINE, QueueClient
from jobline_gateway.service_client import CallContext, ServiceError

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[Depends(require_staff)])


@router.get(f"{API}/me")
async def get_me(request: Request, context: ContextOf) -> schemas.Me:
    assert context.caller is not None
    return schemas.Me(
        sub=context.caller.sub,
        email=context.caller.email,
        role=context.caller.role,
        can_act=can_act(context.caller.role),
        expires_at=_moment(token_expiry(request)),
        version=version("jobline-gateway"),
    )


def _moment(expires_at: float | None) -> datetime | None:
    """None also for a moment that no calendar has."""
    try:
        return None if expires_at is None else datetime.fromtimestamp(expires_at, UTC)
    except (OverflowError, ValueError, OSError):
        return None


# ---- queues and workers ---------------------------------------------------------------------------------------------


@router.get(f"{API}/queues")
async def list_queues(queue: QueueOf, context: ContextOf) -> schemas.Queues:
    found = await queue.call(lambda link: link.queues.ListQueues, queues_pb.ListQueuesRequest(), context)
    return queue_json.queues(found.queues)


@router.get(f"{API}/trends")
async def get_trends(request: Request, queue: QueueOf, context: ContextOf) -> schemas.Trends:
    query = query_of(request, TrendQuery)
    hours, points = query.hours_and_points
    wanted = queues_pb.GetTrendsRequest(queue=query.queue or "", range=Duration(seconds=hours * 3600), points=points)
    found = await queue.call(lambda link: link.queues.GetTrends, wanted, context)
    return queue_json.trends(query.range or "1h", found.trends)


@router.get(f"{API}/workers")
async def list_workers(queue: QueueOf, context: ContextOf) -> schemas.Workers:
    wanted = queues_pb.ListWorkersRequest(with_jobs=True)
    found = await queue.call(lambda link: link.queues.ListWorkers, wanted, context)
    return queue_json.workers(found.workers)


@router.get(f"{API}/events")
async def list_events(request: Request, queue: QueueOf, context: ContextOf) -> schemas.EventPage:
    query = query_of(request, EventQuery)
    wanted = queues_pb.ListEventsRequest(
        queue=query.queue or "",
        actor=query.actor or "",
        name=query.name or "",
        with_system=query.with_system == "true",
        page_token=query.cursor or "",
        page_size=query.limit or 0,
    )
    found = await queue.call(lambda link: link.queues.ListEvents, wanted, context, try_deadline=SEARCH_DEADLINE)
    events = [job_json.event(each) for each in found.events]
    return schemas.EventPage(events=events, next_cursor=found.next_page_token or None)


# ---- jobs -----------------------------------------------------------------------------------------------------------


@router.get(f"{API}/jobs")
async def list_jobs(request: Request, queue: QueueOf, context: ContextOf) -> schemas.JobPage:
    wanted = query_of(request, JobQuery).request()
    found = await queue.call(lambda link: link.jobs.ListJobs, wanted, context, try_deadline=SEARCH_DEADLINE)
    return job_json.page(found)


@router.get(f"{API}/jobs/count")
async def count_jobs(request: Request, queue: QueueOf, context: ContextOf) -> schemas.Count:
    wanted = jobs_pb.CountJobsRequest(filter=query_of(request, Filter).message())
    found = await queue.call(lambda link: link.jobs.CountJobs, wanted, context, try_deadline=SEARCH_DEADLINE)
    return job_json.count(found)


@router.get(f"{API}/jobs.csv", response_class=JobTable)
async def export_jobs(request: Request, queue: QueueOf, context: ContextOf) -> JobTable:
    return await JobTable.begun(queue, context, query_of(request, JobQuery).request())


@router.get(f"{API}/jobs/{{id}}")
async def get_job(id: str, request: Request, queue: QueueOf, context: ContextOf) -> schemas.JobStory:
    job_id = checked_id(id)
    async with unknown_where_malformed():
        explained, found = await asyncio.gather(_explained(queue, context, job_id), _found(queue, context, job_id))
    return schemas.JobStory(
        # Its lease and its place as of the same moment as what it waits for.
        job=job_json.full_job(explained.job) if explained.HasField("job") else None,
        attempts=[job_json.attempt(each) for each in explained.attempts],
        steps=[job_json.step(each) for each in found.steps],
        events=[job_json.event(each) for each in explained.events],
        waiting_for=[job_json.wait_reason(each) for each in explained.waiting_for],
        commands=commands_for(job_id, request.app.state.public_url or _asked_at(request)),
    )


async def _explained(queue: QueueClient, context: CallContext, job_id: str) -> jobs_pb.ExplainJobResponse:
    return await queue.call(lambda link: link.jobs.ExplainJob, jobs_pb.ExplainJobRequest(id=job_id), context)


async def _found(queue: QueueClient, context: CallContext, job_id: str) -> jobs_pb.GetJobResponse:
    """Nothing of a job that was removed, of which there may be a history."""
    try:
        return await queue.call(lambda link: link.jobs.GetJob, jobs_pb.GetJobRequest(id=job_id), context)
    except ServiceError as error:
        if error.reason != "JOB_NOT_FOUND":
            raise
        return jobs_pb.GetJobResponse()


def _asked_at(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
