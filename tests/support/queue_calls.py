"""Plain gRPC against the queue service: stubs that send a token along, refusals as values, and a worker made by hand.

No retries, no defaults, no SDK: what a test sends is what travels.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import (
    account_service_pb2_grpc,
    communication_service_pb2_grpc,
    content_service_pb2_grpc,
    email_service_pb2_grpc,
    ingestion_service_pb2_grpc,
    job_pb2,
    job_service_pb2_grpc,
    queue_service_pb2_grpc,
    work_service_pb2_grpc,
)
from jobline.v1 import job_service_pb2 as job_pb
from jobline.v1 import work_service_pb2 as work_pb
from support.eventually import eventually_blocking

__all__ = ["Calls", "RawWorker", "Refusal", "new_job", "refused"]

DEADLINE = 20.0
#: A service that was restarted is found again within a test.
_OPTIONS = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300)]


@dataclass(frozen=True)
class Refusal:
    """An error as the contract spells it."""

    status: str
    message: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: grpc.RpcError) -> Refusal:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        call: Any = error  # what grpc raises is the call, too
        rich = rpc_status.from_call(call)
        for detail in rich.details if rich is not None else ():
            if not detail.Unpack(info):
                detail.Unpack(bad)
        fields = tuple(violation.field for violation in bad.field_violations)
        return cls(call.code().name, call.details(), info.reason, info.domain, dict(info.metadata), fields)


@contextlib.contextmanager
def refused(reason: str) -> Iterator[list[Refusal]]:
    """The block's call is refused with this reason; the refusal is the list's one item afterwards."""
    seen: list[Refusal] = []
    try:
        yield seen
    except grpc.RpcError as error:
        seen.append(Refusal.of(error))
        assert seen[0].reason == reason, seen[0]
    else:
        raise AssertionError(f"not refused with {reason}")


class _Service:
    """A stub whose methods send metadata along and have a deadline."""

    def __init__(self, stub: Any, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._stub = stub
        self._metadata = tuple(metadata)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        def call(request: Any, timeout: float | None = DEADLINE) -> Any:
            return method(request, metadata=self._metadata, timeout=timeout)

        return call


class Calls:
    """Every service of one address, as the holder of one token."""

    def __init__(self, address: str, token: str, caller: account_pb.Caller | None = None) -> None:
        self.channel = grpc.insecure_channel(address, options=_OPTIONS)
        self.metadata: list[tuple[str, str | bytes]] = [("authorization", f"Bearer {token}")] if token else []
        if caller is not None:
            self.metadata.append(("jobline-caller-bin", caller.SerializeToString()))
        self.jobs = self._service(job_service_pb2_grpc.JobServiceStub)
        self.work = self._service(work_service_pb2_grpc.WorkServiceStub)
        self.queues = self._service(queue_service_pb2_grpc.QueueServiceStub)
        self.accounts = self._service(account_service_pb2_grpc.AccountServiceStub)
        self.emails = self._service(email_service_pb2_grpc.EmailServiceStub)
        self.communications = self._service(communication_service_pb2_grpc.CommunicationServiceStub)
        self.content = self._service(content_service_pb2_grpc.ContentServiceStub)
        self.ingestion = self._service(ingestion_service_pb2_grpc.IngestionServiceStub)

    def _service(self, stub: Any) -> _Service:
        return _Service(stub(self.channel), self.metadata)

    def close(self) -> None:
        self.channel.close()

    def channel_ready(self) -> None:
        """Waits until the channel is connected, again after a restart."""
        grpc.channel_ready_future(self.channel).result(DEADLINE)

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- jobs -------------------------------------------------------------------------------------------------------

    def enqueue(self, *jobs: job_pb.NewJob, request_id: str = "") -> list[str]:
        stored = self.jobs.EnqueueJobs(job_pb.EnqueueJobsRequest(jobs=jobs, request_id=request_id))
        return [job.id for job in stored.jobs]

    def get(self, job_id: str) -> job_pb.GetJobResponse:
        found: job_pb.GetJobResponse = self.jobs.GetJob(job_pb.GetJobRequest(id=job_id))
        return found

    def job(self, job_id: str) -> job_pb2.Job:
        return self.get(job_id).job

    def state(self, job_id: str) -> str:
        """`pending`, `running` …"""
        return job_pb2.JobState.Name(self.job(job_id).state).removeprefix("JOB_STATE_").lower()

    def await_state(self, job_id: str, state: str, within: float = 10.0) -> job_pb2.Job:
        eventually_blocking(lambda: self.state(job_id) == state, within=within, what=f"{job_id} is {state}")
        return self.job(job_id)

    def list_jobs(self, *queues: str) -> list[job_pb2.Job]:
        """The newest 500 jobs of some queues, newest first."""
        request = job_pb.ListJobsRequest(filter=job_pb.JobFilter(queues=queues), page_size=500)
        return list(self.jobs.ListJobs(request).jobs)

    def cancel(self, job_id: str, reason: str = "") -> job_pb2.Job:
        done: job_pb.CancelJobResponse = self.jobs.CancelJob(job_pb.CancelJobRequest(id=job_id, reason=reason))
        return done.job

    def retry(self, job_id: str) -> job_pb2.Job:
        done: job_pb.RetryJobResponse = self.jobs.RetryJob(job_pb.RetryJobRequest(id=job_id))
        return done.job

    def delete(self, job_id: str) -> None:
        self.jobs.DeleteJob(job_pb.DeleteJobRequest(id=job_id))

    def explain(self, job_id: str) -> job_pb.ExplainJobResponse:
        found: job_pb.ExplainJobResponse = self.jobs.ExplainJob(job_pb.ExplainJobRequest(id=job_id))
        return found

    def events(self, job_id: str) -> list[str]:
        return [event.name for event in self.explain(job_id).events]

    # ---- work -------------------------------------------------------------------------------------------------------

    def claim(
        self, *queues: str, kinds: Sequence[str] = ("test",), most: int = 1, wait: float = 0, request_id: str = ""
    ) -> list[work_pb.Assignment]:
        request = work_pb.ClaimJobsRequest(queues=queues, kinds=kinds, max_jobs=most, request_id=request_id)
        request.wait.FromMilliseconds(int(wait * 1000))
        return list(self.work.ClaimJobs(request).assignments)

    def claim_due(
        self,
        queue_name: str,
        owner: str = "",
        at: Timestamp | None = None,
        *,
        kinds: Sequence[str] = ("test",),
        most: int = 100,
        wait: float = 0,
        request_id: str = "",
    ) -> work_pb.ClaimJobsResponse:
        due = work_pb.DueScope(owner=owner, at=at)
        request = work_pb.ClaimJobsRequest(
            queues=[queue_name], kinds=kinds, max_jobs=most, request_id=request_id, due=due
        )
        request.wait.FromMilliseconds(int(wait * 1000))
        answer: work_pb.ClaimJobsResponse = self.work.ClaimJobs(request, DEADLINE + wait)
        return answer

    def claim_one(self, queue_name: str, *, kind: str = "test", wait: float = 10) -> work_pb.Assignment:
        """The next job of a queue; it must come."""
        (assignment,) = self.claim(queue_name, kinds=[kind], wait=wait)
        return assignment

    def complete(self, run: work_pb.Assignment, result: Any = None) -> int:
        request = work_pb.CompleteJobRequest(job_id=run.job_id, lease_token=run.lease_token)
        request.result_json = json.dumps(result)
        return int(self.work.CompleteJob(request).status)

    def fail(self, run: work_pb.Assignment, code: str = "BROKEN", *, retryable: bool = True, message: str = "") -> int:
        error = job_pb2.JobError(code=code, message=message or "it broke", retryable=retryable)
        request = work_pb.FailJobRequest(job_id=run.job_id, lease_token=run.lease_token, error=error)
        return int(self.work.FailJob(request).status)

    def snooze(self, run: work_pb.Assignment, seconds: float) -> int:
        request = work_pb.SnoozeJobRequest(job_id=run.job_id, lease_token=run.lease_token)
        request.delay.FromMilliseconds(int(seconds * 1000))
        return int(self.work.SnoozeJob(request).status)

    def release(self, run: work_pb.Assignment, reason: str = "") -> int:
        request = work_pb.ReleaseJobRequest(job_id=run.job_id, lease_token=run.lease_token, reason=reason)
        return int(self.work.ReleaseJob(request).status)

    def report(self, run: work_pb.Assignment, step: str = "", **outputs: Any) -> int:
        """The lease's state, after the running step and the outputs of finished ones were told."""
        request = work_pb.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token)
        if step:
            request.progress.step = step
        for name, output in outputs.items():
            request.steps.add(name=name, output_json=json.dumps(output))
        return int(self.work.ReportProgress(request).lease)

    def heartbeat(self, *runs: work_pb.Assignment) -> list[int]:
        held = [work_pb.HeldLeases(lease_token=run.lease_token, job_ids=[run.job_id]) for run in runs]
        return [int(lease.state) for lease in self.work.Heartbeat(work_pb.HeartbeatRequest(held=held)).leases]


def new_job(queue_name: str, payload: Any = None, *, kind: str = "test", **fields: Any) -> job_pb.NewJob:
    return job_pb.NewJob(queue=queue_name, kind=kind, payload_json=json.dumps(payload), **fields)


class RawWorker:
    """One work stream. It sends what it is told and keeps what comes; it confirms nothing by itself."""

    def __init__(
        self,
        calls: Calls,
        *queues: str,
        kinds: Sequence[str] = ("test",),
        session: str = "",
        held: Sequence[work_pb.Assignment] = (),
        hello: bool = True,
    ) -> None:
        self.session = session or str(uuid.uuid4())
        self.queues = queues
        self.messages: list[work_pb.WorkResponse] = []
        self.refusal: Refusal | None = None
        self.ended = threading.Event()
        self._outgoing: queue.SimpleQueue[work_pb.WorkRequest | None] = queue.SimpleQueue()
        self._call: Any = work_service_pb2_grpc.WorkServiceStub(calls.channel).Work(
            iter(self._outgoing.get, None), metadata=tuple(calls.metadata)
        )
        threading.Thread(target=self._read, daemon=True).start()
        if hello:
            self.send(hello=self.hello(queues, kinds, held))

    def hello(
        self, queues: Sequence[str], kinds: Sequence[str], held: Sequence[work_pb.Assignment] = ()
    ) -> work_pb.Hello:
        leases = [work_pb.HeldLeases(lease_token=run.lease_token, job_ids=[run.job_id]) for run in held]
        return work_pb.Hello(session_id=self.session, name="raw", queues=queues, kinds=kinds, held=leases)

    def _read(self) -> None:
        try:
            for message in self._call:
                self.messages.append(message)
        except grpc.RpcError as error:
            self.refusal = Refusal.of(error)
        self.ended.set()

    # ---- saying -----------------------------------------------------------------------------------------------------

    def send(self, message: work_pb.WorkRequest | None = None, **parts: Any) -> None:
        self._outgoing.put(message if message is not None else work_pb.WorkRequest(**parts))

    def capacity(self, jobs: int, *queues: str) -> None:
        each = [work_pb.QueueCapacity(queue=name, jobs=jobs) for name in queues or self.queues]
        self.send(capacity=work_pb.Capacity(queues=each))

    def heartbeat(self, *runs: work_pb.Assignment) -> None:
        held = [work_pb.HeldLeases(lease_token=run.lease_token, job_ids=[run.job_id]) for run in runs]
        self.send(heartbeat=work_pb.Heartbeat(held=held))

    def outcome(self, run: work_pb.Assignment, **result: Any) -> None:
        """`completed=Completed()`, `failed=…`; nothing is an outcome without a result."""
        outcome = work_pb.Outcome(job_ids=[run.job_id], lease_token=run.lease_token, **result)
        self.send(outcomes=work_pb.Outcomes(outcomes=[outcome]))

    def complete(self, *runs: work_pb.Assignment) -> None:
        """With one outcome for those of each lease."""
        by_lease: dict[str, list[str]] = {}
        for run in runs:
            by_lease.setdefault(run.lease_token, []).append(run.job_id)
        outcomes = [
            work_pb.Outcome(job_ids=job_ids, lease_token=token, completed=work_pb.Completed())
            for token, job_ids in by_lease.items()
        ]
        self.send(outcomes=work_pb.Outcomes(outcomes=outcomes))

    def half_close(self) -> None:
        self._outgoing.put(None)

    def cut(self) -> None:
        """The stream breaks, as far as the service can tell."""
        self._call.cancel()
        self.ended.wait(10)

    # ---- hearing ----------------------------------------------------------------------------------------------------

    @property
    def assignments(self) -> list[work_pb.Assignment]:
        return [each for message in list(self.messages) for each in message.assignments.assignments]

    @property
    def acks(self) -> dict[str, str]:
        """Job id → the last status of its outcome, without the prefix."""
        acks = [ack for message in list(self.messages) for ack in message.outcome_acks.acks]
        return {
            job_id: work_pb.OutcomeStatus.Name(ack.status).removeprefix("OUTCOME_STATUS_")
            for ack in acks
            for job_id in ack.job_ids
        }

    @property
    def heartbeat_acks(self) -> int:
        """How many heartbeats were answered."""
        return sum(message.HasField("heartbeat_ack") for message in list(self.messages))

    @property
    def lease_states(self) -> list[tuple[str, str]]:
        """(job id, state) of every answer to a heartbeat, in order."""
        found = [lease for message in list(self.messages) for lease in message.heartbeat_ack.leases]
        return [(lease.job_id, _lease_word(lease.state)) for lease in found]

    @property
    def pushed(self) -> list[tuple[str, str]]:
        """(job id, state) of every pushed cancel, in order."""
        found = [lease for message in list(self.messages) for lease in message.cancel.leases]
        return [(lease.job_id, _lease_word(lease.state)) for lease in found]

    def await_welcome(self) -> work_pb.Welcome:
        eventually_blocking(lambda: self.messages or self.refusal, what="the welcome")
        assert self.refusal is None, self.refusal
        return self.messages[0].welcome

    def await_jobs(self, count: int, within: float = 10.0) -> list[work_pb.Assignment]:
        eventually_blocking(lambda: len(self.assignments) >= count, within=within, what=f"{count} assignments")
        return self.assignments

    def await_ack(self, run: work_pb.Assignment) -> str:
        return eventually_blocking(lambda: self.acks.get(run.job_id, ""), what=f"the answer to {run.job_id}")

    def await_end(self, within: float = 10.0) -> Refusal | None:
        """How the stream ended: None for OK."""
        assert self.ended.wait(within), "the stream goes on"
        return self.refusal


def _lease_word(state: int) -> str:
    return work_pb.LeaseState.Name(work_pb.LeaseState.ValueType(state)).removeprefix("LEASE_STATE_")
