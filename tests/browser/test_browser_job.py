"""One job's view: where it is and why, what it did, what went in and came out, and the same for a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from playwright.sync_api import Page, expect

from support.browser import Visit
from support.monitor_house import KEYED, MonitorHouse

pytestmark = pytest.mark.browser


def facts(page: Page) -> dict[str, str]:
    pairs: list[list[str]] = page.get_by_test_id("facts").evaluate(
        "list => [...list.children].map((each) => [...each.children].map((part) => part.innerText))"
    )
    return dict(pairs)


def reason(page: Page, code: str) -> str:
    """What is said of this reason why the job does not run."""
    return page.locator(f'[data-testid="reason"][data-code="{code}"]').inner_text()


def test_a_run_is_followed_from_step_to_step_to_its_result(house: MonitorHouse, queue: str, manager: Visit) -> None:
    [id] = house.pending(
        queue, payload={"to": "Ann", "lines": [1, 2, 9007199254740993]}, owner="user:ann", labels={"team": "a"}
    )
    page = manager.open("job", id=id)
    expect(page.get_by_role("heading", level=1)).to_have_text("test")
    expect(page.get_by_test_id("badge").first).to_have_text("🟡 PENDING")
    expect(page.get_by_test_id("position")).to_have_text("1")
    run = house.run(queue)
    house.worker.report(run, "write", read={"pages": 3})
    expect(page.get_by_test_id("badge").first).to_have_text("🔵 PROCESSING")
    expect(page.get_by_test_id("waiting")).to_have_count(0)
    for done in (1, 7):
        house.report(run, "write", done, 9, "on a page")
        expect(page.get_by_test_id("progress")).to_contain_text(f"{done} / 9 · write · on a page")
        expect(page.get_by_test_id("progress").get_by_role("progressbar")).to_have_js_property("value", done)
    waterfall = page.get_by_test_id("waterfall")
    expect(waterfall.locator("li .name")).to_have_text(["waiting", "run 1", "read", "write"])
    expect(page.get_by_test_id("result")).to_contain_text("None yet.")
    house.worker.complete(run, {"letter": {"words": 120}})
    expect(page.get_by_test_id("badge").first).to_have_text("🟢 COMPLETED")
    expect(page.get_by_test_id("progress")).to_have_count(0)
    expect(waterfall.locator("li[data-kind=succeeded]")).to_contain_text("succeeded")
    result = page.get_by_test_id("result")
    result.get_by_text("letter").click()
    expect(result.get_by_text("words")).to_be_visible()
    expect(page.get_by_test_id("payload")).to_contain_text("Ann")
    page.get_by_test_id("payload").get_by_text("lines").click()
    expect(page.get_by_test_id("payload")).to_contain_text("9007199254740993")
    outputs = page.get_by_test_id("step-outputs")
    outputs.get_by_text("read").click()
    expect(outputs.get_by_text("pages")).to_be_visible()
    shown = facts(page)
    assert (shown["Queue"], shown["Owner"], shown["Attempts"], shown["Labels"]) == (
        queue,
        "user:ann",
        "1 of 3",
        "team=a",
    )
    history = page.get_by_test_id("events").get_by_role("listitem")
    expect(history.locator("strong")).to_have_text(["enqueued", "started", "succeeded"])


def test_a_failed_run_is_told_with_its_error_and_the_wait_that_follows(
    house: MonitorHouse, queue: str, manager: Visit
) -> None:
    [id] = house.pending(queue, max_attempts=2)
    run = house.run(queue)
    house.worker.report(run, "fetch")
    house.worker.fail(run, "PROVIDER_ERROR", message="no answer from the provider")
    page = manager.open("job", id=id)
    error = page.get_by_test_id("error")
    expect(error).to_contain_text("PROVIDER_ERROR")
    expect(error).to_contain_text("no answer from the provider")
    expect(error).to_contain_text("A later run may succeed.")
    expect(page.get_by_test_id("waterfall").locator("li .name")).to_have_text(["waiting", "run 1", "fetch", "waiting"])
    assert "Backing off" in reason(page, "BACKOFF")


def test_why_a_job_waits_is_said_and_leads_to_what_is_in_the_way(house: MonitorHouse, queue: str, admin: Visit) -> None:
    later = Timestamp()
    later.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    [delayed] = house.pending(queue, run_at=later)
    page = admin.open("job", id=delayed)
    assert "Scheduled" in reason(page, "DELAYED")
    first, second = house.pending(queue, 2)
    page = admin.open("job", id=second)
    assert "No worker takes it" in reason(page, "NO_WORKER")
    page.locator('[data-code="BEHIND_OTHERS"]').get_by_role("link").first.click()
    expect(page.get_by_test_id("job-id")).to_have_text(first)
    house.pause(queue, "deploy of the model")
    expect(page.locator('[data-code="QUEUE_PAUSED"]')).to_contain_text("deploy of the model")
    page.locator('[data-code="QUEUE_PAUSED"]').get_by_role("link", name="To the queue").click()
    expect(page.get_by_test_id("queue-detail").get_by_test_id("pause-note")).to_contain_text("deploy of the model")

    house.pending(KEYED, concurrency_key="acme")
    holder = house.run(KEYED)
    [waiting] = house.pending(KEYED, concurrency_key="acme")
    page = admin.open("job", id=waiting)
    page.locator('[data-code="KEY_LIMIT"]').get_by_role("link").first.click()
    expect(page.get_by_test_id("job-id")).to_have_text(holder.job_id)
    house.worker.complete(holder)


def test_its_id_its_json_and_its_commands_can_be_copied(house: MonitorHouse, queue: str, manager: Visit) -> None:
    [id] = house.pending(queue, payload={"it's": "quoted"})
    manager.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = manager.open("job", id=id)

    def copied(name: str) -> str:
        button = page.get_by_role("button", name=name)
        button.click()
        expect(button).to_have_text("Copied")
        text: str = page.evaluate("navigator.clipboard.readText()")
        return text

    assert copied("Copy the job's id") == id
    assert json.loads(copied("Copy the payload")) == {"it's": "quoted"}
    assert copied("Copy the jobline command") == f"jobline jobs explain {id}"
    assert id in copied("Copy the grpcurl command")
    assert copied("Copy the curl command").startswith("curl ")


def test_a_removed_job_leaves_its_history(house: MonitorHouse, queue: str, manager: Visit) -> None:
    [id] = house.failed(queue)
    page = manager.open("job", id=id)
    house.operator.delete(id)
    expect(page.get_by_test_id("empty")).to_contain_text("has been removed")
    expect(page.get_by_test_id("events").get_by_role("listitem").last).to_contain_text("deleted")
    page = manager.open("job", id="0c7e2a1b-8d0f-4a51-9d0e-4b1f6f0a2d33")
    expect(page.get_by_test_id("failure")).to_contain_text("Job not found")
