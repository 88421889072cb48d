"""The queue monitor in a real browser, in front of the real services (`make test-browser`).

Without `-m browser` nothing of it is even collected: what it needs is not installed everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.monitor_house import MonitorHouse, monitor_house
from support.stack import Databases

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from support.browser import Visit


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if "browser" in config.getoption("markexpr") else True


@pytest.fixture(scope="session")
def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitorHouse]:
    """The services behind the page, which all tests share."""
    with databases.fresh() as url, monitor_house(url, tmp_path_factory.mktemp("monitor")) as opened:
        yield opened


@pytest.fixture(scope="session")
def browser(house: MonitorHouse) -> Iterator[Browser]:
    """One Chromium for all tests. It begins after the services: its loop does not let another one run in this thread."""
    from support.browser import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def visitor(browser: Browser, house: MonitorHouse) -> Iterator[Callable[..., Visit]]:
    """Opens windows of the monitor, and closes them after the test. Nothing alarming may have happened in any."""
    from support.browser import Visit

    visits: list[Visit] = []

    def open_window(token: str = "", url: str = house.url, **look: Any) -> Visit:
        visits.append(Visit(browser, url, token, **look))
        return visits[-1]

    yield open_window
    for visit in visits:
        visit.close()
    assert [alarm for visit in visits for alarm in visit.alarms] == []


@pytest.fixture
def admin(visitor: Callable[..., Visit], house: MonitorHouse) -> Visit:
    """An admin's window."""
    return visitor(house.token("admin"))


@pytest.fixture
def manager(visitor: Callable[..., Visit], house: MonitorHouse) -> Visit:
    """A manager's window."""
    return visitor(house.token("manager", "mia"))


@pytest.fixture
def queue(house: MonitorHouse) -> str:
    """The name of a queue of the test's own."""
    return house.new_queue()
