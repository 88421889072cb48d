"""Credits and steps of the jobs API under load and kill -9: spent once for each post, and paid for once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.content_house import Caller, ContentHouse, content_house
from support.eventually import eventually_blocking
from support.stack import Databases

#: What a new user has, and ten times as many jobs.
CREDITS, JOBS = 5, 50
#: How a job may end besides with its post, and how many run at the same time.
REFUSED, LOST, MAX_RUNNING = "INSUFFICIENT_CREDITS", "WORKER_LOST", 3


@pytest.fixture(scope="module")
def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContentHouse]:
    """With a worker that asks a scripted language model."""
    with databases.fresh() as url, content_house(url, tmp_path_factory.mktemp("house")) as running:
        running.employ(running.providers.settings)
        yield running


def write_at_once(user: Caller) -> list[str]:
    """The ids of so many jobs, asked for by several clients at the same time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: user.write(), range(JOBS)))


def ends(user: Caller, job_ids: list[str]) -> Counter[str | None]:
    """How many of the jobs ended with each error code; None is success."""
    with ThreadPoolExecutor(8) as pool:
        return Counter(found["errorCode"] for found in pool.map(user.ended, job_ids))


def test_fifty_jobs_of_a_user_with_five_credits_make_five_posts(house: ContentHouse) -> None:
    user, before = house.user(), house.providers.calls("content_outline")
    assert ends(user, write_at_once(user)) == {None: CREDITS, REFUSED: JOBS - CREDITS}
    assert (user.credits(), user.posts()) == ({"used": CREDITS}, CREDITS)
    assert house.providers.calls("content_outline") == before + CREDITS
    failed = user.ended(user.write())
    assert (failed["status"], failed["error"], failed["errorCode"]) == ("failed", "Insufficient credits", REFUSED)


def test_kills_in_between_spend_no_credit_without_a_post_and_keep_none(house: ContentHouse) -> None:
    user, providers = house.user(), house.providers
    asked = providers.calls("content_draft")
    providers.hold("content_draft")
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(write_at_once, user)
        eventually_blocking(
            lambda: providers.calls("content_draft") == asked + MAX_RUNNING, within=60, what="as many run as may"
        )
        job_ids = creating.result()
    assert user.credits() == {"active": CREDITS - MAX_RUNNING, "reserved": MAX_RUNNING}
    house.kill_workers()
    house.queue.restart()
    providers.release("content_draft")
    house.start_worker()
    found = ends(user, job_ids)
    assert found.keys() <= {None, REFUSED, LOST}
    assert found[LOST] == MAX_RUNNING
    check_credits(user, found[None])
    while lost := [job_id for job_id in job_ids if user.status(job_id)["errorCode"] == LOST]:
        for job_id in lost:
            user.retry(job_id)
        ends(user, lost)
    assert ends(user, job_ids) == {None: CREDITS, REFUSED: JOBS - CREDITS}
    check_credits(user, CREDITS)


def check_credits(user: Caller, posts: int) -> None:
    """Each post has cost one; none is held by a job that has ended."""
    credits = Counter(user.credits())
    assert credits["used"] == user.posts() == posts <= CREDITS
    assert credits["used"] + credits["active"] == credits.total() == CREDITS


def test_a_run_that_is_lost_after_the_audiences_does_not_ask_for_them_again(house: ContentHouse) -> None:
    caller, providers = house.session(), house.providers
    before = {
        call: providers.calls(call) for call in ("page", "content_analyze", "content_audiences", "content_pitches")
    }
    providers.hold("content_pitches")
    job_id = caller.analyse(providers.page("clinic"))
    providers.wait_for("content_pitches", "", more_than=before["content_pitches"])
    house.kill_workers()
    providers.release("content_pitches")
    lost = caller.ended(job_id)
    assert (lost["status"], lost["error"], lost["errorCode"]) == ("failed", "Worker lost", LOST)
    house.start_worker()
    caller.retry(job_id)
    done = caller.ended(job_id)
    assert (done["status"], len(done["result"]["scenarios"])) == ("succeeded", 4)
    asked = {call: providers.calls(call) - count for call, count in before.items()}
    assert asked == {"page": 1, "content_analyze": 1, "content_audiences": 1, "content_pitches": 2}
