"""Queues and workers: what they do, in figures over time, and what an admin does with them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.browser import Visit
from support.monitor_house import BOSS, MonitorHouse

pytestmark = pytest.mark.browser


def figures(page: Page, title: str) -> list[list[str]]:
    """The rows of a chart's table, newest first, as texts."""
    chart = page.get_by_test_id("chart").filter(has=page.get_by_role("heading", name=title, exact=True))
    chart.locator("summary").click()
    expect(chart.get_by_role("row").nth(1)).to_be_visible()
    rows: list[list[str]] = chart.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return rows


def test_an_admin_pauses_resumes_and_limits_a_queue(house: MonitorHouse, queue: str, admin: Visit) -> None:
    house.pending(queue)
    page = admin.open("queues", queue=queue)
    detail = page.get_by_test_id("queue-detail")
    detail.get_by_role("button", name="Pause…").click()
    admin.confirm("Pause the queue", reason="deploy of the model")
    expect(detail.get_by_test_id("pause-note")).to_contain_text(f"Paused by {BOSS}")
    expect(detail.get_by_test_id("pause-note")).to_contain_text("deploy of the model")
    row = page.get_by_test_id("queue-row").filter(has_text=queue)
    expect(row).to_contain_text("paused")
    assert house.worker.claim(queue) == []
    detail.get_by_role("button", name="Limit…").click()
    admin.confirm("Set the limit", limit="7")
    expect(detail.get_by_test_id("policy")).to_contain_text("7, set by an operator")
    expect(row).to_contain_text("set")
    detail.get_by_role("button", name="Limit…").click()
    page.get_by_label("Back to the policy's limit").check()
    admin.confirm("Set the limit")
    expect(detail.get_by_test_id("policy")).to_contain_text("no limit")
    detail.get_by_role("button", name="Resume…").click()
    admin.confirm("Resume the queue")
    expect(detail.get_by_test_id("pause-note")).to_have_count(0)
    house.run(queue)
    admin.open("audit", queue=queue, actor=BOSS)
    rows = admin.rows("audit-row")
    expect(rows.locator("td.lead")).to_have_text(["resumed", "limit_changed", "limit_changed", "paused"])
    expect(rows.last).to_contain_text("deploy of the model")
    expect(rows.nth(2)).to_contain_text("7")


@pytest.mark.parametrize("number", ["", "0", "1.5", "100001"])
def test_a_limit_that_is_none_is_not_sent(house: MonitorHouse, queue: str, admin: Visit, number: str) -> None:
    house.pending(queue)
    page = admin.open("queues", queue=queue)
    page.get_by_role("button", name="Limit…").click()
    page.get_by_label("Limit").fill(number)
    page.get_by_role("button", name="Set the limit").click()
    assert not page.get_by_label("Limit").evaluate("field => field.checkValidity()")
    expect(page.get_by_test_id("confirm")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("policy")).to_contain_text("no limit")


def test_trends_tell_what_happened_over_an_hour_a_day_and_a_week(
    house: MonitorHouse, queue: str, manager: Visit
) -> None:
    house.failed(queue, 2)
    [waiting] = house.pending(queue)
    house.worker.complete(house.run(queue))
    house.pending(queue)
    page = manager.open("queues", queue=queue)
    trends = page.get_by_test_id("trends")
    totals = trends.locator(".totals")
    expect(totals).to_contain_text("4 enqueued")
    expect(totals).to_contain_text("1 completed")
    expect(totals).to_contain_text("2 failed")
    expect(totals).to_contain_text("median wait")
    expect(trends.get_by_test_id("chart").locator("canvas")).to_have_count(4)
    depth = figures(page, "Depth")
    assert depth[0][1:] == ["1", "0", "0"]
    assert len(depth) >= 59
    assert len(figures(page, "Wait from due to start")[0]) == 4
    failures = page.get_by_test_id("failures")
    expect(failures).to_contain_text("66.7")
    for name, range_ in (("24 hours", "24h"), ("7 days", "7d")):
        trends.get_by_role("link", name=name).click()
        expect(trends.get_by_role("link", name=name)).to_have_attribute("aria-current", "true")
        assert manager.params() == {"view": "queues", "queue": queue, "range": range_}
        expect(totals).to_contain_text("4 enqueued")
    failures.get_by_role("link", name="TIMEOUT").click()
    expect(manager.rows()).to_have_count(2)
    expect(manager.row(waiting)).to_have_count(0)
    assert manager.params() == {"view": "jobs", "queue": queue, "error": "TIMEOUT"}
    page = manager.open("queues")
    expect(page.get_by_test_id("trends")).to_contain_text("of all queues together")


def test_workers_are_shown_with_what_they_hold_and_are_drained(house: MonitorHouse, queue: str, admin: Visit) -> None:
    [id] = house.pending(queue)
    with house.connected(queue, name="packer-7", capacity=4) as raw:
        [run] = raw.await_jobs(1)
        house.report(run, "pack", 3, 12)
        page = admin.open("workers")
        worker = page.locator(f'[data-testid="worker"][data-session="{raw.session}"]')
        expect(worker.get_by_role("heading")).to_have_text("packer-7")
        expect(worker.get_by_test_id("load")).to_contain_text("1 of 4 slots")
        expect(worker.get_by_role("list", name="Queues that it takes")).to_contain_text(queue)
        held = admin.row(id, "held-job")
        expect(held).to_contain_text("3 / 12 · pack")
        worker.get_by_role("button", name="Drain packer-7").click()
        expect(page.get_by_test_id("confirm")).to_contain_text("It holds 1 job now.")
        admin.confirm("Drain the worker")
        expect(worker).to_contain_text("draining")
        expect(worker.get_by_role("button", name="Drain")).to_have_count(0)
        held.get_by_role("link").click()
        expect(page.get_by_test_id("facts")).to_contain_text("packer-7")
    admin.open("audit", actor=BOSS, name="drained")
    expect(admin.rows("audit-row").first).to_contain_text("packer-7")
    page = admin.open("workers")
    expect(page.get_by_test_id("empty")).to_have_text("No worker is connected, so no job starts.")
