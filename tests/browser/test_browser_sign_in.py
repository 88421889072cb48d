"""Who gets to see the monitor in a browser, and for how long."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from support.browser import Visitor
from support.monitor_house import MonitorHouse
from support.monitor_rest import PAGE, SESSION

pytestmark = pytest.mark.browser


def give_token(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Open the monitor").click()


def test_a_token_opens_the_page_that_was_asked_for(visitor: Visitor, house: MonitorHouse, queue: str) -> None:
    house.pending(queue)
    visit = visitor()
    answer = visit.page.goto(visit.address("jobs", queue=queue))
    assert answer is not None
    assert answer.status == 401
    expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()
    give_token(visit.page, house.token("admin"))
    visit.settled()
    assert visit.params() == {"view": "jobs", "queue": queue}
    expect(visit.rows()).to_have_count(1)
    expect(visit.page.get_by_test_id("role")).to_have_text("admin")
    [cookie] = visit.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("session", True, "Strict")
    assert 3500 < cookie["expires"] - time.time() <= 3600
    assert visit.page.evaluate("document.cookie") == ""


def test_a_wrong_token_is_refused_with_a_sentence_and_can_be_given_again(visitor: Visitor, house: MonitorHouse) -> None:
    visit = visitor()
    visit.page.goto(visit.address())
    with visit.page.expect_response(lambda answer: answer.request.method == "POST") as posted:
        give_token(visit.page, "not.a.token")
    assert posted.value.status == 401
    expect(visit.page.get_by_role("alert")).to_contain_text("Invalid token")
    assert visit.context.cookies() == []
    give_token(visit.page, house.token("manager"))
    visit.settled()
    expect(visit.page.get_by_test_id("role")).to_have_text("manager")


@pytest.mark.parametrize("name", ["user", "support"])
def test_other_roles_are_told_which_one_they_need(visitor: Visitor, house: MonitorHouse, name: str) -> None:
    visit = visitor()
    visit.page.goto(visit.address())
    with visit.page.expect_response(lambda answer: answer.url == visit.address()) as shown:
        give_token(visit.page, house.token(name))
    assert shown.value.status == 403
    expect(visit.page.get_by_role("alert")).to_contain_text(f"manager and admin. Your token has the role {name}")
    give_token(visit.page, house.token("admin"))
    visit.settled()


def test_signing_out_ends_the_session(visitor: Visitor, house: MonitorHouse) -> None:
    visit = visitor()
    visit.page.goto(visit.address())
    give_token(visit.page, house.token("admin"))
    visit.settled()
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.get_by_label("Token")).to_be_visible()
    assert visit.page.url == f"{house.url}{SESSION}"
    assert visit.context.cookies() == []
    answer = visit.page.goto(visit.address("jobs"))
    assert answer is not None
    assert answer.status == 401


def test_the_page_says_when_the_token_has_ended_and_leads_back_to_where_one_was(
    visitor: Visitor, house: MonitorHouse
) -> None:
    visit = visitor(house.token("manager", seconds=6))
    page = visit.open("workers")
    notice = page.get_by_test_id("failure").first
    expect(notice).to_contain_text("You are signed out")
    notice.get_by_role("link", name="Sign in again").click()
    give_token(page, house.token("manager"))
    visit.settled()
    expect(page).to_have_url(re.compile(rf"{PAGE}\?view=workers$"))
    assert visit.refusals
