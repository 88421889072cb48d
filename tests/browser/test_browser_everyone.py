"""Everybody can use the page: in light and dark, by eye and by ear, on a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from support.browser import Visit, Visitor
from support.ingestion_house import house_of
from support.monitor_house import STEADY, MonitorHouse

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def places(house: MonitorHouse) -> Any:
    """Every view with something of everything to show: name → view and parameters."""
    queue = STEADY
    for loads in house_of(house.service):
        loads.enqueue(max_attempts=1)
        loads.operator.fail(loads.claim(), "PROVIDER_ERROR", message="the disk is full")
        loads.enqueue()
        house.report(loads.claim(), "save", 3, 8, "Processing records...")
        loads.enqueue()
        labels = {"team": "a", "batch": "2026-11"}
        [failed] = house.failed(queue, owner="user:ann@example.com", labels=labels, payload={"to": ["Ann", 3, None]})
        house.operator.cancel(house.pending(queue)[0], "wrong list")
        first, waiting = house.pending(queue, 2, labels=labels, correlation_id="order-7", concurrency_key="acme")
        with house.connected(queue, capacity=1) as raw:
            [run] = raw.await_jobs(1)
            house.worker.report(run, "write", read={"pages": 3})
            house.report(run, "write", 3, 9, "page 3 of 9")
            house.pause(queue, "deploy of the model")
            yield {
                "overview": ("overview", {}),
                "jobs": ("jobs", {"queue": queue}),
                "no jobs": ("jobs", {"queue": queue, "kind": "nothing"}),
                "failed job": ("job", {"id": failed}),
                "running job": ("job", {"id": first}),
                "waiting job": ("job", {"id": waiting}),
                "no job": ("job", {"id": "nonsense"}),
                "queues": ("queues", {"queue": queue}),
                "workers": ("workers", {}),
                "audit": ("audit", {"withSystem": "true"}),
            }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious_in_any_view(
    house: MonitorHouse, places: Any, visitor: Visitor, scheme: str, width: int
) -> None:
    visit = visitor(
        house.token("admin"), color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 800}
    )
    for name, (view, params) in places.items():
        visit.open(view, **params)
        visit.unfold()
        found = visit.barriers()
        assert not found, f"{name}, {scheme}, {width} px:\n{found}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_dialog_or_at_the_door(
    house: MonitorHouse, places: Any, visitor: Visitor, scheme: str
) -> None:
    visit = visitor(house.token("admin"), color_scheme=scheme, bypass_csp=True)
    view, params = places["jobs"]
    page = visit.open(view, **params)
    page.keyboard.press("?")
    expect(page.get_by_test_id("help")).to_be_visible()
    assert not visit.barriers()
    page.keyboard.press("Escape")
    page.get_by_test_id("bulk-cancel").click()
    expect(page.get_by_test_id("bulk-count")).to_be_visible()
    assert not visit.barriers()
    page.keyboard.press("Escape")
    visit.rows().first.get_by_role("button").first.click()
    expect(page.get_by_test_id("confirm")).to_be_visible()
    assert not visit.barriers()
    for token in ("", house.token("support"), "nonsense"):
        door = visitor(token, color_scheme=scheme, bypass_csp=True)
        door.page.goto(door.address())
        expect(door.page.get_by_label("Token")).to_be_visible()
        assert not door.barriers()


def test_a_phone_shows_every_view_without_sideways_scrolling(
    house: MonitorHouse, places: Any, visitor: Visitor
) -> None:
    visit = visitor(house.token("admin"), viewport=PHONE)
    for name, (view, params) in places.items():
        visit.open(view, **params)
        visit.unfold()
        assert visit.overhanging() == [], name
    page = visit.open("jobs")
    page.get_by_role("button", name="Filter jobs").click()
    expect(page.get_by_label("Owner")).to_be_visible()
    assert visit.overhanging() == []
    visit.rows().first.get_by_role("button").first.click()
    expect(page.get_by_test_id("confirm")).to_be_visible()
    assert visit.overhanging() == []
    door = visitor(viewport=PHONE)
    door.page.goto(door.address())
    assert door.overhanging() == []


def test_text_twice_as_large_fits(house: MonitorHouse, places: Any, visitor: Visitor) -> None:
    visit = visitor(house.token("admin"), viewport={"width": 640, "height": 800})
    for view, params in places.values():
        visit.open(view, **params)
        assert visit.overhanging() == []


def test_nothing_but_the_gateway_is_asked_for_anything(house: MonitorHouse, places: Any, visitor: Visitor) -> None:
    visit = visitor(house.token("admin"))
    asked: set[str] = set()
    visit.context.on("request", lambda request: asked.add(request.url))
    for view, params in places.values():
        visit.open(view, **params)
    assert len(asked) > 20
    assert {url for url in asked if not url.startswith(f"{house.url}/")} == set()


def test_motion_rests_for_whoever_asks_for_that(house: MonitorHouse, places: Any, visitor: Visitor) -> None:
    visit: Visit = visitor(house.token("admin"), reduced_motion="reduce")
    view, params = places["jobs"]
    page = visit.open(view, **params)
    running = page.locator(".spinner").first
    assert running.evaluate("each => getComputedStyle(each).animationIterationCount") == "1"
