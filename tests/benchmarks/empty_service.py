"""A service behind the same door as the queue service that does nothing: it answers each job with an id and stores none.

    python -m benchmarks.empty_service PORT

What a call to it costs is the price of the hop. Ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from jobline.event_loop import run
from jobline.server import open_server
from jobline.v1 import job_service_pb2 as pb
from jobline.v1.job_service_pb2_grpc import JobServiceServicer, add_JobServiceServicer_to_server

_ID = "00000000-0000-7000-8000-000000000000"


class Nothing(JobServiceServicer):
    """Reads what the queue service would have to read of a job, too: a message's fields are made when they are asked for."""

    async def EnqueueJobs(self, request: pb.EnqueueJobsRequest, context: Any) -> pb.EnqueueJobsResponse:
        response = pb.EnqueueJobsResponse()
        for job in request.jobs:
            if job.queue and job.kind and job.payload_json:
                response.jobs.add(id=_ID)
        return response


async def serve(port: int) -> None:
    service = open_server("127.0.0.1", port, ["jobline.v1.JobService"])
    add_JobServiceServicer_to_server(Nothing(), service.server)
    await service.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await service.stop(0)


if __name__ == "__main__":
    run(serve(int(sys.argv[1])))
