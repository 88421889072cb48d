"""ProcessNow as callers know it: `jobline-worker serve` as a process, beside the real queue service."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from jobline.channel import bearer
from jobline.v1 import job_pb2, job_service_pb2
from jobline.v1.worker_control_service_pb2 import ProcessNowRequest, ProcessNowResponse
from jobline.v1.worker_control_service_pb2_grpc import WorkerControlServiceStub
from jobline_gateway.service_client import CallContext
from jobline_gateway.worker_client import WorkerClient
from support.eventually import eventually_blocking
from support.ingestion_house import house_of
from support.lent_queue import vacant
from support.queue_calls import Calls, Refusal
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases
from support.worker_service import WorkerService, submit

QUEUE = "email_default"
SERVICE = "jobline.v1.WorkerControlService"
POLICIES = """
[queues.email_default]
lease = "6s"
max_running = 4
max_attempts = 1
"""
#: The workers' streams pull this queue, which nobody fills, unless a test says otherwise.
NOTHING = "nothing"


@pytest.fixture(scope="module")
def one_service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("queue"), POLICIES) as running:
        yield running


@pytest.fixture
def service(one_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    """The module's queue service with an empty queue."""
    return vacant(one_service, staying=1)


class Workers:
    """Starts worker services that know the tokens of the queue service under test; kills what is left at the end."""

    def __init__(self, queue: QueueServiceUnderTest, folder: Path) -> None:
        self._queue = queue
        self._folder = folder
        self._started: list[WorkerService] = []

    def launch(self, **settings: str) -> WorkerService:
        """A worker service that may not come up."""
        tokens = ",".join(f"{role}:{role}:{getattr(self._queue, f'{role}_token')}" for role in ("operator", "worker"))
        given = {
            "JOBLINE_WORKER_QUEUES": NOTHING,
            "JOBLINE_SERVICE_TOKENS": f"{tokens},gateway:gateway:{self._queue.gateway_token}",
            **settings,
        }
        folder = self._folder / f"worker-{len(self._started)}"
        folder.mkdir()
        worker = WorkerService(self._queue.address, self._queue.worker_token, folder, **given)
        self._started.append(worker)
        return worker

    def start(self, **settings: str) -> WorkerService:
        """A worker service that serves."""
        worker = self.launch(**settings)
        eventually_blocking(lambda: worker.is_healthy(SERVICE), within=30, what="the worker service serves")
        return worker

    def kill(self) -> None:
        for worker in self._started:
            worker.kill()


@pytest.fixture
def workers(service: QueueServiceUnderTest, tmp_path: Path) -> Iterator[Workers]:
    found = Workers(service, tmp_path)
    yield found
    found.kill()


@pytest.fixture(scope="module")
def lasting(one_service: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerService]:
    """A worker service for the tests that leave it as it is."""
    found = Workers(one_service, tmp_path_factory.mktemp("worker"))
    yield found.start()
    found.kill()


def process_now(
    worker: WorkerService, token: str = QueueServiceUnderTest.gateway_token, *, within: float = 60, **fields: Any
) -> ProcessNowResponse:
    """The answer to one call. Raises grpc.RpcError."""
    request = ProcessNowRequest(**{"queue": QUEUE, **fields})
    with grpc.insecure_channel(worker.address) as channel:
        metadata = (*bearer(token), ("x-request-id", "request-of-a-test"))
        return WorkerControlServiceStub(channel).ProcessNow(request, metadata=metadata, timeout=within)


def refusal(worker: WorkerService, **call: Any) -> Refusal:
    """What a call that is refused is told."""
    with pytest.raises(grpc.RpcError) as raised:
        process_now(worker, **call)
    return Refusal.of(raised.value)


def job_of(calls: Calls, job_id: str) -> job_pb2.Job:
    return calls.jobs.GetJob(job_service_pb2.GetJobRequest(id=job_id)).job


def state_of(calls: Calls, job_id: str) -> str:
    return job_pb2.JobState.Name(job_of(calls, job_id).state).removeprefix("JOB_STATE_")


def has_begun(worker: WorkerService) -> bool:
    """Whether a run has reached the failpoint of its worker."""
    return "failpoint worker.before_handler" in worker.errors.read_text()


def test_what_is_due_is_run_whatever_the_stream_pulls(
    service: QueueServiceUnderTest, calls: Calls, lasting: WorkerService
):
    items = [submit(service) for _ in range(3)]
    for token in (service.gateway_token, service.operator_token):
        answer = process_now(lasting, token)
        assert (answer.succeeded, answer.failed, answer.complete) == (answer.attempted, 0, True)
    assert {state_of(calls, item) for item in items} == {"SUCCEEDED"}
    assert "request request-of-a-test" in lasting.errors.read_text()


def test_a_cron_gets_its_own_runs_only_and_no_more_than_it_asks_for(
    service: QueueServiceUnderTest, lasting: WorkerService
):
    limits = {"max_jobs": 3, "claim_for": Duration(seconds=50), "run_for": Duration(seconds=55), "own_runs_only": True}
    with contextmanager(house_of)(service) as house, ThreadPoolExecutor() as pool:
        for _ in range(5):
            house.start(generate_embeddings=False)
        parallel = list(pool.map(lambda _: process_now(lasting, queue="ingestion", **limits), range(2)))
        assert sum(answer.succeeded for answer in parallel) == 5
        assert all(answer.attempted <= 3 for answer in parallel)
        assert process_now(lasting, queue="ingestion", **limits).attempted == 0


def test_who_may_not_call_is_told_so_and_nothing_is_run(
    service: QueueServiceUnderTest, calls: Calls, lasting: WorkerService
):
    item = submit(service)
    for token in ("", "nobody-has-this-token"):
        answer = refusal(lasting, token=token)
        assert (answer.status, answer.reason, answer.domain) == ("UNAUTHENTICATED", "UNAUTHENTICATED", "jobline")
    answer = refusal(lasting, token=service.worker_token)
    assert (answer.status, answer.reason) == ("PERMISSION_DENIED", "FORBIDDEN")
    assert state_of(calls, item) == "PENDING"


def test_each_bad_field_is_named(lasting: WorkerService):
    bad: list[tuple[str, Any]] = [
        ("queue", ""),
        ("queue", "No Name"),
        ("owner", "x" * 265),
        ("owner", "a\0b"),
        ("max_jobs", -1),
        ("claim_for", Duration()),
        ("run_for", Duration(seconds=-1)),
        ("run_for", Duration(seconds=86_401)),
    ]
    for field, value in bad:
        answer = refusal(lasting, **{field: value})
        assert (answer.status, answer.reason, answer.fields) == ("INVALID_ARGUMENT", "INVALID_FIELD", (field,))
    assert refusal(lasting, queue="", max_jobs=-1).fields == ("queue", "max_jobs")


def test_bytes_that_are_no_request_are_refused_like_a_bad_field(service: QueueServiceUnderTest, lasting: WorkerService):
    with grpc.insecure_channel(lasting.address) as channel:
        call = channel.unary_unary(f"/{SERVICE}/ProcessNow")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"\xff\xff", metadata=bearer(service.gateway_token), timeout=10)
    answer = Refusal.of(raised.value)
    assert (answer.status, answer.reason, answer.fields) == ("INVALID_ARGUMENT", "INVALID_FIELD", ("request",))


def test_a_worker_that_knows_no_callers_runs_and_refuses_them(workers: Workers):
    worker = workers.start(JOBLINE_SERVICE_TOKENS="")
    assert "JOBLINE_SERVICE_TOKENS is not set" in worker.errors.read_text()
    assert refusal(worker).status == "UNAUTHENTICATED"
    assert worker.stop() == 0


def test_in_production_a_worker_that_knows_no_callers_does_not_start(workers: Workers):
    worker = workers.launch(JOBLINE_SERVICE_TOKENS="", JOBLINE_ENV="production")
    assert worker.wait() == 2
    assert "JOBLINE_SERVICE_TOKENS is not set" in worker.errors.read_text()


def test_a_wrong_list_of_callers_is_named_and_ends_the_start_with_2(service: QueueServiceUnderTest, tmp_path: Path):
    worker = WorkerService(service.address, service.worker_token, tmp_path, JOBLINE_SERVICE_TOKENS="web:gateway")
    assert worker.wait() == 2
    assert "JOBLINE_SERVICE_TOKENS: entry 'web'" in worker.errors.read_text()


def test_callers_at_the_same_time_and_the_stream_run_every_job_once(
    service: QueueServiceUnderTest, calls: Calls, workers: Workers
):
    pair = [workers.start(), workers.start(JOBLINE_WORKER_QUEUES=QUEUE)]
    items = [submit(service) for _ in range(12)]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(process_now, [*pair, pair[0]]))
    assert all(answer.complete for answer in answers)
    assert {(state_of(calls, item), job_of(calls, item).attempt) for item in items} == {("SUCCEEDED", 1)}
    assert service.execute("SELECT count(*) FROM jobline.attempts WHERE job_id = ANY(%s::uuid[])", items) == [(0,)]


def test_a_worker_that_is_killed_in_a_run_costs_the_job_an_attempt(
    service: QueueServiceUnderTest, calls: Calls, workers: Workers
):
    worker = workers.start(JOBLINE_FAILPOINTS="worker.before_handler=kill")
    item = submit(service)
    assert refusal(worker).status == "UNAVAILABLE"
    assert worker.wait() == -signal.SIGKILL
    assert state_of(calls, item) == "RUNNING"
    eventually_blocking(lambda: state_of(calls, item) == "FAILED", within=30)
    job = job_of(calls, item)
    assert (job.attempt, job.error.code) == (1, "WORKER_LOST")


def test_a_worker_that_is_stopped_finishes_what_runs_and_says_that_it_stops(
    service: QueueServiceUnderTest, calls: Calls, workers: Workers, tmp_path: Path
):
    gate = tmp_path / "gate"
    worker = workers.start(JOBLINE_FAILPOINTS=f"worker.before_handler=wait:{gate}")
    items = [submit(service) for _ in range(6)]
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(refusal, worker)
        eventually_blocking(lambda: has_begun(worker), within=30)
        os.kill(worker.pid, signal.SIGTERM)
        eventually_blocking(lambda: refusal(worker, within=1).reason == "NOT_ACTIVE")
        assert not told.done()
        gate.touch()
        assert (told.result().status, told.result().reason) == ("UNAVAILABLE", "DRAINING")
    assert worker.wait() == 0
    assert sorted(state_of(calls, item) for item in items) == ["PENDING"] * 2 + ["SUCCEEDED"] * 4


async def test_while_one_worker_drains_the_gateway_is_served_by_another(
    service: QueueServiceUnderTest, calls: Calls, workers: Workers, tmp_path: Path
):
    gate = tmp_path / "gate"
    leaving = workers.start(JOBLINE_WORKER_QUEUES=QUEUE, JOBLINE_FAILPOINTS=f"worker.before_handler=wait:{gate}")
    held = submit(service)
    eventually_blocking(lambda: has_begun(leaving), within=30)
    other = workers.start()
    leaving.send(signal.SIGTERM)
    eventually_blocking(lambda: refusal(leaving, within=1).reason == "NOT_ACTIVE")
    item = submit(service)
    client = WorkerClient([leaving.address, other.address], service.gateway_token)
    await client.open()
    try:
        request = ProcessNowRequest(queue=QUEUE, max_jobs=1)
        answer = await client.call(
            lambda link: link.control.ProcessNow, request, CallContext(None, "request-of-a-test"), repeatable=False
        )
    finally:
        await client.close()
    assert (answer.attempted, answer.succeeded) == (1, 1)
    assert (state_of(calls, item), state_of(calls, held)) == ("SUCCEEDED", "RUNNING")
    gate.touch()
    assert leaving.wait() == 0
    assert state_of(calls, held) == "SUCCEEDED"


def test_a_caller_who_hangs_up_leaves_no_job_behind(
    service: QueueServiceUnderTest, calls: Calls, workers: Workers, tmp_path: Path
):
    gate = tmp_path / "gate"
    worker = workers.start(JOBLINE_FAILPOINTS=f"worker.before_handler=wait:{gate}")
    items = [submit(service) for _ in range(6)]
    with grpc.insecure_channel(worker.address) as channel:
        call = WorkerControlServiceStub(channel).ProcessNow.future(
            ProcessNowRequest(queue=QUEUE), metadata=bearer(service.gateway_token)
        )
        eventually_blocking(lambda: has_begun(worker), within=30)
        call.cancel()
    eventually_blocking(lambda: "the caller of an errand" in worker.errors.read_text())
    gate.touch()

    def states() -> list[str]:
        return sorted(state_of(calls, item) for item in items)

    eventually_blocking(lambda: "RUNNING" not in states(), within=30)
    assert states() == ["PENDING"] * 2 + ["SUCCEEDED"] * 4
