"""F2, F3: the service is killed, frozen or superseded; its sessions, or the whole database, go. No job is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
import uuid_utils

from jobline.v1 import job_service_pb2 as pb
from jobline.v1 import queue_service_pb2, work_service_pb2
from jobline_local.child import Child
from jobline_local.secrets import load_or_create
from jobline_local.servers import embedded_servers
from jobline_queue.store.engine import ACTIVE_LOCK
from support.eventually import eventually_blocking
from support.processes import clean_environ
from support.queue_calls import Calls, RawWorker, Refusal, new_job
from support.queue_service import QueueServiceUnderTest, execute, queue_service
from support.stack import Databases, scratch_data_dir

POLICIES = """
[queues.test]
lease = "2s"
receipt = "1s"
backoff = ["10ms"]
max_attempts = 20
[queues.one]
max_running = 1
max_attempts = 1
lease = "20s"
"""
T = TypeVar("T")
COMMITTED, ALREADY = work_service_pb2.OUTCOME_STATUS_COMMITTED, work_service_pb2.OUTCOME_STATUS_ALREADY_COMMITTED


@pytest.fixture(scope="module")
def one_service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("failover"), POLICIES) as running:
        yield running


@pytest.fixture
def service(one_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    """The module's service, active, whatever the test before has done to it."""
    assert one_service.process is not None
    if one_service.process.returncode is not None:
        one_service.start()
    one_service.await_active()
    return one_service


@contextlib.contextmanager
def operator(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.operator_token) as calls:
        yield calls


@contextlib.contextmanager
def standby_of(service: QueueServiceUnderTest, folder: Path) -> Iterator[QueueServiceUnderTest]:
    standby = QueueServiceUnderTest(service.database_url, folder, POLICIES)
    standby.start(wait=False)
    try:
        eventually_blocking(lambda: "listening on" in standby.log, within=30, what="the standby listens")
        yield standby
    finally:
        standby.kill()


def end_sessions(database_url: str, where: str) -> int:
    """Ends the sessions of queue services that match; how many."""
    ours = "datname = current_database() AND starts_with(application_name, 'jobline-queue ')"
    return len(
        execute(database_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours} AND {where}")
    )


# ---- two services -------------------------------------------------------------------------------------------------------


def test_a_standby_takes_over_within_5_seconds_of_a_kill_and_workers_resume_there(
    service: QueueServiceUnderTest, tmp_path: Path, queue: str
):
    with standby_of(service, tmp_path) as standby:
        with operator(service) as calls:
            ids = calls.enqueue(*(new_job(queue, n) for n in range(3)))
            worker = RawWorker(calls, queue)
            worker.await_welcome()
            worker.capacity(1)
            (run,) = worker.await_jobs(1)
            worker.heartbeat(run)
            eventually_blocking(lambda: worker.lease_states)
            assert not standby.is_active()
            service.kill()
            standby.await_active(within=5)
        with operator(standby) as calls:
            resumed = RawWorker(calls, queue, session=worker.session, held=[run])
            assert resumed.await_welcome().leases[0].state == work_service_pb2.LEASE_STATE_HELD
            resumed.complete(run)
            assert resumed.await_ack(run) == "COMMITTED"
            assert [each.job_id for each in calls.claim(queue, most=5)] == ids[1:]
            assert calls.job(ids[0]).attempt == 1


def test_an_orderly_stop_hands_over(service: QueueServiceUnderTest, tmp_path: Path):
    with standby_of(service, tmp_path) as standby:
        service.stop()
        standby.await_active(within=5)


def test_a_frozen_service_that_was_superseded_writes_nothing_when_it_thaws(
    service: QueueServiceUnderTest, tmp_path: Path, queue: str
):
    with standby_of(service, tmp_path) as standby, operator(service) as old, ThreadPoolExecutor(2) as pool:
        old.enqueue(new_job(queue, "before"))
        run = old.claim_one(queue)
        service.freeze()
        late = pool.submit(old.jobs.EnqueueJobs, pb.EnqueueJobsRequest(jobs=[new_job(queue, "late")]))
        late_outcome = pool.submit(old.complete, run, "late")
        take_lock_away(service.database_url)
        standby.await_active(within=10)
        with operator(standby) as new:
            assert new.complete(run, "in time") == COMMITTED
            service.thaw()
            for answer in (late, late_outcome):
                with pytest.raises(grpc.RpcError) as error:
                    answer.result(20)
                assert Refusal.of(error.value).status == "UNAVAILABLE"
            assert new.job(run.job_id).result_json == '"in time"'
            rows = service.execute("SELECT payload FROM jobline.jobs WHERE queue = %s", queue)
            assert rows == [("before",)]
            eventually_blocking(lambda: not service.is_active(), what="the service says that it does not serve")
            assert standby.is_active()


def take_lock_away(database_url: str) -> None:
    """Ends the session that holds the lock `active`, as a server does whose client's host has vanished."""
    holders = execute(
        database_url,
        """SELECT pg_terminate_backend(pid) FROM pg_locks
           WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        ACTIVE_LOCK >> 32,
        ACTIVE_LOCK & 0xFFFFFFFF,
    )
    assert holders == [(True,)]


# ---- restarts -----------------------------------------------------------------------------------------------------------


def test_lost_sessions_of_the_database_heal_by_themselves(service: QueueServiceUnderTest, queue: str):
    with operator(service) as calls:
        ids: list[str] = []
        for number in range(3):
            stored = calls.enqueue(new_job(queue, number))
            assert end_sessions(service.database_url, "true") >= 5
            eventually_blocking(lambda stored=stored: can(lambda: calls.get(stored[0])), within=20, what="reads work")
            # One that was refused may have been stored all the same: it goes to another queue.
            eventually_blocking(lambda: can(lambda: calls.enqueue(new_job(f"{queue}-probe"))), within=20)
            ids += stored
        rows = service.execute("SELECT id::text FROM jobline.jobs WHERE queue = %s", queue)
        assert sorted(row[0] for row in rows) == sorted(ids)
    assert service.faults == []
    assert service.process is not None
    assert service.process.returncode is None


def test_a_lost_maintenance_session_does_not_stop_pauses_for_ever(service: QueueServiceUnderTest, queue: str):
    with operator(service) as calls:
        calls.enqueue(new_job(queue))
        assert end_sessions(service.database_url, "application_name = 'jobline-queue maintenance'") == 1
        pause = queue_service_pb2.PauseQueueRequest(queue=queue)
        eventually_blocking(lambda: can(lambda: calls.queues.PauseQueue(pause)), within=15, what="a pause works again")


def can(act: Callable[[], object]) -> bool:
    """Whether the call is answered; anything but UNAVAILABLE is a failure of the test."""
    try:
        act()
    except grpc.RpcError as error:
        if Refusal.of(error).status != "UNAVAILABLE":
            raise
        return False
    return True


def test_a_killed_database_comes_back_and_the_service_with_it(tmp_path: Path, queue: str):
    with scratch_data_dir() as data:
        data.create()
        postgres = embedded_servers(data, load_or_create(data.secrets_file), postgres=True, valkey=False).postgres
        assert postgres is not None

        def start() -> Child:
            asyncio.run(postgres.prepare())
            child = Child(postgres.program())
            asyncio.run(asyncio.wait_for(postgres.ready(), 60))
            return child

        server = start()
        try:
            migrate = (sys.executable, "-m", "jobline_queue", "migrate")
            subprocess.run(migrate, env=clean_environ(JOBLINE_DATABASE_URL=postgres.url), check=True, timeout=60)
            with queue_service(postgres.url, tmp_path, POLICIES) as service, operator(service) as calls:
                ids = calls.enqueue(*(new_job(queue, n) for n in range(20)))
                runs = calls.claim(queue, most=5)
                os.kill(server.pid, signal.SIGKILL)
                asyncio.run(server.exited())
                with pytest.raises(grpc.RpcError) as error:
                    calls.complete(runs[0])
                assert Refusal.of(error.value).status == "UNAVAILABLE"
                eventually_blocking(lambda: not service.is_active(), what="the service says that it does not serve")
                server = start()
                service.await_active(within=20)
                assert [calls.complete(run) for run in runs] == [COMMITTED] * 5
                assert [run.job_id for run in calls.claim(queue, most=50)] == ids[5:]
        finally:
            asyncio.run(server.stop())


# ---- under load ---------------------------------------------------------------------------------------------------------


class Load:
    """Producers and workers that never give up, and what they were told."""

    def __init__(self, service: QueueServiceUnderTest, jobs: int) -> None:
        self._service = service
        self._jobs = jobs
        self.acknowledged: set[str] = set()
        #: Job id → the tags of the runs whose completion was acknowledged.
        self.completed: dict[str, set[str]] = {}
        self.done = threading.Event()

    def produce(self) -> None:
        with operator(self._service) as calls:
            for number in range(self._jobs // 5):
                request = pb.EnqueueJobsRequest(
                    jobs=[new_job("test", number * 5 + n) for n in range(5)], request_id=str(uuid_utils.uuid7())
                )
                answer = self._insist(lambda request=request: calls.jobs.EnqueueJobs(request, 5))
                assert answer is not None
                self.acknowledged |= {job.id for job in answer.jobs}

    def work(self) -> None:
        with operator(self._service) as calls:
            while not self.done.is_set():
                runs = self._insist(lambda: calls.claim("test", most=10, wait=0.2)) or []
                for run in runs:
                    self._complete(calls, run)

    def _complete(self, calls: Calls, run: work_service_pb2.Assignment) -> None:
        tag = str(uuid.uuid4())

        def complete() -> bool:
            try:
                calls.complete(run, tag)
            except grpc.RpcError as error:
                if Refusal.of(error).reason == "STALE_LEASE":
                    return False
                raise
            return True

        if self._insist(complete):
            self.completed.setdefault(run.job_id, set()).add(tag)

    def _insist(self, act: Callable[[], T]) -> T | None:
        """The answer, however often the service has to be asked; None when the load is over."""
        answers: list[T] = []

        def ask() -> bool:
            try:
                answers.append(act())
            except grpc.RpcError as error:
                if Refusal.of(error).status not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                    raise
                return self.done.is_set()
            return True

        eventually_blocking(ask, within=40, what="an answer")
        return answers[0] if answers else None


def test_kills_under_load_lose_no_acknowledged_job_and_end_each_once(service: QueueServiceUnderTest):
    jobs = 300
    load = Load(service, jobs)
    with ThreadPoolExecutor(4) as pool:
        producers = [pool.submit(load.produce)]
        workers = [pool.submit(load.work) for _ in range(2)]
        for share in (0.2, 0.5, 0.8):
            enough = int(jobs * share)
            eventually_blocking(lambda enough=enough: len(load.acknowledged) >= enough, within=40)
            service.restart()
        for producer in producers:
            producer.result(60)
        eventually_blocking(lambda: len(ended(service)) >= jobs, within=40, what="every job has ended")
        load.done.set()
        for worker in workers:
            worker.result(60)
    results = ended(service)
    assert len(load.acknowledged) == jobs
    assert set(results) == load.acknowledged, "no job was lost, none was stored twice"
    assert all(len(tags) == 1 for tags in load.completed.values()), "no job was completed by two runs"
    assert all(results[job_id] in tags for job_id, tags in load.completed.items()), "what was acknowledged is stored"


def ended(service: QueueServiceUnderTest) -> dict[str, str]:
    rows = service.execute(
        "SELECT id::text, result #>> '{}' FROM jobline.jobs WHERE state = 'succeeded' AND queue = 'test'"
    )
    return dict(rows)
