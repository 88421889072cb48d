"""The service stops, or is killed, and starts again: what was true before is true after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from jobline.v1 import queue_service_pb2, work_service_pb2
from support.email_user import User
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest, queue_service
from support.queue_watch import Watch
from support.stack import Databases

POLICIES = """
[queues.one]
max_running = 1
max_attempts = 1
"""
COMMITTED, ALREADY = work_service_pb2.OUTCOME_STATUS_COMMITTED, work_service_pb2.OUTCOME_STATUS_ALREADY_COMMITTED
HELD, LOST = work_service_pb2.LEASE_STATE_HELD, work_service_pb2.LEASE_STATE_LOST


@dataclass
class Crash:
    """What was going on when the service was killed, each test's share in a queue of its own."""

    service: QueueServiceUnderTest
    calls: Calls
    user: User
    #: Of the queue `order`: all ids, and the three claimed ones, of which the second was completed.
    ids: list[str] = field(default_factory=list)
    claimed: list[work_service_pb2.Assignment] = field(default_factory=list)
    positions: list[tuple[str, int]] = field(default_factory=list)
    #: Handed to this session, which was killed with the connection.
    undelivered: str = ""
    session: str = ""
    #: Begun a moment before the end: their rows may not say yet that they run.
    begun: list[work_service_pb2.Assignment] = field(default_factory=list)

    def prepare(self) -> None:
        calls = self.calls
        self.ids = calls.enqueue(*(new_job("order", n, priority=n % 2) for n in range(10)))
        self.claimed = calls.claim("order", most=3)
        calls.report(self.claimed[0], "two", one=1)
        calls.complete(self.claimed[1])
        calls.enqueue(new_job("paused"))
        calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue="paused", reason="a flood"))
        self.user.submit(5)
        self.positions = [(item.id, item.position) for item in self.user.items()]
        (self.undelivered,) = calls.enqueue(new_job("one"))
        worker = RawWorker(calls, "one")
        self.session = worker.session
        worker.await_welcome()
        worker.capacity(1)
        worker.await_jobs(1)
        calls.enqueue(*(new_job("begun", n) for n in range(3)))
        self.begun = calls.claim("begun", most=3)


@pytest.fixture(scope="module")
def crash(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    """A service that was killed in the middle of things and is active again."""
    with (
        databases.fresh() as url,
        queue_service(url, tmp_path_factory.mktemp("crash"), POLICIES) as service,
        Calls(service.address, service.operator_token) as calls,
    ):
        crash = Crash(service, calls, User(service))
        crash.prepare()
        service.restart()
        crash.calls.channel_ready()
        crash.user.channel_ready()
        yield crash
        crash.user.close()


def test_a_kill_loses_no_job_no_order_no_step_and_no_lease(crash: Crash):
    calls, ids, (first, completed, third) = crash.calls, crash.ids, crash.claimed
    assert [run.job_id for run in crash.claimed] == [ids[1], ids[3], ids[5]]
    assert calls.heartbeat(first, completed, third) == [HELD, LOST, HELD]
    assert (calls.complete(completed), calls.complete(first)) == (ALREADY, COMMITTED)
    again = [run.job_id for run in calls.claim("order", most=20)]
    assert again == [ids[n] for n in (7, 9, 0, 2, 4, 6, 8)]
    assert [step.name for step in calls.get(first.job_id).steps] == ["one"]


def test_a_run_that_began_just_before_a_kill_can_end_in_every_way(crash: Crash):
    failed, released, snoozed = crash.begun
    assert crash.calls.fail(failed, retryable=False) == COMMITTED
    assert crash.calls.release(released) == COMMITTED
    assert crash.calls.snooze(snoozed, 60) == COMMITTED
    assert crash.calls.get(failed.job_id).attempts[0].HasField("started_at")


def test_a_job_that_was_claimed_but_never_arrived_before_a_kill_costs_no_attempt(crash: Crash):
    """A limited queue marks the row at the claim; the worker that comes back knows nothing of it."""
    resumed = RawWorker(crash.calls, "one", session=crash.session)
    resumed.await_welcome()
    crash.calls.await_state(crash.undelivered, "pending", within=5)
    assert crash.calls.job(crash.undelivered).attempt == 0
    resumed.capacity(1)
    (run,) = resumed.await_jobs(1)
    assert (run.job_id, run.attempt) == (crash.undelivered, 1)
    resumed.cut()


def test_a_pause_survives_a_kill(crash: Crash):
    queue = crash.calls.queues.GetQueue(queue_service_pb2.GetQueueRequest(queue="paused")).queue
    assert (queue.paused, queue.pause.actor, queue.pause.reason) == (True, "service:operator", "a flood")
    assert abs(queue.pause.since.ToMicroseconds() / 1e6 - time.time()) < 300
    assert crash.calls.claim("paused") == []


def test_the_positions_of_items_survive_a_kill(crash: Crash):
    assert [position for _, position in crash.positions] == [1, 2, 3, 4, 5]
    assert [(item.id, item.position) for item in crash.user.items()] == crash.positions


def test_a_stop_drains_workers_and_ends_watches_and_both_go_on_after_the_start(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
):
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("stop")) as service:
        with Calls(service.address, service.operator_token) as calls:
            worker = RawWorker(calls, "test")
            worker.await_welcome()
            worker.capacity(1)
            (job_id,) = calls.enqueue(new_job("test"))
            (run,) = worker.await_jobs(1)
            worker.heartbeat(run)
            watch = Watch(calls, queues=["test"])
            watch.await_states(job_id, "running")
            service.stop()
            ends = [worker.await_end(), watch.await_end()]
        assert any(message.drain.reason == "shutdown" for message in worker.messages)
        assert [end and (end.status, end.reason) for end in ends] == [
            ("UNAVAILABLE", "DRAINING"),
            ("UNAVAILABLE", "NOT_ACTIVE"),
        ]
        service.start()
        with Calls(service.address, service.operator_token) as calls:
            again = Watch(calls, queues=["test"], resume_after=watch.messages[-1].change_id)
            again.await_states(job_id, "running")
            assert again.messages[0].resync
            resumed = RawWorker(calls, "test", session=worker.session, held=[run])
            assert resumed.await_welcome().leases[0].state == HELD
            resumed.complete(run)
            assert resumed.await_ack(run) == "COMMITTED"
            again.await_states(job_id, "running", "succeeded")
            assert calls.job(run.job_id).attempt == 1
            again.cancel()
