"""Whatever lets a job start wakes the claimer; and should that fail one day, it is noticed, mended and told."""

from __future__ import annotations

import logging
import signal
import time

import psycopg
import pytest

from jobline_queue.core.errors import JoblineError
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch import claimer
from jobline_queue.dispatch.inspection import END
from jobline_queue.dispatch.session import Session
from support.eventually import eventually, eventually_blocking
from support.hooked_core import HookedCore, hooked_core
from support.queue_calls import Calls, new_job
from support.queue_service import QueueServiceUnderTest

#: The database takes its time with jobs of a kind, and will not have them then.
REFUSE = """
CREATE FUNCTION jobline.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(0.6); RAISE EXCEPTION 'not these'; END $$;
CREATE TRIGGER refused BEFORE INSERT ON jobline.jobs
FOR EACH ROW WHEN (NEW.kind = 'refused') EXECUTE FUNCTION jobline.refuse();
"""


def handed(session: Session) -> list[str]:
    return [item.job.id for item in session.outbox.assignments]


async def store_past_the_claimer(core: HookedCore) -> LiveJob:
    """A job that is stored and in the order, of which nobody has told the claimer."""
    (job_id,) = await core.enqueue(NewJob("q", "noted"))
    job = core.active.dispatcher.jobs[job_id]
    core.active.dispatcher.withdraw(job)
    return job


async def test_the_room_that_a_refused_enqueue_had_taken_goes_to_the_job_that_came_due_meanwhile(fresh_database: str):
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(REFUSE)
    async with hooked_core(fresh_database) as core:
        worker = core.stream("q", ["noted", "refused"], room=1)
        (late,) = await core.enqueue(NewJob("q", "noted", run_at=time.time() + 0.3))
        with pytest.raises(JoblineError):
            await core.enqueue(NewJob("q", "refused"))
        assert time.time() > core.active.dispatcher.jobs[late].run_at, "it came due while there was no room"
        await eventually(lambda: handed(worker) == [late], within=claimer.LOOK_AGAIN / 2, what="it is handed out")


async def test_a_job_that_nobody_was_told_of_is_found_and_reported(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(claimer, "LOOK_AGAIN", 0.2)
    async with hooked_core(fresh_database) as core:
        job = await store_past_the_claimer(core)
        worker = core.stream("q", ["noted"], room=1)
        await eventually(lambda: core.active.claimer.looks.at > worker.connected_at, what="the claimer has looked")
        assert handed(worker) == []
        core.active.dispatcher.restore(job)
        await eventually(lambda: handed(worker) == [job.id], what="it is handed out")
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == [f"{claimer.LOST_WAKE_UP}: q"]


async def test_looks_without_a_reason_find_nothing_and_say_nothing(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(claimer, "LOOK_AGAIN", 0.05)
    async with hooked_core(fresh_database) as core:
        worker = core.stream("q", ["noted"], room=100)
        late = [await core.enqueue(NewJob("q", "noted", run_at=time.time() + 0.02 * n)) for n in range(20)]
        await eventually(lambda: len(handed(worker)) == len(late), what="all are handed out")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_signal_has_the_service_tell_its_state(service: QueueServiceUnderTest, calls: Calls, queue: str):
    calls.enqueue(new_job(queue), new_job(queue))
    calls.claim(queue)
    assert service.process is not None
    service.process.send(signal.SIGUSR1)
    eventually_blocking(lambda: END in service.log, what="the state is told")
    line = next(line for line in service.log.splitlines() if f"state: queue {queue}: " in line)
    assert line.endswith("not paused, 1 due, 0 delayed, 1 running, 0 being claimed")
