"""The page keeps itself fresh, by events and without them, and leaves everybody where they were."""

from __future__ import annotations

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import expect

from support.browser import Visit, Visitor
from support.monitor_house import MonitorHouse
from support.monitor_rest import API
from support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.browser

#: A page whose own five seconds never come: what it shows, it was told.
NO_CLOCK = "const every = setInterval; window.setInterval = (act, time) => time < 5000 && every(act, time);"


def test_events_alone_keep_it_fresh(house: MonitorHouse, queue: str, manager: Visit) -> None:
    manager.context.add_init_script(NO_CLOCK)
    page = manager.open("jobs", queue=queue)
    expect(page.get_by_test_id("mode")).to_have_attribute("data-mode", "live")
    expect(page.get_by_test_id("empty")).to_be_visible()
    [id] = house.pending(queue)
    expect(manager.badge(id)).to_have_text("🟡 PENDING")
    run = house.run(queue)
    expect(manager.badge(id)).to_have_text("🔵 PROCESSING")
    house.worker.complete(run)
    expect(manager.badge(id)).to_have_text("🟢 COMPLETED")


def test_without_the_stream_it_asks_every_five_seconds(house: MonitorHouse, queue: str, manager: Visit) -> None:
    manager.context.route(f"**{API}/stream", lambda route: route.abort())
    page = manager.open("jobs", queue=queue)
    expect(page.get_by_test_id("mode")).to_have_text("every 5 s")
    [id] = house.pending(queue)
    expect(manager.badge(id)).to_have_text("🟡 PENDING")
    page.get_by_role("link", name="Overview").click()
    card = page.locator(f'[data-testid="queue-card"][data-queue="{queue}"]')
    house.worker.complete(house.run(queue))
    expect(card.locator("dl > div").filter(has_text="ready").locator("dd")).to_have_text("0")
    manager.context.unroute(f"**{API}/stream")
    expect(page.get_by_test_id("mode")).to_have_text("live")


def test_a_gateway_out_of_reach_is_said_and_passes(house: MonitorHouse, queue: str, visitor: Visitor) -> None:
    [id] = house.pending(queue)
    address = house.url.removeprefix("http://")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(tcp_proxy(address)) as proxy:
        manager = visitor(house.token("manager"), url=f"http://{proxy.address}")
        page = manager.open("jobs", queue=queue)
        portal.call(proxy.refuse)
        expect(page.get_by_test_id("mode")).to_have_text("offline")
        expect(page.get_by_test_id("failure").first).to_contain_text("The gateway does not answer")
        expect(manager.badge(id)).to_have_text("🟡 PENDING")
        house.worker.complete(house.run(queue))
        portal.call(proxy.heal)
        expect(page.get_by_test_id("mode")).to_have_text("live")
        expect(manager.badge(id)).to_have_text("🟢 COMPLETED")
        expect(page.get_by_test_id("failure")).to_have_count(0)


def test_a_refresh_moves_neither_the_page_nor_the_focus(house: MonitorHouse, queue: str, manager: Visit) -> None:
    ids = house.pending(queue, 40)
    page = manager.open("jobs", queue=queue, dir="asc")
    expect(manager.rows()).to_have_count(40)
    link = manager.row(ids[30]).get_by_role("link").first
    link.focus()
    link.evaluate("each => { each.scrollIntoView({block: 'center'}); window.__link = each; }")
    before = page.evaluate("scrollY")
    assert before > 200
    house.worker.complete(house.run(queue))
    expect(manager.badge(ids[0])).to_have_text("🟢 COMPLETED")
    assert page.evaluate("scrollY") == before
    assert page.evaluate("document.activeElement === window.__link")
    # Rows that come above push nothing away from under the reader.
    page = manager.open("jobs", queue=queue)
    place = manager.row(ids[10])
    place.evaluate("each => each.scrollIntoView({block: 'center'})")
    top = place.bounding_box()
    [new] = house.pending(queue)
    expect(manager.row(new)).to_have_count(1)
    moved = place.bounding_box()
    assert top is not None
    assert moved is not None
    assert abs(moved["y"] - top["y"]) < 3


def test_a_refresh_keeps_what_is_being_typed_open_folds_and_selected_text(
    house: MonitorHouse, queue: str, manager: Visit
) -> None:
    [id] = house.pending(queue, payload={"letter": {"to": {"name": "Ann"}}})
    run = house.run(queue)
    house.report(run, "read", 1, 9)
    page = manager.open("job", id=id)
    payload = page.get_by_test_id("payload")
    payload.get_by_text("letter").click()
    payload.get_by_text("to", exact=True).click()
    expect(payload.get_by_text("Ann")).to_be_visible()
    page.get_by_test_id("job-id").evaluate("each => getSelection().selectAllChildren(each)")
    house.report(run, "read", 7, 9)
    expect(page.get_by_test_id("progress")).to_contain_text("7 / 9")
    expect(payload.get_by_text("Ann")).to_be_visible()
    assert page.evaluate("String(getSelection())") == id
    page = manager.open("jobs", queue=queue)
    field = page.get_by_label("Owner")
    field.press_sequentially("user:an")
    house.worker.complete(run)
    expect(manager.badge(id)).to_have_text("🟢 COMPLETED")
    expect(field).to_have_value("user:an")
    expect(field).to_be_focused()
