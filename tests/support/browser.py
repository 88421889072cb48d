"""Chromium as a person's browser, cut off from everything but this machine, and watched for what a page must never do."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, expect
from playwright.sync_api import sync_playwright as playwright

from support.eventually import eventually_blocking
from support.monitor_rest import PAGE

__all__ = ["Visit", "Visitor", "chromium"]

#: Milliseconds. A busy machine is slow; what does not come at all is the fault.
PATIENCE = 20_000
#: Nothing listens there, so whatever is not for this machine fails at once.
NOWHERE = "http://127.0.0.1:9"
#: The browser's own words about an answer that is no success; the page is told of it, too.
REFUSAL = "Failed to load resource"
SERIOUS = ("serious", "critical")

#: Where the page can be scrolled sideways: the texts that reach over its right edge, or else the page's width.
_OVERHANGING = """() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth + 1) return [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const found = [`${page.scrollWidth} px`];
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    range.selectNode(text);
    if (range.getBoundingClientRect().right > page.clientWidth) found.push(text.parentElement.outerHTML.slice(0, 120));
  }
  return found;
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's own Chromium, without a window. Raises RuntimeError where there is none."""
    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("chromium is not installed: make browser")
    expect.set_options(timeout=PATIENCE)
    with playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program,
            chromium_sandbox=os.geteuid() != 0,
            args=[f"--proxy-server={NOWHERE}", "--proxy-bypass-list=127.0.0.1", "--disable-dev-shm-usage"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One person's window on the monitor, and whatever alarming it did."""

    def __init__(self, browser: Browser, url: str, token: str = "", **look: Any) -> None:
        self.url = url
        self.context: BrowserContext = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **look})
        self.context.set_default_timeout(PATIENCE)
        if token:
            self.context.add_cookies([{"name": "session", "value": token, "url": url, "httpOnly": True}])
        #: What must never happen: dialogs, requests to elsewhere, errors and warnings of scripts and of the browser.
        self.alarms: list[str] = []
        #: Requests that were answered by something else than a success.
        self.refusals: list[str] = []
        self.context.on("request", self._saw_request)
        self.context.on("console", self._saw_message)
        self.context.on("dialog", self._saw_dialog)
        self.context.on("weberror", lambda error: self.alarms.append(f"error: {error.error}"))
        self.page: Page = self.context.new_page()

    def _saw_request(self, request: Request) -> None:
        if (
            request.url.split(":")[0] not in ("data", "blob")
            and urlsplit(request.url).netloc != urlsplit(self.url).netloc
        ):
            self.alarms.append(f"request to {request.url}")

    def _saw_message(self, message: ConsoleMessage) -> None:
        if message.text.startswith(REFUSAL):
            self.refusals.append(f"{message.text} ({message.location['url']})")
        elif message.type in ("error", "warning", "assert"):
            self.alarms.append(f"{message.type}: {message.text}")

    def _saw_dialog(self, dialog: Dialog) -> None:
        self.alarms.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    # ---- going about ------------------------------------------------------------------------------------------------

    def address(self, view: str = "overview", **params: Any) -> str:
        """Of a view; a list is a parameter several times."""
        query = {} if view == "overview" else {"view": view}
        return f"{self.url}{PAGE}?{urlencode({**query, **params}, doseq=True)}".removesuffix("?")

    def open(self, view: str = "overview", **params: Any) -> Page:
        """Loads the view, and waits until it has something to show."""
        self.page.goto(self.address(view, **params))
        self.settled()
        return self.page

    def settled(self) -> None:
        """Nothing is being read for the first time any more."""
        expect(self.page.locator("main h1")).to_be_visible()
        expect(self.page.get_by_test_id("loading")).to_have_count(0)

    def rows(self, kind: str = "job-row") -> Locator:
        return self.page.get_by_test_id(kind)

    def shows(self, *ids: str, kind: str = "job-row") -> None:
        """These rows and no others, in this order, now or within moments."""

        def as_wanted() -> bool:
            shown = self.rows(kind).evaluate_all("rows => rows.map(row => row.dataset.id)")
            assert shown == list(ids)
            return True

        eventually_blocking(as_wanted, within=PATIENCE / 1000)

    def row(self, id: str, kind: str = "job-row") -> Locator:
        """Of a job, by its id."""
        return self.page.locator(f'[data-testid="{kind}"][data-id="{id}"]')

    def badge(self, id: str, kind: str = "job-row") -> Locator:
        return self.row(id, kind).get_by_test_id("badge")

    def params(self) -> dict[str, str]:
        """Of the present address; the last value of each name."""
        query: dict[str, str] = self.page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")
        return query

    def unfold(self) -> None:
        """Opens every fold, and what comes with it."""
        for _ in range(4):
            self.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def confirm(self, verb: str, **fields: str) -> None:
        """Fills the open dialog's fields and presses its button; the dialog goes."""
        dialog = self.page.get_by_test_id("confirm")
        for name, value in fields.items():
            dialog.locator(f"[name={name}]").fill(value)
        dialog.get_by_role("button", name=verb, exact=True).click()
        expect(dialog).to_have_count(0)

    # ---- judging ----------------------------------------------------------------------------------------------------

    def overhanging(self) -> list[str]:
        """What makes the page scroll sideways; empty when nothing does."""
        assert self.page.evaluate("getComputedStyle(document.documentElement).overflowX") != "hidden"
        found: list[str] = self.page.evaluate(_OVERHANGING)
        return found

    def barriers(self) -> str:
        """What axe finds to be serious or critical, in its own words; empty when there is none. It needs a window with
        `bypass_csp`, for it tries styles out."""
        results = Axe().run(self.page)
        found = results.response["violations"]
        results.response["violations"] = [each for each in found if each["impact"] in SERIOUS]
        return results.generate_report() if results.violations_count else ""

    def close(self) -> None:
        self.context.close()


#: Opens a window: with this token, at this address instead of the usual one, looking like this.
Visitor = Callable[..., Visit]
