"""The hub's one watch of the queue service: kept open, and opened again where it broke off."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from uuid_utils import uuid7

from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.live.change import QUEUES
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext, ServiceError

__all__ = ["changes"]

logger = logging.getLogger(__name__)

#: Ceilings of the jittered waits in seconds before the watch is opened again: doubling from the first to the last.
FIRST_WAIT, LAST_WAIT = 0.1, 2.0


async def changes(
    queue: QueueClient, last_id: Callable[[], str], refused: Callable[[ServiceError], None]
) -> AsyncGenerator[pb.WatchJobsResponse, None]:
    """The messages of a watch of the products' queues that never ends; `last_id` says what to resume from;
    `refused` is told when the watch cannot be had, or breaks.

    It is the gateway's own: it acts for nobody, and sees everything.
    """
    failures = 0
    while True:
        context = CallContext(caller=None, correlation_id=str(uuid7()))
        request = pb.WatchJobsRequest(queues=list(QUEUES), resume_after=last_id())
        try:
            async with aclosing(queue.follow(lambda link: link.jobs.WatchJobs, request, context)) as messages:
                async for message in messages:
                    failures = 0
                    yield message
        except ServiceError as error:
            refused(error)
            logger.log(logging.INFO if failures else logging.WARNING, "the watch of the queue service ended: %s", error)
        await asyncio.sleep(random.uniform(0, min(LAST_WAIT, FIRST_WAIT * 2.0 ** min(failures, 10))))
        failures += 1
