"""Whatever is in a job, a worker's name or a reason is text on the page and nothing else.

The windows of these tests raise alarm at dialogs, at requests to elsewhere, and at every error and warning of the browser, of
which a violation of the Content-Security-Policy is one (see support/browser.py).
"""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from jobline.v1 import job_pb2
from jobline.v1 import work_service_pb2 as work_pb
from support.browser import Visit, Visitor
from support.gateway import user_token
from support.ingestion_house import house_of
from support.monitor_house import MonitorHouse
from support.monitor_rest import HOSTILE, PAGE, SESSION, role
from support.queue_calls import new_job

pytestmark = pytest.mark.browser

ELSEWHERE = "http://192.0.2.7/steal"
TEXTS = {
    "markup": HOSTILE,
    "script": f"<script src={ELSEWHERE}></script><script>window.__xss=1;alert(1)</script>",
    "attribute": f'" onmouseover="alert(1)" style="background:url({ELSEWHERE})" x="',
    "link": "javascript:window.__xss=1",
    "image": f"<img src={ELSEWHERE} onerror=alert(1)><svg onload=alert(1)>",
    "right to left": "\u202egnp.live\u202c \u2066abc\u2069 \u200f\u061c",
    "one word": "W" * 10_000,
}
PARAMETERS = (
    "queue",
    "state",
    "kind",
    "owner",
    "error",
    "createdAfter",
    "order",
    "dir",
    "cursor",
    "id",
    "range",
    "actor",
    "name",
)
VIEWS = ("overview", "jobs", "job", "queues", "workers", "audit")

#: Elements that the page itself never has, and those with a handler or an address that runs a script.
_BROUGHT_ALONG = """() => [...document.querySelectorAll("*")].filter((each) =>
  each.matches("body :is(img, script, style, link, iframe, object, embed, base, meta)") ||
  [...each.attributes].some(({name}) => name.startsWith("on")) ||
  ["href", "src", "action"].some((name) => /^[^a-z]*javascript/i.test(each.getAttribute(name) ?? ""))
).map((each) => each.outerHTML.slice(0, 200))"""
_MISCHIEF = """elsewhere => {
  document.body.insertAdjacentHTML("beforeend", `<img src=${elsewhere} onerror="window.__xss=1"><p style="color:red">`);
  alert("boo");
  const script = document.createElement("script");
  script.textContent = "window.__xss = 1";
  document.body.append(script);
}"""


class Trap:
    """A queue, a job and a worker that hold a text wherever there is room for one."""

    def __init__(self, house: MonitorHouse, queue: str, text: str) -> None:
        self.house, self.queue, self.text = house, queue, text

    def lay(self) -> tuple[str, str]:
        """The ids of a job that runs, and of one that failed."""
        payload = {self.text: [self.text, {self.text: self.text}]}
        new = new_job(
            self.queue,
            payload,
            owner=f"user:{self.text[:250]}",
            correlation_id=self.text[:128],
            concurrency_key=self.text[:255],
            labels={self.text[:64]: self.text[:255]},
            max_attempts=1,
        )
        running, failed, done = self.house.operator.enqueue(new, new, new)
        runs = {run.job_id: run for run in self.house.worker.claim(self.queue, most=3, wait=10)}
        for run in runs.values():
            self._report(run)
        self.house.worker.fail(runs[failed], "HOSTILE", message=self.text[:1000])
        self.house.worker.complete(runs[done], {self.text: self.text})
        self.house.operator.cancel(self.house.pending(self.queue)[0], self.text[:255])
        self.house.pause(self.queue, self.text[:255])
        return running, failed

    def _report(self, run: work_pb.Assignment) -> None:
        progress = job_pb2.Progress(step=self.text[:64], current=1, total=2, message=self.text[:255])
        report = work_pb.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token, progress=progress)
        report.steps.add(name=f"{self.text[:63]}2", output_json=json.dumps({self.text: [self.text]}))
        self.house.worker.work.ReportProgress(report)


def harmless(visit: Visit) -> None:
    """The page stands, in one column, and holds no element, handler or address that a text brought along."""
    page = visit.page
    found = page.evaluate(_BROUGHT_ALONG)
    assert found == []
    assert page.evaluate("window.__xss") is None
    assert visit.overhanging() == []
    assert visit.alarms == []


def test_the_watch_sees_what_it_is_for(visitor: Visitor) -> None:
    visit = visitor()
    page = visit.page
    page.goto(visit.address())
    page.evaluate(_MISCHIEF, ELSEWHERE)
    expect(page.locator("img")).to_have_count(1)
    seen = " ".join(visit.alarms)
    for part in ("dialog: boo", "script-src", "style-src", "img-src"):
        assert part in seen
    assert page.evaluate("window.__xss") is None, "the policy held"
    visit.alarms.clear()


@pytest.mark.parametrize("name", TEXTS)
def test_in_a_job_a_worker_or_a_queue_it_does_nothing(
    house: MonitorHouse, queue: str, visitor: Visitor, name: str
) -> None:
    text = TEXTS[name]
    running, failed = Trap(house, queue, text).lay()
    visit = visitor(house.token("admin", sub="hostess"))
    start = text[:40]
    with house.connected(queue, name=text[:128]):
        for view, params in {
            "overview": {},
            "jobs": {"queue": queue},
            "queues": {"queue": queue},
            "workers": {},
            "audit": {"queue": queue},
        }.items():
            page = visit.open(view, **params)
            expect(page.locator("main")).to_contain_text(start)
            visit.unfold()
            harmless(visit)
        for id in (running, failed):
            page = visit.open("job", id=id)
            visit.unfold()
            for part in ("payload", "step-outputs", "facts", "waterfall"):
                expect(page.get_by_test_id(part)).to_contain_text(start)
            expect(page.get_by_test_id("progress" if id == running else "error")).to_contain_text(start)
            harmless(visit)
        page.set_viewport_size({"width": 360, "height": 740})
        harmless(visit)
        for view, params in {
            "overview": {},
            "jobs": {"queue": queue},
            "queues": {"queue": queue},
            "workers": {},
        }.items():
            visit.open(view, **params)
            harmless(visit)


def test_in_the_database_queue_it_does_nothing(house: MonitorHouse, visitor: Visitor) -> None:
    for loads in house_of(house.service):
        visit = visitor(house.token("admin"))
        page = visit.open()
        for text in TEXTS.values():
            id = loads.enqueue(max_attempts=1)
            run = loads.claim()
            house.report(run, text[:64], 1, 2, text[:255])
            expect(visit.row(id, "recent-job")).to_contain_text(text[:40])
            loads.operator.fail(run, "HOSTILE", message=text[:1000])
            expect(page.get_by_test_id("recent-jobs")).to_contain_text(text[:40])
            harmless(visit)


@pytest.mark.parametrize("name", ["markup", "script", "attribute", "link", "right to left"])
def test_in_an_address_it_does_nothing(house: MonitorHouse, visitor: Visitor, name: str) -> None:
    text = TEXTS[name]
    visit = visitor(house.token("admin"))
    for view in (*VIEWS, text):
        visit.page.goto(visit.address(view, **dict.fromkeys(PARAMETERS, text)))
        expect(visit.page.locator("main h1")).to_be_visible()
        expect(visit.page.get_by_test_id("loading")).to_have_count(0)
        harmless(visit)


@pytest.mark.parametrize("name", ["markup", "script", "attribute"])
def test_in_a_token_or_the_way_back_it_does_nothing(house: MonitorHouse, visitor: Visitor, name: str) -> None:
    text = TEXTS[name]
    visit = visitor()
    page = visit.page
    page.goto(f"{visit.address('jobs', owner=text)}")
    page.get_by_label("Token").fill(text)
    page.get_by_role("button", name="Open the monitor").click()
    expect(page.get_by_role("alert")).to_be_visible()
    harmless(visit)
    for way in (ELSEWHERE, "//192.0.2.7/steal", "javascript:window.__xss=1", f"{PAGE}\\\\192.0.2.7", text):
        page.goto(f"{house.url}{SESSION}")
        page.locator("[name=next]").evaluate("(field, way) => { field.value = way; }", way)
        page.get_by_label("Token").fill(house.token("manager", sub=text[:200]))
        page.get_by_role("button", name="Open the monitor").click()
        visit.settled()
        harmless(visit)
        visit.context.clear_cookies()


def test_in_the_name_of_a_role_it_does_nothing(visitor: Visitor) -> None:
    for text in TEXTS.values():
        visit = visitor(user_token(**role(text[:500])))
        visit.page.goto(visit.address())
        expect(visit.page.get_by_role("alert")).to_be_visible()
        harmless(visit)
