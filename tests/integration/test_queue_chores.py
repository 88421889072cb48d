"""`jobline-queue chores`: RQ's cron and its spawning worker, with a Redis that comes and goes."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from support.chores import OFTEN, MortalValkey, chores, mortal_valkey
from support.eventually import eventually_blocking
from support.ingestion_house import IngestionHouse, house_of
from support.processes import ProgramUnderTest, clean_environ, living
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest
from support.worker_service import WorkerService

NEVER = "0 0 29 2 *"
DONE = "jobline_queue.chores.cleanup 0 jobs deleted"


@pytest.fixture(scope="module")
def valkey() -> Iterator[MortalValkey]:
    with mortal_valkey() as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(service: QueueServiceUnderTest, valkey: MortalValkey) -> None:
    service.execute("DELETE FROM jobline.chore_runs")
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()


def granted(service: QueueServiceUnderTest) -> list[datetime]:
    """The times that were served, in their order."""
    rows = service.execute("SELECT fire_time FROM jobline.chore_runs WHERE name = 'cleanup' ORDER BY fire_time")
    return [row[0] for row in rows]


def done(*programs: ProgramUnderTest) -> int:
    return sum(program.errors.read_text().count(DONE) for program in programs)


def horses(program: ProgramUnderTest) -> list[psutil.Process]:
    return psutil.Process(program.pid).children()


def test_two_schedulers_serve_each_time_once_and_go_on_after_redis_was_lost(
    service: QueueServiceUnderTest, calls: Calls, queue: str, valkey: MortalValkey, tmp_path: Path
):
    with chores(service, valkey.url, tmp_path, "one") as one, chores(service, valkey.url, tmp_path, "two") as two:
        eventually_blocking(lambda: len(granted(service)) >= 2, within=60, what="two times are served")
        with redis.Redis.from_url(valkey.url) as client:
            ticks = client.zcard("jobline-chores:cron_job:cleanup:jobs")
            assert all(key.startswith(b"jobline-chores:") for key in client.scan_iter())
        valkey.kill()
        calls.enqueue(*(new_job(queue, n) for n in range(20)))
        for run in calls.claim(queue, most=20):
            calls.complete(run)
        lost = "WARNING chores jobline_queue.chores.cron Redis does not answer"
        eventually_blocking(lambda: all(lost in each.errors.read_text() for each in (one, two)), within=30)
        ((back,),) = service.execute("SELECT now()")
        valkey.start()
        eventually_blocking(lambda: granted(service)[-1] > back, within=60, what="the chores go on")
        assert [one.returncode, two.returncode] == [None, None], "no process had to be started again"
        began = time.monotonic()
        assert [one.stop(), two.stop()] == [0, 0]
        assert time.monotonic() - began < 20
    times = granted(service)
    assert ticks > 2, "both of them enqueue"
    assert len(times) - 2 <= done(one, two) <= len(times), (
        "each time that was granted was served, but for what a stop ended"
    )
    for program in (one, two):
        log = program.errors.read_text()
        assert [log.count("Redis does not answer"), log.count("Redis is back")] == [1, 1]
        assert "Traceback" not in log


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def test_the_chores_work_off_what_no_stream_pulls_and_remove_what_is_old(
    service: QueueServiceUnderTest, house: IngestionHouse, valkey: MortalValkey, tmp_path: Path
):
    old = house.enqueue()
    house.cancel(old)
    service.execute("UPDATE jobline.jobs SET finished_at = now() - interval '8 days' WHERE id = %s", old)
    started = [house.start(generate_embeddings=False).id for _ in range(5)]
    streamed = {"JOBLINE_WORKER_QUEUES": "nothing_comes_here"}
    tokens = {"JOBLINE_SERVICE_TOKENS": f"chores:operator:{service.operator_token}"}
    worker = WorkerService(service.address, service.worker_token, tmp_path, **streamed, **tokens)
    try:
        eventually_blocking(lambda: worker.is_healthy("jobline.v1.WorkerControlService"), within=60)
        settings = {"JOBLINE_WORKER_ADDRESS": worker.address, "JOBLINE_PROCESS_CRON": OFTEN, **streamed}
        with chores(service, valkey.url, tmp_path, **settings) as program:
            eventually_blocking(lambda: {house.status(each) for each in started} == {"COMPLETED"}, within=60)
            eventually_blocking(lambda: "2 jobs processed" in program.errors.read_text(), within=30)
            log = program.errors.read_text()
    finally:
        worker.kill()
    assert "INFO    chores jobline_queue.chores.cleanup 1 jobs deleted" in log
    assert re.findall(r"chores\.ingestion ([1-9]) jobs processed", log) == ["3", "2"]
    with refused("JOB_NOT_FOUND"):
        house.operator.get(old)


@pytest.fixture
def deaf_worker() -> Iterator[str]:
    """An address where somebody takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_stop_ends_what_runs_and_a_process_that_dies_is_followed_by_the_next(
    service: QueueServiceUnderTest, valkey: MortalValkey, tmp_path: Path, deaf_worker: str
):
    settings = {
        "JOBLINE_CLEANUP_CRON": NEVER,
        "JOBLINE_PROCESS_CRON": OFTEN,
        "JOBLINE_WORKER_QUEUES": "email_default,vectorization",
        "JOBLINE_WORKER_ADDRESS": deaf_worker,
    }
    asked = "SELECT count(*) FROM jobline.chore_runs WHERE name = 'ingestion'"
    with chores(service, valkey.url, tmp_path, **settings) as program:
        eventually_blocking(lambda: service.execute(asked) == [(1,)], within=30, what="the worker was asked")
        (horse,) = horses(program)
        password = str(urlsplit(valkey.url).password)
        assert not any(password in word for process in program.family() for word in process.cmdline())
        horse.kill()
        eventually_blocking(lambda: service.execute(asked) == [(2,)], within=30, what="the next time is served")
        assert (
            "ERROR   chores jobline_queue.chores.worker the process of ('ingestion',) ended"
            in program.errors.read_text()
        )
        family = program.family()
        assert len(family) == 2
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 20
        assert living(family) == []


def test_chores_begin_without_redis_and_a_queue_that_does_not_answer_is_an_error_in_the_log(
    service: QueueServiceUnderTest, valkey: MortalValkey, tmp_path: Path
):
    valkey.kill()
    with chores(service, valkey.url, tmp_path, JOBLINE_TOKEN="nobody's token of a test") as program:
        lost = "Redis does not answer"
        eventually_blocking(lambda: lost in program.errors.read_text(), within=30, what="Redis is missed")
        valkey.start()
        refused = "ERROR   chores jobline_queue.chores.cleanup not done: "
        eventually_blocking(lambda: refused in program.errors.read_text(), within=30, what="a chore was refused")
        assert program.stop() == 0
    assert granted(service) == []


def test_without_a_cron_the_command_ends_at_once(tmp_path: Path):
    program = ProgramUnderTest(("-m", "jobline_queue", "chores"), clean_environ(JOBLINE_CRON="off"), tmp_path, "off")
    assert program.wait() == 0
