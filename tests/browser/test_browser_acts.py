"""What an admin does in the page happens, is asked about before, is refused in place, and stands in the audit log."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.browser import Visit
from support.monitor_house import BOSS, MonitorHouse

pytestmark = pytest.mark.browser

#: So many that the page shows the act under way.
MANY = 600


def audited(visit: Visit, queue: str, *acts: str) -> Page:
    """The audit log has exactly these acts of the admin on the queue, newest first."""
    page = visit.open("audit", queue=queue, actor=BOSS)
    rows = visit.rows("audit-row")
    expect(rows.locator("td.lead")).to_have_text(list(acts))
    for index in range(len(acts)):
        expect(rows.nth(index)).to_contain_text(BOSS)
    return page


def test_a_job_is_cancelled_and_retried_after_a_question(house: MonitorHouse, queue: str, admin: Visit) -> None:
    [id] = house.pending(queue)
    page = admin.open("jobs", queue=queue)
    admin.row(id).get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep as it is").click()
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    assert house.operator.state(id) == "pending"
    admin.row(id).get_by_role("button", name="Cancel").click()
    expect(page.get_by_test_id("confirm")).to_contain_text(id)
    admin.confirm("Cancel the job", reason="wrong list")
    expect(page.get_by_test_id("announcement")).to_contain_text("is cancelled")
    expect(admin.badge(id)).to_have_text("⚪ CANCELLED")
    admin.row(id).get_by_role("button", name="Retry").click()
    admin.confirm("Retry the job")
    expect(admin.badge(id)).to_have_text("🟡 PENDING")
    page = audited(admin, queue, "retried", "cancelled")
    expect(admin.rows("audit-row").nth(1)).to_contain_text("wrong list")
    admin.rows("audit-row").first.get_by_role("link").first.click()
    expect(page.get_by_test_id("job-id")).to_have_text(id)
    expect(page.get_by_test_id("events")).to_contain_text("wrong list")


def test_a_refusal_is_shown_where_one_acts(house: MonitorHouse, queue: str, admin: Visit) -> None:
    [id] = house.failed(queue)
    page = admin.open("job", id=id)
    page.get_by_role("button", name="Retry").click()
    house.operator.retry(id)
    dialog = page.get_by_test_id("confirm")
    dialog.get_by_role("button", name="Retry the job").click()
    expect(dialog.get_by_role("alert")).to_contain_text("pending")
    expect(page.get_by_test_id("badge").first).to_have_text("🟡 PENDING")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_exactly_the_chosen_jobs_are_acted_on_unless_their_number_has_changed(
    house: MonitorHouse, queue: str, admin: Visit
) -> None:
    chosen = house.failed(queue, 30, owner="user:ann")
    other = house.failed(queue, owner="user:bob")
    page = admin.open("jobs", queue=queue, owner="user:ann")
    expect(page.get_by_test_id("bulk-cancel")).to_be_disabled()
    page.get_by_role("button", name="Retry these 30…").click()
    dialog = page.get_by_test_id("bulk-dialog")
    expect(dialog).to_contain_text("user:ann")
    expect(dialog.get_by_test_id("bulk-count")).to_have_text("30 jobs")
    chosen += house.failed(queue, owner="user:ann")
    dialog.get_by_role("button", name="Retry 30 jobs").click()
    expect(dialog.get_by_role("alert")).to_contain_text("now chooses 31 jobs; nothing was done")
    assert {house.operator.state(id) for id in chosen} == {"failed"}
    dialog.get_by_role("button", name="Count again").click()
    dialog.get_by_role("button", name="Retry 31 jobs").click()
    expect(dialog.get_by_test_id("bulk-result")).to_have_text("31 of 31 retried")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Cancel these 31…")).to_be_enabled()
    assert {house.operator.state(id) for id in chosen} == {"pending"}
    assert house.operator.state(other[0]) == "failed"
    page.get_by_role("button", name="Cancel these 31…").click()
    dialog.get_by_label("Reason").fill("no more")
    dialog.get_by_role("button", name="Cancel 31 jobs").click()
    expect(dialog.get_by_test_id("bulk-result")).to_have_text("31 of 31 cancelled")
    page = admin.open("audit", queue=queue, actor=BOSS, name="cancelled")
    expect(admin.rows("audit-row")).to_have_count(31)
    expect(admin.rows("audit-row").first).to_contain_text("no more")
    for act in ("bulk_retried", "bulk_cancelled"):
        admin.open("audit", actor=BOSS, name=act)
        expect(admin.rows("audit-row").first).to_contain_text("31")


def test_an_act_on_many_shows_how_far_it_is(house: MonitorHouse, queue: str, admin: Visit) -> None:
    house.pending(queue, MANY)
    page = admin.open("jobs", queue=queue)
    page.get_by_test_id("bulk-cancel").click()
    dialog = page.get_by_test_id("bulk-dialog")
    expect(dialog.get_by_test_id("bulk-count")).to_have_text(f"{MANY} jobs")
    dialog.evaluate(
        """dialog => {
             window.__seen = new Set();
             const look = () => window.__seen.add(dialog.querySelector("[data-testid=bulk-result]")?.textContent);
             new MutationObserver(look).observe(dialog, {subtree: true, childList: true, characterData: true});
           }"""
    )
    dialog.get_by_role("button", name=f"Cancel {MANY} jobs").click()
    expect(dialog.get_by_test_id("bulk-result")).to_have_text(f"{MANY} of {MANY} cancelled")
    expect(dialog.get_by_role("progressbar")).to_have_js_property("value", MANY)
    seen = [int(text.split(" ")[0]) for text in page.evaluate("[...window.__seen].filter(Boolean)")]
    assert seen == sorted(seen)
    assert seen[0] == 0


def test_nothing_is_done_to_everything(house: MonitorHouse, queue: str, admin: Visit) -> None:
    house.failed(queue)
    house.pending(queue)
    page = admin.open("jobs")
    for act in ("retry", "cancel"):
        expect(page.get_by_test_id(f"bulk-{act}")).to_be_disabled()
        expect(page.get_by_test_id(f"bulk-{act}")).to_have_attribute(
            "title", "Set a filter first: this acts on exactly the jobs that it chooses"
        )


def test_managers_find_nothing_to_act_with(house: MonitorHouse, queue: str, manager: Visit) -> None:
    [id] = house.pending(queue)
    places = {"jobs": {"queue": queue}, "job": {"id": id}, "queues": {"queue": queue}, "workers": {}, "audit": {}}
    with house.connected(queue, capacity=0):
        for view, params in places.items():
            page = manager.open(view, **params)
            if view == "workers":
                expect(page.get_by_test_id("worker")).to_have_count(1)
            for name in ("Retry", "Cancel", "Pause", "Resume", "Limit", "Drain"):
                expect(page.get_by_role("button", name=name)).to_have_count(0)
    page = manager.open("jobs", queue=queue)
    manager.row(id).get_by_role("link").first.focus()
    for key in ("c", "r"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_test_id("help")).not_to_contain_text("cancel the row")
