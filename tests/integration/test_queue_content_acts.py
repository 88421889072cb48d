"""Cancels and retries of content jobs, what becomes of lost runs, and the Redis that must answer before any is stored."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobline.v1 import content_service_pb2 as pb
from jobline.v1 import work_service_pb2
from support.content_owner import ANALYSIS, GENERATION, QUEUE, ContentOwner, analysed_page, analysis_result, report_step
from support.eventually import eventually_blocking
from support.queue_calls import RawWorker, refused
from support.queue_service import queue_service
from support.stack import Databases
from support.tcp_proxy import tcp_proxy

CANCELLED = ("failed", "Cancelled", "CANCELLED")
TIMES = "SELECT cancelled_at, started_at, finished_at FROM public.jobs WHERE id = %s"


def ending(owner: ContentOwner, job_id: str) -> tuple[str, str, str]:
    job = owner.job(job_id)
    return owner.status(job_id), job.error, job.error_code


def times(owner: ContentOwner, job_id: str) -> tuple[Any, Any, Any]:
    ((*found,),) = owner.service.execute(TIMES, job_id)
    return tuple(found)


def stop(owner: ContentOwner, run: work_service_pb2.Assignment) -> None:
    """The worker says that it stopped at a step boundary."""
    worker = RawWorker(owner.operator, QUEUE, kinds=[ANALYSIS])
    worker.await_welcome()
    worker.outcome(run, cancelled=work_service_pb2.Cancelled())
    assert worker.await_ack(run) == "COMMITTED"
    worker.cut()


# ---- cancel -------------------------------------------------------------------------------------------------------------


def test_a_cancelled_queued_job_has_failed_at_once_and_never_runs(owner: ContentOwner):
    job_id = owner.analyse()
    owner.cancel(job_id)
    assert ending(owner, job_id) == CANCELLED
    assert owner.job(job_id).progress == 0
    cancelled_at, started_at, finished_at = times(owner, job_id)
    assert (cancelled_at == finished_at, cancelled_at is None, started_at) == (True, False, None)
    assert owner.operator.claim(QUEUE, kinds=[ANALYSIS]) == []


def test_a_cancelled_running_job_runs_on_to_its_next_boundary(owner: ContentOwner):
    job_id, run = owner.begin()
    assert report_step(owner.operator, run, "generate_audiences") == work_service_pb2.LEASE_STATE_HELD
    owner.cancel(job_id)
    asked_at = times(owner, job_id)[0]
    assert owner.status(job_id) == "running"
    owner.cancel(job_id)  # repeating it is no error
    assert times(owner, job_id) == (asked_at, times(owner, job_id)[1], None)
    assert report_step(owner.operator, run, "generate_audiences") == work_service_pb2.LEASE_STATE_CANCEL_REQUESTED
    stop(owner, run)
    assert ending(owner, job_id) == CANCELLED
    assert times(owner, job_id)[0] == asked_at < times(owner, job_id)[2]


def test_a_job_that_was_cancelled_in_its_last_step_does_not_succeed(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.operator.report(run, "generate_images", analyze_website=analysed_page())
    owner.cancel(job_id)
    with refused("CANCELLED"):
        owner.operator.complete(run, analysis_result())
    assert ending(owner, job_id) == CANCELLED
    assert owner.job(job_id).result_json == ""


def test_who_was_told_that_the_job_is_cancelled_sees_no_other_ending(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.cancel(job_id)
    owner.operator.fail(run, "PROVIDER_ERROR", message="HTTP 500")
    assert ending(owner, job_id) == CANCELLED
    details = [event.detail for event in owner.operator.explain(job_id).events if event.name == "cancelled"]
    assert details == ["failed after a cancel was requested: PROVIDER_ERROR: HTTP 500"]


def test_a_job_that_has_ended_cannot_be_cancelled(owner: ContentOwner):
    job_id = owner.analyse()
    owner.cancel(job_id)
    with refused("ILLEGAL_TRANSITION") as seen:
        owner.cancel(job_id)
    assert seen[0].metadata == {"state": "failed"}
    done = owner.analysed()
    assert done["success"]
    with refused("ILLEGAL_TRANSITION"):
        owner.cancel(owner.page(page_size=1).jobs[0].id)


# ---- retry --------------------------------------------------------------------------------------------------------------


def test_a_retried_job_is_as_new_and_really_runs_again(owner: ContentOwner):
    job_id, run = owner.begin()
    report_step(owner.operator, run, "generate_pitches", 1, 2)
    owner.operator.fail(run, "PROVIDER_ERROR", message="HTTP 500")
    owner.retry(job_id)
    job = owner.job(job_id)
    assert (owner.status(job_id), job.progress, job.current_step, job.error, job.error_code) == (
        "queued",
        0,
        "",
        "",
        "",
    )
    assert times(owner, job_id) == (None, None, None)
    again = owner.claim()
    assert (again.job_id, again.payload_json) == (run.job_id, run.payload_json)
    owner.operator.complete(again, analysis_result())
    assert owner.status(job_id) == "succeeded"


def test_a_cancelled_job_is_retried_like_a_failed_one(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.cancel(job_id)
    stop(owner, run)
    owner.retry(job_id)
    assert times(owner, job_id) == (None, None, None)
    assert owner.claim().job_id == job_id
    assert owner.status(job_id) == "running"


def test_only_failed_jobs_are_retried(owner: ContentOwner):
    job_id = owner.analyse()
    with refused("ILLEGAL_TRANSITION") as seen:
        owner.retry(job_id)
    assert seen[0].metadata == {"state": "queued"}
    run = owner.claim()
    with refused("ILLEGAL_TRANSITION"):
        owner.retry(job_id)
    owner.operator.complete(run, analysis_result())
    with refused("ILLEGAL_TRANSITION") as seen:
        owner.retry(job_id)
    assert seen[0].metadata == {"state": "succeeded"}


def test_finished_steps_are_kept_after_a_fault_and_forgotten_after_a_cancel(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.operator.report(run, analyze_website=analysed_page())
    owner.operator.fail(run, "PROVIDER_ERROR")
    owner.retry(job_id)
    again = owner.claim()
    assert [step.name for step in again.finished_steps] == ["analyze_website"]
    owner.cancel(job_id)
    stop(owner, again)
    owner.retry(job_id)
    assert list(owner.claim().finished_steps) == []


# ---- lost runs ----------------------------------------------------------------------------------------------------------


def lose(owner: ContentOwner, kind: str) -> None:
    """A worker takes the next job, says that it has it, and comes back without any memory of it."""
    session = str(uuid.uuid4())
    worker = RawWorker(owner.operator, QUEUE, kinds=[kind], session=session)
    worker.capacity(1)
    (run,) = worker.await_jobs(1)
    worker.heartbeat(run)
    eventually_blocking(lambda: worker.heartbeat_acks, what="the receipt")
    worker.cut()
    reborn = RawWorker(owner.operator, QUEUE, kinds=[kind], session=session)
    reborn.await_welcome()
    reborn.cut()


def test_a_lost_worker_fails_its_job(owner: ContentOwner):
    job_id = owner.analyse()
    lose(owner, ANALYSIS)
    owner.await_job(job_id, "failed")
    assert ending(owner, job_id) == ("failed", "Worker lost", "WORKER_LOST")


def test_a_lost_worker_fails_its_text_too(owner: ContentOwner):
    job_id = owner.write()
    lose(owner, GENERATION)
    owner.await_job(job_id, "failed")
    assert ending(owner, job_id) == ("failed", "Worker lost", "WORKER_LOST")


# ---- the Redis of JOBLINE_REDIS_URL -------------------------------------------------------------------------------------


async def test_without_its_redis_nothing_is_stored_and_the_rest_goes_on(
    databases: Databases, redis_url: str, tmp_path: Path
):
    async with tcp_proxy(urlsplit(redis_url).netloc.rpartition("@")[2]) as proxy:
        address = urlsplit(redis_url)
        through = address._replace(netloc=address.netloc.replace(address.netloc.rpartition("@")[2], proxy.address))
        with databases.fresh() as url, queue_service(url, tmp_path, JOBLINE_REDIS_URL=through.geturl()) as service:
            owner = ContentOwner(service)
            await asyncio.to_thread(_lives_without_redis, owner, proxy.refuse, proxy.stall, proxy.heal)
            owner.close()
            assert service.faults == []


def _lives_without_redis(owner: ContentOwner, *acts: Callable[[], None]) -> None:
    refuse, stall, heal = acts
    cancelled, waiting = owner.analyse(), owner.analyse()
    owner.cancel(cancelled)
    refuse()
    for act in (owner.analyse, owner.write, lambda: owner.retry(cancelled)):
        with refused("BROKER_UNAVAILABLE") as seen:
            act()
        assert seen[0].status == "UNAVAILABLE"
    assert [owner.status(each) for each in (cancelled, waiting)] == ["failed", "queued"]
    heal()
    stall()
    with refused("BROKER_UNAVAILABLE"):
        owner.analyse()
    assert owner.service.execute("SELECT count(*) FROM jobline.jobs") == [(2,)]
    owner.cancel(waiting)
    heal()
    owner.retry(cancelled)
    owner.retry(waiting)
    assert len(owner.page(statuses=[pb.CONTENT_JOB_STATUS_QUEUED]).jobs) == 2
