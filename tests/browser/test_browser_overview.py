"""The first view: the database queue as its specification asks for it, and every queue as a card."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from jobline.v1 import job_pb2
from jobline.v1 import work_service_pb2 as work_pb
from support.browser import Visit
from support.ingestion_house import IngestionHouse, house_of
from support.monitor_house import MonitorHouse

pytestmark = pytest.mark.browser

STATS = ("pending", "processing", "completed", "failed")
#: With the space behind the sign, as somebody copies it.
BADGES = {"pending": "🟡 PENDING", "running": "🔵 PROCESSING", "succeeded": "🟢 COMPLETED", "failed": "🔴 FAILED"}


@pytest.fixture
def loads(house: MonitorHouse) -> Iterator[IngestionHouse]:
    """Somebody who loads records; the database queue holds their jobs alone."""
    yield from house_of(house.service)


def numbers(visit: Visit, *wanted: int) -> None:
    """Pending, processing, completed and failed are these, now or within moments."""
    for name, number in zip(STATS, wanted, strict=True):
        expect(visit.page.get_by_test_id(f"stat-{name}").locator("b")).to_have_text(str(number))


def progressing(loads: IngestionHouse) -> str:
    """The id of a job that has done 500 of 1000."""
    run = loads.claim()
    progress = job_pb2.Progress(step="save", current=500, total=1000, message="Processing records...")
    report = work_pb.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token, progress=progress)
    loads.operator.work.ReportProgress(report)
    return run.job_id


def test_the_database_queue_is_told_in_numbers_badges_progress_and_errors(
    loads: IngestionHouse, house: MonitorHouse, manager: Visit
) -> None:
    failed = loads.enqueue(max_attempts=1)
    loads.operator.fail(loads.claim(), "PROVIDER_ERROR", message="the disk is full")
    done = loads.enqueue()
    loads.operator.complete(loads.claim(), {"savedCount": 3, "skippedCount": 0})
    loads.enqueue()
    running = progressing(loads)
    pending = loads.enqueue()
    house.service.execute("UPDATE jobline.jobs SET created_at = now() - interval '7 minutes' WHERE id = %s", pending)
    page = manager.open()
    numbers(manager, 1, 1, 1, 1)
    states = {pending: "pending", running: "running", done: "succeeded", failed: "failed"}
    for id, state in states.items():
        badge = manager.badge(id, "recent-job")
        expect(badge).to_have_text(BADGES[state])
        expect(badge).to_have_attribute("data-state", state)
    colours = {manager.badge(id, "recent-job").evaluate("each => getComputedStyle(each).color") for id in states}
    assert len(colours) == 4, "every state has a colour of its own"
    signs = manager.badge(running, "recent-job").locator(".spinner")
    assert signs.evaluate_all("all => all.map((each) => getComputedStyle(each).animationName)") == ["turn"]
    expect(manager.row(running, "recent-job")).to_contain_text("500 / 1,000")
    expect(manager.row(running, "recent-job")).to_contain_text("Processing records...")
    expect(manager.row(failed, "recent-job")).to_contain_text("the disk is full")
    expect(manager.row(failed, "recent-job")).to_contain_text("INGEST_DATA")
    expect(manager.row(failed, "recent-job")).to_contain_text("1 / 1")
    expect(page.get_by_test_id("oldest-pending")).to_have_text("oldest pending job: 7\u202fmin")
    page.get_by_test_id("oldest-pending").get_by_role("link").click()
    expect(page.get_by_test_id("job-id")).to_have_text(pending)


def test_what_happens_to_the_database_queue_is_shown_by_itself(loads: IngestionHouse, manager: Visit) -> None:
    page = manager.open()
    numbers(manager, 0, 0, 0, 0)
    expect(page.get_by_test_id("oldest-pending")).to_have_text("nothing is pending")
    id = loads.enqueue()
    expect(manager.badge(id, "recent-job")).to_have_text(BADGES["pending"])
    numbers(manager, 1, 0, 0, 0)
    run = loads.claim()
    expect(manager.badge(id, "recent-job")).to_have_text(BADGES["running"])
    loads.operator.complete(run, {"savedCount": 1, "skippedCount": 0})
    expect(manager.badge(id, "recent-job")).to_have_text(BADGES["succeeded"])
    numbers(manager, 0, 0, 1, 0)


def test_an_admin_retries_and_cancels_in_the_database_queues_own_words(loads: IngestionHouse, admin: Visit) -> None:
    id = loads.enqueue(max_attempts=1)
    loads.operator.fail(loads.claim(), "PROVIDER_ERROR", message="the disk is full")
    page = admin.open()
    admin.row(id, "recent-job").get_by_role("button", name="Retry").click()
    admin.confirm("Retry the job")
    expect(admin.badge(id, "recent-job")).to_have_text(BADGES["pending"])
    admin.row(id, "recent-job").get_by_role("button", name="Cancel").click()
    admin.confirm("Cancel the job")
    expect(admin.badge(id, "recent-job")).to_have_text(BADGES["failed"])
    expect(admin.row(id, "recent-job")).to_contain_text("Job cancelled by admin")
    assert loads.row(id)["result"]["cancelledBy"] == "boss@example.com"
    # Cancelled by somebody else while the question is open: the refusal is shown where one looks.
    other = loads.enqueue()
    admin.row(other, "recent-job").get_by_role("button", name="Cancel").click()
    loads.cancel(other)
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_test_id("confirm").get_by_role("alert")).to_have_text(
        "Can only cancel PENDING or PROCESSING jobs"
    )
    page.get_by_role("button", name="Keep as it is").click()
    expect(page.get_by_test_id("confirm")).to_have_count(0)


def test_managers_find_no_acts(loads: IngestionHouse, manager: Visit) -> None:
    id = loads.enqueue()
    page = manager.open()
    expect(manager.row(id, "recent-job")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Actions")).to_have_count(0)


def test_every_queue_is_a_card_with_its_figures_and_ways_on(house: MonitorHouse, queue: str, manager: Visit) -> None:
    house.pending(queue, 3)
    house.run(queue)
    page = manager.open()
    card = page.locator(f'[data-testid="queue-card"][data-queue="{queue}"]')
    for name, number in {"ready": "2", "delayed": "0", "running": "1"}.items():
        expect(card.locator("dl > div").filter(has_text=name).locator("dd")).to_have_text(number)
    expect(card).to_contain_text("Oldest waits")
    expect(card.get_by_test_id("eta-coverage")).to_have_text("No estimate of it has been scored yet")
    house.run(queue)
    expect(card.locator("dl > div").filter(has_text="running").locator("dd")).to_have_text("2")
    house.pause(queue, "new release")
    expect(card.get_by_test_id("pause-note")).to_contain_text("new release")
    card.locator("dl").get_by_role("link").last.click()
    manager.settled()
    assert manager.params() == {"view": "jobs", "queue": queue, "state": "running"}
    expect(manager.rows()).to_have_count(2)
