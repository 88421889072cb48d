"""What a run looks like while it runs: progress, labels and estimates, polled."""

from __future__ import annotations

from jobline.v1 import content_service_pb2 as pb
from support.content_owner import (
    GENERATION,
    STEPS,
    ContentOwner,
    analysed_page,
    analysis_result,
    report_step,
)
from support.eventually import eventually_blocking
from support.generation_jobs import result


def shown(owner: ContentOwner, job_id: str) -> tuple[int, str]:
    job = owner.job(job_id)
    return job.progress, job.current_step


def await_shown(owner: ContentOwner, job_id: str, progress: int, step: str) -> pb.ContentJob:
    told = (progress, step)
    eventually_blocking(lambda: shown(owner, job_id) == told, what=f"{told}, not {shown(owner, job_id)}")
    return owner.job(job_id)


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
    assert all(job.estimated_seconds_remaining >= 0 for job in seen[:-1])
    assert not seen[-1].HasField("estimated_seconds_remaining")


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
    """The first guess is 30 seconds; runs of these tests take less than one."""
    owner.analysed()
    job_id, _ = owner.begin()
    shown_job = owner.job(job_id)
    assert shown_job.estimated_seconds_remaining < 10
    told = owner.operator.job(job_id).eta.p50.ToTimedelta().total_seconds()
    assert abs(shown_job.estimated_seconds_remaining - told) <= 1


def test_the_mean_of_how_long_jobs_take_is_kept_for_a_first_guess(owner: ContentOwner):
    mean = "SELECT seconds FROM jobline.content_durations WHERE kind = 'website_analysis'"
    ((before,),) = owner.service.execute(mean)
    owner.analysed()
    ((after,),) = owner.service.execute(mean)
    assert 0.8 * before <= after < 0.8 * before + 0.2 * 60
