"""What a content_generation job leaves behind: its post and a spent credit together, or neither (jobs-api.md, "Credits")."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
import pytest_asyncio

from jobline_queue.core.ending import Completed, Failed, Outcome, Released, RunError, Snoozed, Stopped
from jobline_queue.core.errors import IllegalTransition, NotFound
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import CancelMode, QueuePolicy
from jobline_queue.dispatch.session import OutcomeStatus
from jobline_queue.modules.content.hooks import HOOKS
from support.generation_jobs import KIND, QUEUE, RESULT, SAVED_POST_KEYS, result
from support.generation_users import (
    await_state,
    claim,
    credits_of,
    done,
    error_of,
    grant,
    job_of,
    new_user,
    posts_of,
    result_of,
    start,
)
from support.hooked_core import HookedCore, hooked_core
from support.stack import Databases

#: Queues for what takes time to happen.
HASTY, TIMED, PATIENT = "hasty", "timed", "patient"
POLICIES = {
    QUEUE: QueuePolicy(QUEUE, max_running=3, max_attempts=1, cancel=CancelMode.BOUNDARY, retry_resumes=True),
    HASTY: QueuePolicy(HASTY, max_attempts=1, lease=0.5, receipt=0.5),
    TIMED: QueuePolicy(TIMED, max_attempts=1, timeout=0.3),
    PATIENT: QueuePolicy(PATIENT, max_attempts=5),
}
PAUSE = RunError("PROVIDER_ERROR", "503", True)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_core(databases: Databases) -> AsyncIterator[HookedCore]:
    with databases.fresh() as url:
        async with hooked_core(url, *HOOKS, policies=POLICIES) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def core(shared_core: HookedCore) -> AsyncIterator[HookedCore]:
    """Without jobs and users; what the test leaves is removed."""
    yield shared_core
    for (job_id,) in shared_core.rows("SELECT id::text FROM jobline.jobs"):
        with contextlib.suppress(NotFound):  # a row that was deleted by hand
            await shared_core.delete(job_id)
    shared_core.rows("DELETE FROM users")


INSUFFICIENT = ("failed", "INSUFFICIENT_CREDITS", "Insufficient credits")


# ---- the post -----------------------------------------------------------------------------------------------------------


async def test_a_success_saves_the_post_and_spends_its_credit_in_one_transaction(core: HookedCore):
    user = new_user(core, 2)
    run = await start(core, user, status="published")
    assert credits_of(core, user) == {"active": 1, "reserved": 1}
    assert await core.end(run, done()) is OutcomeStatus.COMMITTED
    stored = result_of(core, run.job.id)
    post = stored["savedPost"]
    assert sorted(post) == sorted(SAVED_POST_KEYS)
    assert (post["user_id"], post["organization_id"], post["status"]) == (user, "acme", "published")
    assert (post["topic_data"], post["word_count"]) == ({"title": "Planning", "angle": "daily"}, 7)
    assert post["generation_metadata"] == RESULT["data"]["generationMetadata"]
    assert post["internal_links_data"] == RESULT["data"]["internalLinks"]
    assert stored["imageGeneration"] == {**RESULT["imageGeneration"], "blogPostId": post["id"]}
    assert {**stored, "savedPost": None, "imageGeneration": None} == {**RESULT, "imageGeneration": None}
    ((row, at),) = core.rows("SELECT to_jsonb(p), created_at = %s FROM blog_posts p", post["created_at"])
    assert at
    assert {key: row[key] for key in SAVED_POST_KEYS[:-1]} == {key: post[key] for key in SAVED_POST_KEYS[:-1]}
    assert row["job_id"] == run.job.id
    spent = """
        SELECT c.status, c.used_for_type, c.job_id, c.used_at = p.created_at, c.xmin = p.xmin
        FROM user_credits c JOIN blog_posts p ON p.id = c.used_for_id
    """
    assert core.rows(spent) == [("used", "content_generation", None, True, True)]


async def test_a_text_with_places_for_images_needs_them_once_it_is_saved(core: HookedCore):
    user = new_user(core, 1)
    text = {**RESULT, "imageGeneration": {**RESULT["imageGeneration"], "hasPlaceholders": True}}
    for saved in (False, True):
        run = await start(core, user, autoSave=saved)
        await core.end(run, done(text))
        images = result_of(core, run.job.id)["imageGeneration"]
        assert (images["needsImageGeneration"], images["blogPostId"] is not None) == (saved, saved)
    assert credits_of(core, user) == {"used": 1}


async def test_a_repeated_outcome_saves_and_spends_nothing_more(core: HookedCore):
    user = new_user(core, 2)
    run = await start(core, user)
    said = [await core.end(run, done()) for _ in range(3)]
    assert said == [OutcomeStatus.COMMITTED, OutcomeStatus.ALREADY_COMMITTED, OutcomeStatus.ALREADY_COMMITTED]
    assert (posts_of(core, user), credits_of(core, user)) == (1, {"active": 1, "used": 1})


async def test_a_post_and_its_credit_outlive_the_job(core: HookedCore):
    user = new_user(core, 1)
    run = await start(core, user)
    await core.end(run, done())
    await core.delete(run.job.id)
    assert (posts_of(core, user), credits_of(core, user)) == (1, {"used": 1})


# ---- ends that give the credit back -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Failed(RunError("INTERNAL", "it broke", False)), "failed"),
        (Failed(PAUSE, retry_after=60.0), "pending"),
        (Snoozed(60.0), "pending"),
        (done("no result"), "failed"),
        (done(result(title="")), "failed"),
        (done(result(seoOptimizationScore=101)), "failed"),
        (done({**RESULT, "more": 1}), "failed"),
    ],
    ids=["failed", "fails again", "snoozed", "no object", "no title", "no score", "a key too many"],
)
async def test_a_run_that_ends_otherwise_gives_the_credit_back(core: HookedCore, outcome: Outcome, state: str):
    user = new_user(core, 1)
    run = await start(core, user, PATIENT)
    assert credits_of(core, user) == {"reserved": 1}
    await core.end(run, outcome)
    assert error_of(core, run.job.id)[0] == state
    assert (posts_of(core, user), credits_of(core, user)) == (0, {"active": 1})
    if isinstance(outcome, Completed):
        assert error_of(core, run.job.id)[1] == "RESULT_REJECTED"


async def test_a_job_that_is_given_back_reserves_anew(core: HookedCore):
    user = new_user(core, 1)
    run = await start(core, user)
    await core.end(run, Released())
    (again,) = await claim(core)
    assert (again.job.id, credits_of(core, user)) == (run.job.id, {"reserved": 1})
    await core.end(again, done())
    assert credits_of(core, user) == {"used": 1}


@pytest.mark.parametrize("outcome", [Stopped(), done()], ids=["it stopped", "it completed all the same"])
async def test_a_cancel_of_a_running_job_saves_nothing_and_uses_no_credit(core: HookedCore, outcome: Outcome):
    """Also in the last step, after the worker has looked for the last time; then the same job succeeds after a retry."""
    user = new_user(core, 1)
    run = await start(core, user)
    await core.cancel(run.job.id)
    expected = OutcomeStatus.CANCELLED if isinstance(outcome, Completed) else OutcomeStatus.COMMITTED
    assert await core.end(run, outcome) is expected
    assert error_of(core, run.job.id) == ("cancelled", None, None)
    assert (posts_of(core, user), credits_of(core, user)) == (0, {"active": 1})
    await core.retry(run.job.id)
    (again,) = await claim(core)
    assert await core.end(again, done()) is OutcomeStatus.COMMITTED
    assert (posts_of(core, user), credits_of(core, user)) == (1, {"used": 1})


async def test_a_cancel_that_races_with_the_end_is_granted_or_comes_too_late(core: HookedCore):
    rounds = 10
    user = new_user(core, rounds)
    for number in range(rounds):
        run = await start(core, user)
        end, cancel = core.end(run, done()), core.cancel(run.job.id)
        first, second = await asyncio.gather(*((end, cancel) if number % 2 else (cancel, end)), return_exceptions=True)
        said, cancelled = (first, second) if number % 2 else (second, first)
        told = (said, type(cancelled), error_of(core, run.job.id)[0])
        granted = (OutcomeStatus.CANCELLED, type(None), "cancelled")
        assert told in (granted, (OutcomeStatus.COMMITTED, IllegalTransition, "succeeded"))
    used = posts_of(core, user)
    assert 0 < used < rounds, "a race that one side always wins is none"
    assert credits_of(core, user) == {"active": rounds - used, "used": used}


@pytest.mark.parametrize(
    ("queue", "error"),
    [
        (HASTY, ("failed", "WORKER_LOST", "Worker lost")),
        (TIMED, ("failed", "TIMEOUT", "Exceeded 0.3 seconds in step 'outline'.")),
    ],
)
async def test_a_lost_run_and_one_out_of_time_give_the_credit_back(
    core: HookedCore, queue: str, error: tuple[str, str, str]
):
    user = new_user(core, 1)
    run = await start(core, user, queue)
    await await_state(core, run.job.id, "failed")
    assert error_of(core, run.job.id) == error
    assert credits_of(core, user) == {"active": 1}
    assert await core.end(run, done()) is OutcomeStatus.STALE
    assert posts_of(core, user) == 0


async def delete_by_hand(core: HookedCore, job_id: str) -> None:
    core.rows("DELETE FROM jobline.jobs WHERE id = %s", job_id)


@pytest.mark.parametrize("delete", [HookedCore.delete, delete_by_hand], ids=["through the service", "by hand"])
async def test_a_running_job_that_is_deleted_gives_the_credit_back(
    core: HookedCore, delete: Callable[[HookedCore, str], Awaitable[None]]
):
    user = new_user(core, 1)
    run = await start(core, user)
    await delete(core, run.job.id)
    assert credits_of(core, user) == {"active": 1}
    assert await core.end(run, done()) is OutcomeStatus.STALE
    assert (posts_of(core, user), credits_of(core, user)) == (0, {"active": 1})


async def test_a_user_who_is_deleted_takes_jobs_credits_and_posts_along(core: HookedCore):
    user = new_user(core, 2)
    await core.end(await start(core, user), done())
    run = await start(core, user)
    core.rows("DELETE FROM users WHERE id = %s", user)
    assert await core.end(run, done()) is OutcomeStatus.STALE
    assert (posts_of(core, user), credits_of(core, user)) == (0, {})


# ---- a post that cannot be saved ----------------------------------------------------------------------------------------


async def test_a_post_that_is_not_to_be_saved_costs_nothing(core: HookedCore):
    user = new_user(core, 1)
    run = await start(core, user, autoSave=False)
    assert credits_of(core, user) == {"reserved": 1}
    await core.end(run, done())
    assert result_of(core, run.job.id) == RESULT
    assert (posts_of(core, user), credits_of(core, user)) == (0, {"active": 1})


async def test_a_post_that_cannot_be_saved_costs_nothing_and_its_text_is_not_lost(core: HookedCore):
    user = new_user(core, 1)
    core.rows("ALTER TABLE blog_posts ADD CONSTRAINT not_this_one CHECK (title <> 'Unsavable')")
    text = result(title="Unsavable")
    run = await start(core, user)
    assert await core.end(run, done(text)) is OutcomeStatus.COMMITTED
    assert (error_of(core, run.job.id)[0], result_of(core, run.job.id)) == ("succeeded", text)
    assert (posts_of(core, user), credits_of(core, user)) == (0, {"active": 1})


async def test_a_job_whose_end_breaks_the_hook_has_failed_and_costs_nothing(core: HookedCore):
    """Here by an input that was stored past all checks."""
    user = new_user(core, 1)
    await core.enqueue(NewJob(QUEUE, KIND, owner=f"user:{user}", payload="{}"))
    (run,) = await claim(core)
    assert await core.end(run, done()) is OutcomeStatus.COMMITTED
    assert error_of(core, run.job.id) == ("failed", "RESULT_REJECTED", "The result could not be stored: KeyError")
    assert credits_of(core, user) == {"active": 1}


async def test_a_post_without_a_credit_to_pay_for_it_is_not_saved(core: HookedCore):
    """Somebody has taken the credit away while the job ran."""
    user = new_user(core, 1)
    run = await start(core, user)
    core.rows("DELETE FROM user_credits WHERE user_id = %s", user)
    assert await core.end(run, done()) is OutcomeStatus.COMMITTED
    assert (posts_of(core, user), result_of(core, run.job.id)) == (0, RESULT)


async def test_a_job_ends_whoever_has_locked_the_estimates(core: HookedCore):
    run = await start(core, new_user(core, 1))
    with psycopg.connect(core.database_url) as somebody:
        somebody.execute("SELECT FROM jobline.content_durations FOR UPDATE")
        assert await core.end(run, done()) is OutcomeStatus.COMMITTED


# ---- who gets a credit --------------------------------------------------------------------------------------------------


async def test_fifty_jobs_with_five_credits_make_exactly_five_posts(core: HookedCore):
    user, other = new_user(core, 5), new_user(core, 5)
    await core.enqueue(*(job_of(user) for _ in range(50)))

    async def work() -> None:
        while core.rows("SELECT 1 FROM jobline.jobs WHERE finished_at IS NULL LIMIT 1"):
            for run in await claim(core, most=2, wait=0.2):
                await core.end(run, done())

    await asyncio.gather(*(work() for _ in range(4)))
    ends = core.rows("SELECT state, error_code, error_message, count(*) FROM jobline.jobs GROUP BY 1, 2, 3 ORDER BY 1")
    assert ends == [(*INSUFFICIENT, 45), ("succeeded", None, None, 5)]
    assert (posts_of(core, user), credits_of(core, user)) == (5, {"used": 5})
    assert credits_of(core, other) == {"active": 5}, "nobody pays for somebody else"


async def test_of_two_jobs_with_one_credit_exactly_one_runs(core: HookedCore):
    user = new_user(core, 1)
    ids = await core.enqueue(job_of(user), job_of(user))
    (run,) = await claim(core, most=2)
    (poor,) = set(ids) - {run.job.id}
    await await_state(core, poor, "failed")
    assert error_of(core, poor) == INSUFFICIENT
    await core.end(run, done())
    assert credits_of(core, user) == {"used": 1}


async def test_a_job_without_credit_is_never_handed_out_and_succeeds_after_a_grant(core: HookedCore):
    user = new_user(core, 0)
    (job_id,) = await core.enqueue(job_of(user))
    assert await claim(core, wait=0.2) == []
    await await_state(core, job_id, "failed")
    assert error_of(core, job_id) == INSUFFICIENT
    grant(core, user, 1)
    await core.retry(job_id)
    (run,) = await claim(core)
    await core.end(run, done())
    assert (run.job.id, error_of(core, job_id)) == (job_id, ("succeeded", None, None))
    assert credits_of(core, user) == {"used": 1}


async def test_credits_go_by_priority_then_age_and_never_when_their_time_has_passed(core: HookedCore):
    user = new_user(core, 0)
    give = """INSERT INTO user_credits (user_id, source_type, expires_at, created_at, status)
              VALUES (%s, %s, now() + %s::interval, now() - %s::interval, %s) RETURNING id::text"""
    young, old, referral, _late, _gone, purchase = [
        core.rows(give, user, *each)[0][0]
        for each in [
            ("admin_grant", None, "1 day", "active"),
            ("subscription", "1 hour", "9 days", "active"),
            ("referral", None, "1 day", "active"),
            ("purchase", "-1 second", "9 days", "active"),
            ("purchase", None, "9 days", "expired"),
            ("purchase", None, "1 day", "active"),
        ]
    ]
    taken = []
    for _ in range(4):
        await start(core, user, PATIENT)
        held = core.rows("SELECT id::text FROM user_credits WHERE user_id = %s AND status = 'reserved'", user)
        taken += [each for (each,) in held if each not in taken]
    assert taken == [purchase, referral, old, young]
    (last,) = await core.enqueue(job_of(user, PATIENT))
    assert await claim(core, PATIENT, wait=0.2) == []
    await await_state(core, last, "failed")
    assert error_of(core, last) == INSUFFICIENT


async def test_a_credit_that_somebody_has_locked_is_passed_over(core: HookedCore):
    user = new_user(core, 2)
    with psycopg.connect(core.database_url) as somebody:
        somebody.execute("SELECT FROM user_credits WHERE user_id = %s ORDER BY seq LIMIT 1 FOR UPDATE", (user,))
        run = await start(core, user)
        held = "SELECT row_number() OVER (ORDER BY seq) = 2 FROM user_credits WHERE user_id = %s ORDER BY status DESC LIMIT 1"
        assert core.rows(held, user) == [(True,)]
    await core.end(run, done())


# ---- retries ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("PROVIDER_ERROR", ["outline"]),
        ("INTERNAL", ["outline"]),
        ("FETCH_FAILED", []),
        ("CANCELLED", []),
    ],
)
async def test_a_retry_goes_on_behind_the_finished_steps_where_they_are_not_to_blame(
    core: HookedCore, code: str, kept: list[str]
):
    run = await start(core, new_user(core, 2))
    stored = asyncio.Event()
    core.active.desk.step(run.job.id, run.lease_token, "outline", "{}", 1.0, lambda _status, _detail: stored.set())
    await asyncio.wait_for(stored.wait(), 10)
    if code == "CANCELLED":
        await core.cancel(run.job.id)
        await core.end(run, Stopped())
    else:
        await core.end(run, Failed(RunError(code, "no", False)))
    await core.retry(run.job.id)
    (again,) = await claim(core)
    assert [step.name for step in again.steps] == kept
