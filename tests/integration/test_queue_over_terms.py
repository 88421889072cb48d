"""What one term of the active service knew, the next one knows as well: found by `make chaos`."""

from __future__ import annotations

import contextlib

import grpc
import psycopg
import pytest

from jobline.v1 import queue_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

POLICIES = """
[queues.resumes]
retry_resumes = true
[queues.stops]
cancel = "boundary"
"""


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory):
    with (
        databases.fresh() as url,
        queue_service(url, tmp_path_factory.mktemp("terms"), POLICIES) as running,
    ):
        yield running


@pytest.fixture
def calls(service: QueueServiceUnderTest):
    """Connected before each test: the test before may have restarted the service."""
    with Calls(service.address, service.operator_token) as operator:
        operator.channel_ready()
        yield operator


def test_stored_steps_outlive_the_term_for_jobs_that_wait_without_a_counted_attempt(
    service: QueueServiceUnderTest, calls: Calls
):
    waiting = {queue: calls.enqueue(new_job(queue))[0] for queue in ("released", "snoozed", "resumes")}
    runs = {queue: calls.claim_one(queue) for queue in waiting}
    for run in runs.values():
        calls.report(run, first=1)
    calls.release(runs["released"])
    calls.snooze(runs["snoozed"], 0.1)
    calls.fail(runs["resumes"], retryable=False)
    calls.retry(waiting["resumes"])
    service.restart()
    with Calls(service.address, service.operator_token) as after:
        again = {queue: after.claim_one(queue) for queue in waiting}
    assert {queue: run.job_id for queue, run in again.items()} == waiting
    assert [step.name for run in again.values() for step in run.finished_steps] == ["first"] * 3


def test_a_granted_cancel_holds_for_a_run_that_only_its_lease_knows(service: QueueServiceUnderTest, calls: Calls):
    calls.enqueue(new_job("stops"))
    run = calls.claim_one("stops")
    calls.cancel(run.job_id)
    service.kill()
    not_marked_yet = "UPDATE jobline.jobs SET state = 'pending', attempt = 0 WHERE id = %s"
    service.execute(not_marked_yet, run.job_id)
    service.start()
    with Calls(service.address, service.operator_token) as after:
        with refused("CANCELLED"):
            after.complete(run)
        assert after.state(run.job_id) == "cancelled"


def test_a_pause_whose_caller_does_not_wait_is_in_the_table_and_in_force(service: QueueServiceUnderTest, calls: Calls):
    calls.enqueue(new_job("hesitant"))
    pause = queue_service_pb2.PauseQueueRequest(queue="hesitant")
    with psycopg.connect(service.database_url) as other:
        other.execute("LOCK TABLE jobline.queues IN SHARE MODE")
        with contextlib.suppress(grpc.RpcError):
            calls.queues.PauseQueue(pause, 1.0)
    stored = "SELECT paused FROM jobline.queues WHERE name = 'hesitant'"
    eventually_blocking(lambda: service.execute(stored) == [(True,)], what="the pause is stored")
    queue = queue_service_pb2.GetQueueRequest(queue="hesitant")
    eventually_blocking(lambda: calls.queues.GetQueue(queue).queue.paused, what="the pause is in force")
    assert calls.claim("hesitant", wait=0.2) == []
