"""`make screenshots`: the front page's pictures of the queue monitor, taken from a stack that is busy with real jobs."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from browser.busy_hour import BusyHour
from support.browser import Visit, chromium
from support.gated_content import gated_content
from support.gateway import user_token
from support.monitor_rest import role
from support.processes import running_stack
from support.stack import scratch_data_dir

DESK = {"width": 1280, "height": 1120}
PHONE = {"width": 390, "height": 844}
#: Between two phones.
GAP = 24
BACKGROUND = "#d7dce3"
#: Of a picture, in bytes.
MOST = 250_000


class Studio:
    """A browser, an hour, and the folder that the pictures go to."""

    def __init__(self, browser: Browser, url: str, hour: BusyHour, folder: Path) -> None:
        self._browser, self._url, self._hour, self._folder = browser, url, hour, folder

    @contextlib.contextmanager
    def _window(self, scheme: str, size: dict[str, int]) -> Iterator[Visit]:
        token = user_token("ops", email="ops@northwind.example", exp=int(time.time()) + 3600, **role("admin"))
        visit = Visit(self._browser, self._url, token, color_scheme=scheme, viewport=size)
        yield visit
        visit.close()
        assert visit.alarms == []

    def take_all(self) -> None:
        with self._window("light", DESK) as visit:
            self._keep("monitor-light", self._shot(visit, ".sparkline .line", "overview"))
        with self._window("dark", DESK) as visit:
            self._keep("monitor-dark", self._shot(visit, "canvas", "queues", queue="email_default"))
        with self._window("light", PHONE) as bright, self._window("dark", PHONE) as dark:
            held_back = self._hour.jobs("communications", "pending")[0]["id"]
            running = self._hour.jobs("vectorization", "running")[0]["id"]
            views = [
                self._shot(bright, ".sparkline .line", "overview"),
                self._shot(bright, ".waterfall", "job", id=held_back),
                self._shot(dark, ".waterfall", "job", id=running),
            ]
        self._keep("monitor-phone", _side_by_side(views))

    def _shot(self, visit: Visit, last: str, view: str, **params: str) -> Image.Image:
        """`last`: what is on the page when everything is."""
        page = visit.open(view, **params)
        page.locator(last).first.wait_for()
        return Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")

    def _keep(self, name: str, picture: Image.Image) -> None:
        file = self._folder / f"{name}.png"
        picture.save(file, optimize=True)
        size = file.stat().st_size
        assert size <= MOST, f"{file.name} has {size} bytes"
        print(f"{file} {picture.width} x {picture.height}, {size} bytes")


def _side_by_side(views: list[Image.Image]) -> Image.Image:
    width = sum(view.width for view in views) + GAP * (len(views) - 1)
    whole = Image.new("RGB", (width, max(view.height for view in views)), BACKGROUND)
    for at, view in enumerate(views):
        whole.paste(view, (at * (view.width + GAP), 0))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"), help="where the pictures go")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        pages = stack.enter_context(gated_content())
        data = stack.enter_context(scratch_data_dir())
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        up = stack.enter_context(running_stack(data.root, logs, **pages.page_settings))
        hour = stack.enter_context(contextlib.closing(BusyHour(up.endpoints, pages)))
        hour.remember()
        hour.fill()
        browser = stack.enter_context(chromium())
        Studio(browser, up.endpoints.gateway, hour, folder).take_all()


if __name__ == "__main__":
    main()
