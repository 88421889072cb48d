"""What a run looks like while it runs: progress, labels and estimates, polled and watched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobline.v1 import content_service_pb2 as pb
from support.content_owner import (
    GENERATION,
    STEPS,
    ContentOwner,
    ContentWatch,
    analysed_page,
    analysis_result,
    report_step,
)
from support.eventually import eventually_blocking
from support.generation_jobs import result
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

QUEUED, DONE = ("queued", 0, ""), ("succeeded", 100, "")


def shown(owner: ContentOwner, job_id: str) -> tuple[int, str]:
    job = owner.job(job_id)
    return job.progress, job.current_step


def await_shown(owner: ContentOwner, job_id: str, progress: int, step: str) -> pb.ContentJob:
    told = (progress, step)
    eventually_blocking(lambda: shown(owner, job_id) == told, what=f"{told}, not {shown(owner, job_id)}")
    return owner.job(job_id)


# ---- polled -------------------------------------------------------------------------------------------------------------


def test_the_four_steps_are_told_in_order_and_the_progress_rises(owner: ContentOwner):
    """p of a step counts a quarter of its percents, rounded half up: 50 % of the first one are 12.5 of the whole."""
    job_id, run = owner.begin()
    seen = [owner.job(job_id)]
    for number, (step, label) in enumerate(STEPS.items()):
        for current, more in ((0, 0), (48, 12), (50, 13), (100, 25)):
            report_step(owner.operator, run, step, current, 100)
            half_up = 25 * number + more if current != 50 else int(25 * number + 12.5 + 0.5)
            seen.append(await_shown(owner, job_id, half_up, label))
    owner.operator.report(run, analyze_website=analysed_page())
    owner.operator.complete(run, analysis_result())
    seen.append(owner.job(job_id))
    progress = [job.progress for job in seen]
    assert progress == sorted(progress)
    assert [label for label in dict.fromkeys(job.current_step for job in seen) if label] == list(STEPS.values())
    changed = [job.updated_at.ToNanoseconds() for job in seen]
    assert changed == sorted(changed)
    estimates = [job.estimated_seconds_remaining for job in seen[:-1]]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[-1] == 0


def test_steps_that_are_not_of_the_four_do_not_mislead(owner: ContentOwner):
    job_id, run = owner.begin()
    report_step(owner.operator, run, "warming_up", 1, 2)
    eventually_blocking(
        lambda: owner.service.execute("SELECT step FROM jobline.jobs WHERE id = %s", job_id) == [("warming_up",)],
        what="the step is recorded",
    )
    assert shown(owner, job_id) == (0, "Analyzing website…")


def test_a_text_is_at_ten_percent_until_it_is_there(owner: ContentOwner):
    job_id = owner.write()
    assert shown(owner, job_id) == (0, "")
    run = owner.claim(GENERATION)
    first = owner.job(job_id)
    assert (first.progress, first.current_step) == (10, "running")
    assert 0 <= first.estimated_seconds_remaining <= 20
    report_step(owner.operator, run, "draft", 90, 100)
    assert shown(owner, job_id) == (10, "running")
    owner.operator.complete(run, result())
    assert shown(owner, job_id) == (100, "")


def test_estimates_follow_how_long_jobs_take(owner: ContentOwner):
    mean = "SELECT seconds FROM jobline.content_durations WHERE kind = 'website_analysis'"
    ((before,),) = owner.service.execute(mean)
    owner.analysed()
    ((after,),) = owner.service.execute(mean)
    assert 0.8 * before <= after < 0.8 * before + 0.2 * 60
    job_id, _ = owner.begin()
    assert owner.job(job_id).estimated_seconds_remaining == round(after)


# ---- watched ------------------------------------------------------------------------------------------------------------


def test_a_watch_tells_the_present_every_change_and_the_end(owner: ContentOwner):
    job_id = owner.analyse()
    watch = ContentWatch(owner, job_id)
    watch.await_seen(*QUEUED)
    run = owner.claim()
    watch.await_seen("running", 0, "Analyzing website…")
    report_step(owner.operator, run, "generate_audiences", 1, 2)
    watch.await_seen("running", 38, "Generating audiences…")
    owner.operator.report(run, analyze_website=analysed_page())
    owner.operator.complete(run, analysis_result())
    assert watch.await_end() is None
    assert watch.seen()[-1] == DONE
    assert watch.jobs[-1].result_json
    assert [progress for _, progress, _ in watch.seen()] == sorted(progress for _, progress, _ in watch.seen())


def test_a_burst_of_changes_is_told_by_its_last_one(owner: ContentOwner):
    job_id, run = owner.begin()
    watch = ContentWatch(owner, job_id)
    watch.await_seen("running", 0, "Analyzing website…")
    for current in range(1, 101):
        report_step(owner.operator, run, "analyze_website", current, 100)
    watch.await_seen("running", 25, "Analyzing website…")
    assert len(watch.jobs) < 50
    owner.operator.fail(run, "FETCH_FAILED", message="Could not fetch it: HTTP 503")
    assert watch.await_end() is None
    assert (watch.jobs[-1].error, watch.jobs[-1].error_code) == ("Could not fetch it: HTTP 503", "FETCH_FAILED")


def test_a_job_that_has_ended_is_told_once(owner: ContentOwner):
    job_id = owner.analyse()
    owner.cancel(job_id)
    watch = ContentWatch(owner, job_id)
    assert watch.await_end() is None
    assert [(job.error, job.error_code) for job in watch.jobs] == [("Cancelled", "CANCELLED")]


def test_a_watch_ends_with_a_cancel_and_with_a_removal(owner: ContentOwner):
    cancelled, removed = owner.analyse(), owner.analyse()
    watches = [ContentWatch(owner, cancelled), ContentWatch(owner, removed)]
    for watch in watches:
        watch.await_seen(*QUEUED)
    owner.cancel(cancelled)
    assert watches[0].await_end() is None
    assert watches[0].jobs[-1].error_code == "CANCELLED"
    owner.operator.delete(removed)
    refusal = watches[1].await_end()
    assert refusal is not None
    assert refusal.reason == "JOB_NOT_FOUND"


def test_nobody_watches_the_job_of_another(owner: ContentOwner, visitor: ContentOwner):
    refusal = ContentWatch(visitor, owner.analyse()).await_end()
    assert refusal is not None
    assert refusal.reason == "JOB_NOT_FOUND"


@pytest.fixture
def mortal(databases: Databases, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path) as running:
        yield running


def test_a_watch_breaks_with_its_service_and_is_opened_again(mortal: QueueServiceUnderTest):
    owner = ContentOwner(mortal)
    job_id, run = owner.begin()
    report_step(owner.operator, run, "generate_images", 1, 2)
    watch = ContentWatch(owner, job_id)
    watch.await_seen("running", 88, "Generating images…")
    mortal.stop()
    refusal = watch.await_end()
    assert refusal is not None
    assert refusal.status == "UNAVAILABLE"
    mortal.start()
    owner.calls.channel_ready()
    again = ContentWatch(owner, job_id)
    again.await_seen("running", 88, "Generating images…")
    owner.operator.channel_ready()
    owner.operator.complete(run, analysis_result())
    assert again.await_end() is None
    assert again.seen()[-1] == DONE
    owner.close()
