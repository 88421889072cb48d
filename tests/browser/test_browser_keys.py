"""The page by keyboard alone, and what it remembers of whoever looks at it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.browser import Visit
from support.monitor_house import MonitorHouse

pytestmark = pytest.mark.browser

VIEWS = {"j": "Jobs", "q": "Queues", "w": "Workers", "a": "Audit log", "o": "Overview"}


def test_two_letters_lead_to_every_view(manager: Visit) -> None:
    page = manager.open()
    for key, title in VIEWS.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        heading = page.get_by_role("heading", level=1, name=title)
        expect(heading).to_be_focused()
        expect(page).to_have_title(f"{title} · Jobline")


def test_rows_are_walked_opened_and_acted_on(house: MonitorHouse, queue: str, admin: Visit) -> None:
    ids = house.pending(queue, 3)
    page = admin.open("jobs", queue=queue, dir="asc")
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(admin.row(ids[place]).get_by_role("link").first).to_be_focused()
    page.keyboard.press("c")
    expect(page.get_by_test_id("confirm")).to_contain_text(ids[1])
    expect(page.get_by_role("button", name="Cancel the job")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    expect(admin.row(ids[1]).get_by_role("link").first).to_be_focused()
    page.keyboard.press("r")  # a pending job cannot be retried
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Cancel the job")).to_be_focused()
    page.keyboard.press("Enter")
    expect(admin.badge(ids[1])).to_have_text("⚪ CANCELLED")
    page.keyboard.press("r")
    expect(page.get_by_role("button", name="Retry the job")).to_be_focused()
    page.keyboard.press("Enter")
    expect(admin.badge(ids[1])).to_have_text("🟡 PENDING")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("job-id")).to_have_text(ids[1])
    expect(page.get_by_test_id("facts")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_test_id("confirm")).to_contain_text(ids[1])


def test_the_filter_is_a_key_away_and_typing_is_no_command(house: MonitorHouse, queue: str, manager: Visit) -> None:
    house.pending(queue)
    page = manager.open("jobs", queue=queue)
    page.keyboard.press("/")
    expect(page.get_by_label("Kind")).to_be_focused()
    page.keyboard.type("gq?jc")
    expect(page.get_by_label("Kind")).to_have_value("gq?jc")
    expect(page.get_by_test_id("help")).to_have_count(0)
    assert manager.params()["view"] == "jobs"
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("empty")).to_be_visible()
    assert manager.params()["kind"] == "gq?jc"


def test_the_keys_are_told_and_can_be_switched_off(manager: Visit) -> None:
    page = manager.open()
    page.keyboard.press("?")
    help_ = page.get_by_test_id("help")
    expect(help_).to_contain_text("audit log")
    expect(help_).not_to_contain_text("retry the row")
    help_.get_by_label("Single-key shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
    page.reload()
    manager.settled()
    page.keyboard.press("?")
    page.get_by_role("button", name="Keyboard").click()
    expect(help_).to_have_count(1)
    help_.get_by_label("Single-key shortcuts are on").check()
    help_.get_by_role("button", name="Close").click()
    expect(help_).to_have_count(0)
    page.keyboard.press("?")
    expect(help_).to_be_visible()


def test_colours_follow_the_system_until_they_are_chosen(manager: Visit) -> None:
    page = manager.open()

    def background() -> str:
        colour: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return colour

    page.emulate_media(color_scheme="light")
    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert light != dark
    page.get_by_test_id("theme").select_option("light")
    assert background() == light
    page.reload()
    manager.settled()
    assert background() == light
    expect(page.get_by_test_id("theme")).to_have_value("light")
    page.get_by_test_id("theme").select_option("system")
    assert background() == dark
