"""A running queue service that one test after the other has for itself: starting one for each would cost most of the time.

A test may fill and pause its queues, kill it and start it again; the next one finds it as if it were new.
"""

from __future__ import annotations

from jobline.v1 import job_pb2, job_service_pb2, queue_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest

__all__ = ["vacant"]

_LIVE = job_service_pb2.JobFilter(states=[job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING])
#: A worker that was killed is missed after its lease.
_GONE_WITHIN = 60.0


def vacant(service: QueueServiceUnderTest, *, staying: int = 0) -> QueueServiceUnderTest:
    """The service: active, without a live job or a paused queue, and without workers but for those that are to stay.

    Jobs that have ended stay, too.
    """
    assert service.process is not None
    if service.process.returncode is not None:
        service.start()
    service.await_active()
    with Calls(service.address, service.operator_token) as calls:
        while live := calls.jobs.ListJobs(job_service_pb2.ListJobsRequest(filter=_LIVE, page_size=500)).jobs:
            for job in live:
                calls.delete(job.id)
        for queue in calls.queues.ListQueues(queue_service_pb2.ListQueuesRequest()).queues:
            if queue.paused:
                calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue=queue.policy.queue))
        eventually_blocking(
            lambda: len(calls.queues.ListWorkers(queue_service_pb2.ListWorkersRequest()).workers) <= staying,
            within=_GONE_WITHIN,
            what="the workers of the test before are gone",
        )
    return service
