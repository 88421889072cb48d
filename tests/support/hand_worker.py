"""A worker made of unary calls, so that a test decides each step of a run."""

from __future__ import annotations

import json

import grpc

from jobline.channel import bearer
from jobline.v1 import job_pb2, work_service_pb2
from jobline.v1.work_service_pb2_grpc import WorkServiceStub
from support.cli import QueueServiceUnderTest


class HandWorker:
    """A worker that claims one job at a time by the unary calls and does with it what the test says."""

    def __init__(self, service: QueueServiceUnderTest) -> None:
        self._metadata = bearer(service.endpoints.worker_token)
        self._channel = grpc.insecure_channel(service.endpoints.queue)
        self._stub = WorkServiceStub(self._channel)

    def claim(self, queue: str, kind: str = "greet") -> work_service_pb2.Assignment:
        request = work_service_pb2.ClaimJobsRequest(queues=[queue], kinds=[kind], worker="by-hand")
        request.wait.FromSeconds(10)
        return self._stub.ClaimJobs(request, metadata=self._metadata, timeout=20).assignments[0]

    def report(self, job: work_service_pb2.Assignment, step: str, current: int, total: int) -> None:
        request = work_service_pb2.ReportProgressRequest(job_id=job.job_id, lease_token=job.lease_token)
        request.progress.CopyFrom(job_pb2.Progress(step=step, current=current, total=total))
        self._stub.ReportProgress(request, metadata=self._metadata, timeout=10)

    def finish_step(self, job: work_service_pb2.Assignment, step: str, output: object) -> None:
        request = work_service_pb2.ReportProgressRequest(job_id=job.job_id, lease_token=job.lease_token)
        request.steps.add(name=step, output_json=json.dumps(output)).duration.FromMilliseconds(1500)
        self._stub.ReportProgress(request, metadata=self._metadata, timeout=10)

    def complete(self, job: work_service_pb2.Assignment, result: object) -> None:
        request = work_service_pb2.CompleteJobRequest(job_id=job.job_id, lease_token=job.lease_token)
        request.result_json = json.dumps(result)
        self._stub.CompleteJob(request, metadata=self._metadata, timeout=10)

    def fail(self, job: work_service_pb2.Assignment, code: str, message: str, *, retryable: bool) -> None:
        request = work_service_pb2.FailJobRequest(job_id=job.job_id, lease_token=job.lease_token)
        request.error.CopyFrom(job_pb2.JobError(code=code, message=message, retryable=retryable))
        self._stub.FailJob(request, metadata=self._metadata, timeout=10)

    def close(self) -> None:
        self._channel.close()
