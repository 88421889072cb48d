"""Calls about all the jobs that a filter chooses: lists page by page, and acts that tell how far they have come."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc

from jobline.calls import Calls
from jobline.client import convert
from jobline.client.models import BulkProgress, Job, JobEvent
from jobline.client.streams import Patience, listen
from jobline.errors import NotActive
from jobline.stubs import job_stub, queue_stub
from jobline.v1 import job_service_pb2, queue_service_pb2

__all__ = ["cancel_jobs", "list_events", "list_jobs", "retry_jobs"]

#: Seconds within which an act on many jobs says something: four times a second once it has chosen the jobs.
_SILENCE = 30.0


async def list_jobs(
    calls: Calls, request: job_service_pb2.ListJobsRequest, deadline: float
) -> AsyncGenerator[Job, None]:
    """All pages; each call has `deadline` seconds."""
    while True:
        page = await calls.unary(
            lambda channel: job_stub(channel).ListJobs, request, idempotent=True, deadline=deadline
        )
        for job in page.jobs:
            yield convert.job(job)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def list_events(
    calls: Calls, request: queue_service_pb2.ListEventsRequest, deadline: float
) -> AsyncGenerator[JobEvent, None]:
    """All pages; each call has `deadline` seconds."""
    while True:
        page = await calls.unary(
            lambda channel: queue_stub(channel).ListEvents, request, idempotent=True, deadline=deadline
        )
        for event in page.events:
            yield convert.event(event)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def retry_jobs(
    calls: Calls, request: job_service_pb2.RetryJobsRequest, patience: float
) -> AsyncGenerator[BulkProgress, None]:
    return _act(calls, lambda channel: job_stub(channel).RetryJobs, request, patience)


def cancel_jobs(
    calls: Calls, request: job_service_pb2.CancelJobsRequest, patience: float
) -> AsyncGenerator[BulkProgress, None]:
    return _act(calls, lambda channel: job_stub(channel).CancelJobs, request, patience)


async def _act(
    calls: Calls,
    call: Callable[[grpc.aio.Channel], Callable[..., grpc.aio.UnaryStreamCall[Any, Any]]],
    request: object,
    patience: float,
) -> AsyncGenerator[BulkProgress, None]:
    """Only a service that has done nothing yet is left for another: an act that broke in the middle is not begun again."""
    trying, begun = Patience(patience), False
    while True:
        try:
            async with contextlib.aclosing(listen(calls, call, request, _SILENCE)) as messages:
                async for message in messages:
                    begun = True
                    yield convert.bulk_progress(message.progress)
            return
        except NotActive as error:
            if begun:
                raise
            await trying.wait(error)
