"""The job list: every filter, order and page of it lives in the address, and can be taken away as a table."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import Visit
from support.monitor_house import MonitorHouse

pytestmark = pytest.mark.browser


def local_input(days: int) -> str:
    """So many days from now, as a field for times takes it."""
    return (datetime.now().astimezone() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")


def test_every_filter_chooses_and_lives_in_the_address(house: MonitorHouse, queue: str, manager: Visit) -> None:
    other = house.new_queue()
    [elsewhere] = house.pending(other)
    [broken] = house.failed(queue, kind="mail", owner="user:ann")
    [waiting] = house.pending(queue, kind="scan", owner="user:bob")
    page = manager.open("jobs", queue=queue)
    manager.shows(waiting, broken)
    expect(page.get_by_test_id("count")).to_have_text("2 jobs")

    filters = page.get_by_test_id("filters")
    filters.get_by_role("checkbox", name="FAILED").check()
    manager.shows(broken)
    filters.get_by_role("checkbox", name="PENDING").check()
    manager.shows(waiting, broken)
    filters.get_by_role("checkbox", name="FAILED").uncheck()
    manager.shows(waiting)
    assert manager.params() == {"view": "jobs", "queue": queue, "state": "pending"}
    filters.get_by_role("checkbox", name=other).check()
    manager.shows(waiting, elsewhere)
    filters.get_by_role("checkbox", name=queue, exact=True).uncheck()
    manager.shows(elsewhere)

    page = manager.open("jobs", queue=queue)
    for label, name, text, chosen in (
        ("Kind", "kind", "mail", broken),
        ("Owner", "owner", "user:bob", waiting),
        ("Error", "error", "Took TOO", broken),
    ):
        filters.get_by_label(label, exact=True).fill(text)
        filters.get_by_label(label, exact=True).press("Enter")
        manager.shows(chosen)
        assert manager.params()[name] == text
        filters.get_by_label(label, exact=True).fill("")
        filters.get_by_label(label, exact=True).press("Enter")
        manager.shows(waiting, broken)

    filters.get_by_label("From").fill(local_input(days=1))
    manager.shows()
    expect(page.get_by_test_id("empty")).to_have_text("No job matches this filter.")
    filters.get_by_label("From").fill("")
    filters.get_by_label("Until").fill(local_input(days=1))
    manager.shows(waiting, broken)
    filters.get_by_role("combobox", name="Created").select_option("last hour")
    manager.shows(waiting, broken)
    assert set(manager.params()) == {"view", "queue", "createdAfter"}
    filters.get_by_test_id("clear-filters").click()
    expect(filters.get_by_role("checkbox", name=queue, exact=True)).not_to_be_checked()
    assert not {"queue", "createdAfter"} & set(manager.params())


def test_back_forward_and_reload_show_what_was_shown(house: MonitorHouse, queue: str, manager: Visit) -> None:
    [broken] = house.failed(queue)
    [waiting] = house.pending(queue)
    page = manager.open("jobs", queue=queue)
    manager.shows(waiting, broken)
    page.get_by_role("checkbox", name="FAILED").check()
    manager.shows(broken)
    manager.row(broken).get_by_role("link").first.click()
    expect(page.get_by_test_id("job-id")).to_have_text(broken)
    page.go_back()
    manager.shows(broken)
    expect(page.get_by_role("checkbox", name="FAILED")).to_be_checked()
    page.go_back()
    manager.shows(waiting, broken)
    expect(page.get_by_role("checkbox", name="FAILED")).not_to_be_checked()
    page.go_forward()
    manager.shows(broken)
    page.reload()
    manager.shows(broken)
    expect(page.get_by_role("checkbox", name="FAILED")).to_be_checked()


def test_it_is_sorted_by_its_heads_and_by_choice(house: MonitorHouse, queue: str, manager: Visit) -> None:
    ids = [house.pending(queue, priority=priority)[0] for priority in (2, 9, 5)]
    by_priority = [ids[1], ids[2], ids[0]]
    page = manager.open("jobs", queue=queue)
    manager.shows(*reversed(ids))
    head = page.get_by_role("columnheader", name="Priority")
    head.get_by_role("link").click()
    manager.shows(*by_priority)
    expect(head).to_have_attribute("aria-sort", "descending")
    head.get_by_role("link").click()
    manager.shows(*reversed(by_priority))
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert manager.params() == {"view": "jobs", "queue": queue, "order": "priority", "dir": "asc"}
    page.get_by_role("combobox", name="Sort by").select_option("created")
    manager.shows(*ids)
    page.get_by_role("button", name="Ascending; switch to descending").click()
    manager.shows(*reversed(ids))


def test_it_is_read_page_by_page_in_both_directions(house: MonitorHouse, queue: str, manager: Visit) -> None:
    ids = house.pending(queue, 120)
    page = manager.open("jobs", queue=queue, dir="asc")
    manager.shows(*ids[:50])
    pager = page.get_by_role("navigation", name="Pages")
    expect(pager.get_by_role("link", name="Previous page")).to_have_count(0)
    pager.get_by_role("link", name="Next page").click()
    manager.shows(*ids[50:100])
    pager.get_by_role("link", name="Next page").click()
    manager.shows(*ids[100:])
    expect(pager.get_by_role("link", name="Next page")).to_have_count(0)
    page.reload()
    manager.shows(*ids[100:])
    pager.get_by_role("link", name="Previous page").click()
    manager.shows(*ids[50:100])
    page.go_back()
    manager.shows(*ids[100:])
    pager.get_by_role("link", name="First page").click()
    manager.shows(*ids[:50])
    assert "cursor" not in manager.params()


def test_what_is_chosen_is_downloaded_as_a_table(house: MonitorHouse, queue: str, manager: Visit) -> None:
    ids = house.pending(queue, 60, correlation_id="=1+1")
    house.failed(queue)
    page = manager.open("jobs", queue=queue, state="pending", dir="asc")
    with page.expect_download() as started:
        page.get_by_test_id("csv").click()
    assert started.value.suggested_filename == "jobs.csv"
    text = Path(started.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["id"] for row in rows] == ids
    assert {row["correlationId"] for row in rows} == {"'=1+1"}


def test_an_address_that_means_nothing_is_refused_in_words(house: MonitorHouse, queue: str, manager: Visit) -> None:
    house.pending(queue)
    page = manager.open("jobs", queue=queue, cursor="nonsense")
    expect(page.get_by_test_id("failure")).to_contain_text("cursor")
    page.get_by_role("link", name="First page").click()
    expect(manager.rows()).to_have_count(1)
    expect(page.get_by_test_id("failure")).to_have_count(0)
