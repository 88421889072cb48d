"""What the database does to the service: sessions that end, lost answers, locks, deadlocks. Covers F3, F4 and F17."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import grpc
import psycopg
import pytest
from psycopg import sql

from jobline.client import AsyncJoblineClient
from jobline.v1 import work_service_pb2
from support.eventually import eventually, eventually_blocking
from support.invariants import Evidence, violations
from support.queue_calls import Calls, RawWorker, Refusal, new_job
from support.queue_service import QueueServiceUnderTest, execute, queue_service
from support.stack import Databases, EmbeddedPair
from support.steady import Handled, all_ended, enqueue_all, steady_worker
from support.tcp_proxy import TcpProxy, tcp_proxy

POLICIES = """
[queues.test]
lease = "20s"
receipt = "10s"
max_attempts = 5
"""
COMMITTED = work_service_pb2.OUTCOME_STATUS_COMMITTED


@pytest.fixture(scope="module")
def one_service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("faults"), POLICIES) as running:
        yield running


@pytest.fixture
def service(one_service: QueueServiceUnderTest) -> Iterator[QueueServiceUnderTest]:
    """The module's service: active before each test, and whole after it."""
    one_service.await_active()
    yield one_service
    one_service.await_active()
    assert one_service.faults == []
    assert violations(Evidence.read(one_service.database_url)) == []


def end_sessions(database_url: str, which: str = "") -> int:
    """Ends the queue service's sessions, or those of one name; how many."""
    rows = execute(
        database_url,
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE %s""",
        f"jobline-queue {which}%",
    )
    return len(rows)


def status_of(answer: Future[Any]) -> str:
    """`OK`, or the status of the refusal; the deadline of the call is far beyond what is waited here."""
    try:
        answer.result(8)
    except grpc.RpcError as error:
        return Refusal.of(error).status
    return "OK"


@contextlib.contextmanager
def blocked(service: QueueServiceUnderTest, act: Callable[[], object]) -> Iterator[Future[Any]]:
    """The call, once its statement waits for a lock on the table of jobs."""
    with psycopg.connect(service.database_url) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("LOCK TABLE jobline.jobs IN EXCLUSIVE MODE")
        answer = pool.submit(act)
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually_blocking(lambda: service.execute(waits), what="the statement waits")
        yield answer


# ---- F3: sessions end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["enqueue", "complete", "cancel"])
def test_f3_whoever_waits_for_a_statement_when_the_term_ends_is_told_so_at_once(
    service: QueueServiceUnderTest, calls: Calls, queue: str, act: str
):
    """Another session broke, so the statement itself goes on: nobody will ever read its answer."""
    running, pending = calls.enqueue(new_job(queue), new_job(queue))
    run = calls.claim_one(queue)
    assert run.job_id == running
    acts: dict[str, Callable[[], object]] = {
        "enqueue": lambda: calls.enqueue(new_job(queue)),
        "complete": lambda: calls.complete(run),
        "cancel": lambda: calls.cancel(pending),
    }
    with blocked(service, acts[act]) as answer:
        eventually_blocking(lambda: end_sessions(service.database_url, "maintenance"), what="a session is ended")
        assert status_of(answer) == "UNAVAILABLE"


async def test_f3_sessions_that_end_all_the_time_lose_and_repeat_nothing(service: QueueServiceUnderTest, queue: str):
    handled = Handled()
    ended = 0
    async with (
        AsyncJoblineClient([service.address], service.operator_token, deadline=30.0) as client,
        steady_worker([service.address], handled, queues={queue: 4}, seconds=0.01),
    ):
        producing = asyncio.create_task(enqueue_all(client, 120, queue))
        for _ in range(5):
            seen = len(handled.runs)
            await eventually(lambda seen=seen: len(handled.runs) > seen or producing.done(), within=20)
            ended += await asyncio.to_thread(end_sessions, service.database_url)
        ids = await producing
        await eventually(lambda: len(handled.runs) == len(ids), within=30, what="every job has begun")
    assert ended >= 10
    rows = service.execute("SELECT id::text, state, attempt FROM jobline.jobs WHERE queue = %s", queue)
    assert sorted(rows) == sorted((job_id, "succeeded", 1) for job_id in ids)
    assert handled.again() == {}


def test_f3_a_fail_over_to_a_read_only_server_is_an_outage_and_no_fault_of_callers(
    service: QueueServiceUnderTest, calls: Calls, embedded: EmbeddedPair, queue: str
):
    """Sessions that live on become read-only, as when a primary is demoted under them."""
    (first,) = calls.enqueue(new_job(queue))
    run = calls.claim_one(queue)
    with read_only(embedded):
        told = {status_of_call(act) for act in (lambda: calls.enqueue(new_job(queue)), lambda: calls.complete(run))}
        assert told == {"UNAVAILABLE"}
        eventually_blocking(lambda: not service.is_active(), within=15, what="the service says that it does not serve")
    service.await_active()
    assert calls.complete(run) == COMMITTED
    (second,) = calls.enqueue(new_job(queue))
    assert service.execute("SELECT id::text, state FROM jobline.jobs WHERE queue = %s ORDER BY seq", queue) == [
        (first, "succeeded"),
        (second, "pending"),
    ]


@contextlib.contextmanager
def read_only(embedded: EmbeddedPair) -> Iterator[None]:
    def alter(statement: str) -> None:
        with psycopg.connect(embedded.superuser_url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(statement.encode())
            connection.execute("SELECT pg_reload_conf()")

    alter("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        eventually_blocking(
            lambda: execute(embedded.superuser_url, "SHOW default_transaction_read_only") == [("on",)],
            what="the server is read-only",
        )
        yield
    finally:
        alter("ALTER SYSTEM RESET default_transaction_read_only")


def status_of_call(act: Callable[[], object]) -> str:
    try:
        act()
    except grpc.RpcError as error:
        return Refusal.of(error).status
    return "OK"


# ---- F4: nobody knows whether it was committed --------------------------------------------------------------------------


async def test_f4_commits_whose_answer_is_lost_count_once(databases: Databases, tmp_path: Path):
    """The link to the database goes deaf on one side: statements arrive, answers do not; then it breaks."""
    handled = Handled()
    with databases.fresh() as url:
        parts = urlsplit(url)
        async with tcp_proxy(f"{parts.hostname}:{parts.port}") as link:
            through = urlunsplit(
                parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{link.address.rpartition(':')[2]}"))
            )
            service = QueueServiceUnderTest(through, tmp_path, POLICIES)
            service.start(wait=False)
            await asyncio.to_thread(service.await_active)
            try:
                await _lose_answers(service, link, handled, url)
            finally:
                service.kill()
        evidence = Evidence.read(url)
    assert violations(evidence, drained=True) == []
    assert {job.attempt for job in evidence.jobs.values()} == {1}
    assert handled.again() == {}
    assert service.faults == []


async def _lose_answers(service: QueueServiceUnderTest, link: TcpProxy, handled: Handled, url: str) -> None:
    async with (
        AsyncJoblineClient([service.address], service.operator_token, deadline=40.0) as client,
        steady_worker([service.address], handled, seconds=0.005),
    ):
        producing = asyncio.create_task(enqueue_all(client, 100))
        for _ in range(4):
            seen = len(handled.runs)
            await eventually(lambda seen=seen: len(handled.runs) > seen + 4 or producing.done(), within=30)
            dropped = link.dropped
            link.mute()
            await eventually(lambda dropped=dropped: link.dropped > dropped, within=10, what="an answer was lost")
            link.cut()
            link.heal()
        ids = await producing
        assert len(set(ids)) == 100
        await all_ended(url)
        rows = execute(url, "SELECT id::text FROM jobline.jobs")
        assert sorted(row[0] for row in rows) == sorted(ids), "nothing is lost, nothing was stored twice"


# ---- F17: locks and deadlocks -------------------------------------------------------------------------------------------


def test_f17_a_lock_that_is_not_granted_in_time_is_an_outage_and_leaves_nothing_half_done(
    service: QueueServiceUnderTest, calls: Calls, queue: str
):
    running, pending = calls.enqueue(new_job(queue), new_job(queue))
    run = calls.claim_one(queue)
    name = sql.Identifier(urlsplit(service.database_url).path[1:])
    with psycopg.connect(service.database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("ALTER DATABASE {} SET lock_timeout = '200ms'").format(name))
        try:
            end_sessions(service.database_url)
            eventually_blocking(lambda: status_of_call(lambda: calls.heartbeat(run)) == "OK", within=20)
            with psycopg.connect(service.database_url) as holder:
                holder.execute("LOCK TABLE jobline.jobs IN EXCLUSIVE MODE")
                acts = [
                    lambda: calls.enqueue(new_job(queue)),
                    lambda: calls.complete(run),
                    lambda: calls.cancel(pending),
                ]
                assert [status_of_call(act) for act in acts] == ["UNAVAILABLE"] * 3
        finally:
            owner.execute(sql.SQL("ALTER DATABASE {} RESET lock_timeout").format(name))
    service.await_active()
    assert calls.complete(run) == COMMITTED
    assert calls.state(pending) == "pending"
    assert len(service.execute("SELECT 1 FROM jobline.jobs WHERE queue = %s", queue)) == 2
    assert calls.state(running) == "succeeded"


def test_f17_a_flush_that_loses_a_deadlock_is_tried_again(service: QueueServiceUnderTest, calls: Calls, queue: str):
    """The only other writers are people and the trigger that removes the jobs of a deleted user. The flush waited first, so
    its session is the one that PostgreSQL ends."""
    first, second = sorted(calls.enqueue(new_job(queue), new_job(queue)))
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(2)
    runs = sorted(worker.await_jobs(2), key=lambda run: run.job_id)
    before = deadlocks(service)
    lock = "SELECT 1 FROM jobline.jobs WHERE id = %s FOR UPDATE"
    with psycopg.connect(service.database_url) as other:
        other.execute(lock, (second,))
        worker.complete(*runs)
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually_blocking(lambda: service.execute(waits), what="the flush waits for the second row")
        other.execute(lock, (first,))
    assert [worker.await_ack(run) for run in runs] == ["COMMITTED"] * 2
    worker.cut()
    eventually_blocking(lambda: deadlocks(service) == before + 1, what="there was a deadlock")


def deadlocks(service: QueueServiceUnderTest) -> int:
    found = service.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(found[0][0])


def test_f17_acts_on_the_same_jobs_in_opposite_orders_never_deadlock(
    service: QueueServiceUnderTest, calls: Calls, queue: str
):
    """Many callers at once; every answer is a clean one."""
    ids = calls.enqueue(*(new_job(queue, n) for n in range(60)))
    before = deadlocks(service)
    acts: list[tuple[Callable[[str], object], list[str]]] = [
        (calls.cancel, ids),
        (calls.cancel, ids[::-1]),
        (calls.retry, ids),
        (calls.retry, ids[::-1]),
        (calls.delete, ids[::3]),
        (calls.delete, ids[::-3]),
    ]

    def through(act: Callable[[str], object], order: list[str]) -> set[str]:
        return {status_of_call(lambda job_id=job_id: act(job_id)) for job_id in order}

    with ThreadPoolExecutor(len(acts)) as pool:
        told = set().union(*pool.map(lambda pair: through(*pair), acts))
    assert told <= {"OK", "FAILED_PRECONDITION", "NOT_FOUND"}
    assert deadlocks(service) == before
