"""The jobs API in front of the real queue service: whole lives of jobs, seen by those who poll and those who watch."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from jobline.v1 import email_service_pb2 as email_pb
from jobline.v1 import work_service_pb2 as work_pb
from support import generation_jobs
from support.content_owner import (
    GENERATION,
    STEPS,
    URL,
    ContentOwner,
    analysed_page,
    analysis_result,
    drawn,
    image,
    report_step,
)
from support.email_user import TEMPLATE
from support.eventually import eventually_blocking
from support.gateway import bearer, gateway_process, user_token
from support.jobs_rest import ANALYSIS_RESULT, BASE, GENERATION_RESULT, LITERALS, job_path
from support.jobs_rest import GENERATION as WANTED
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest

STATUS_KEYS = [
    "jobId",
    "status",
    "progress",
    "currentStep",
    "estimatedTimeRemaining",
    "error",
    "errorCode",
    "result",
    "createdAt",
    "updatedAt",
]
LISTED_KEYS = ["jobId", "type", *(key for key in STATUS_KEYS[1:] if key != "result")]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ACTS = [("GET", "status"), ("GET", "events"), ("POST", "retry"), ("POST", "cancel")]
NOTHING: dict[str, Any] = {
    "progress": 0,
    "currentStep": None,
    "estimatedTimeRemaining": None,
    "error": None,
    "errorCode": None,
    "result": None,
}


@pytest.fixture(scope="module")
def rest(shared_queue: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway process in front of the shared queue service."""
    settings = {"JOBLINE_QUEUE_ADDRESS": shared_queue.address, "JOBLINE_TOKEN": shared_queue.gateway_token}
    with (
        gateway_process(tmp_path_factory.mktemp("gateway"), **settings) as (_, url),
        httpx.Client(base_url=url, trust_env=False, timeout=20) as client,
    ):
        yield client


def identity(*owners: ContentOwner) -> dict[str, str]:
    """The headers of a caller who is all of these."""
    headers: dict[str, str] = {}
    for owner in owners:
        headers |= bearer(owner.user) if owner.user else {"x-session-id": owner.session}
    return headers


def answer(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.text


def create(rest: httpx.Client, owner: ContentOwner, kind: str = "website-analysis", **body: Any) -> str:
    """The id of a new job."""
    wanted = WANTED if kind == "content-generation" else {"url": URL}
    got = rest.post(f"{BASE}/{kind}", headers=identity(owner), json={**wanted, **body})
    assert got.status_code == 201, got.text
    assert list(got.json()) == ["jobId"]
    id: str = got.json()["jobId"]
    assert str(uuid.UUID(id)) == id
    return id


def status(rest: httpx.Client, owner: ContentOwner, id: str) -> dict[str, Any]:
    got = rest.get(job_path("status", id), headers=identity(owner))
    assert got.status_code == 200, got.text
    found: dict[str, Any] = got.json()
    assert list(found) == STATUS_KEYS
    assert TIME.fullmatch(found["createdAt"])
    assert TIME.fullmatch(found["updatedAt"])
    return found


def told(job: dict[str, Any]) -> dict[str, Any]:
    """What a job says of itself but for its id, its status and its times."""
    return {key: value for key, value in job.items() if key in NOTHING}


def walk(owner: ContentOwner, run: work_pb.Assignment, name: str) -> None:
    """The worker's part of an analysis, to the end."""
    calls = owner.operator
    calls.report(run, analyze_website=analysed_page("Book a demo", "Call us"))
    for step in ("generate_audiences", "generate_pitches"):
        report_step(calls, run, step, 1, 2)
        calls.report(run, **{step: {}})
    calls.report(run, generate_images=drawn(image(name), None, None, None))
    calls.complete(run, analysis_result("Book a demo", "Call us", images=[name, None, None, None]))


def test_an_analysis_from_its_creation_to_its_image(rest: httpx.Client, visitor: ContentOwner) -> None:
    id = create(rest, visitor)
    queued = status(rest, visitor, id)
    assert (queued["jobId"], queued["status"], told(queued)) == (id, "queued", NOTHING)
    run = visitor.claim()
    running = status(rest, visitor, id)
    assert (running["status"], running["progress"], running["currentStep"]) == ("running", 0, "Analyzing website…")
    assert type(running["estimatedTimeRemaining"]) is int
    name = f"{uuid.uuid4().hex}.svg"
    walk(visitor, run, name)
    done = status(rest, visitor, id)
    assert (done["status"], {**told(done), "result": None}) == ("succeeded", {**NOTHING, "progress": 100})
    assert done["updatedAt"] > queued["updatedAt"] >= queued["createdAt"]
    result = done["result"]
    assert list(result) == list(ANALYSIS_RESULT)
    assert result["analysis"]["organizationId"] == result["organizationId"]
    assert (result["ctaCount"], result["hasSufficientCTAs"], len(result["scenarios"])) == (2, False, 4)
    assert [scenario["imageUrl"] for scenario in result["scenarios"]] == [
        f"{str(rest.base_url).rstrip('/')}/media/{name}",
        None,
        None,
        None,
    ]
    picture = rest.get(result["scenarios"][0]["imageUrl"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert "sandbox" in picture.headers["content-security-policy"]
    again = rest.get(result["scenarios"][0]["imageUrl"], headers={"if-none-match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert answer(rest.get(f"/media/{uuid.uuid4().hex}.svg")) == (404, '{"error":"Not found"}')


class Watcher:
    """Reads a job's events in a thread of its own."""

    def __init__(self, rest: httpx.Client, owner: ContentOwner, id: str) -> None:
        self.states: list[dict[str, Any]] = []
        self.last_id = ""
        self._begun = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._read: Future[None] = self._pool.submit(self._follow, rest, owner, id)
        assert self._begun.wait(10)

    def _follow(self, rest: httpx.Client, owner: ContentOwner, id: str) -> None:
        with rest.stream("GET", job_path("events", id), headers=identity(owner)) as got:
            assert got.headers["content-type"].startswith("text/event-stream")
            for line in got.iter_lines():
                name, _, value = line.partition(": ")
                if name == "data":
                    self.states.append(json.loads(value))
                    self._begun.set()
                elif name == "id":
                    self.last_id = value

    def await_state(self, progress: int, step: str) -> None:
        wanted = (progress, step)
        eventually_blocking(
            lambda: wanted in [(state["progress"], state["currentStep"]) for state in self.states],
            what=f"{wanted} is told",
        )

    def await_end(self) -> None:
        self._read.result(10)
        self._pool.shutdown()


def test_who_watches_sees_the_four_steps_in_order_and_the_end(rest: httpx.Client, owner: ContentOwner) -> None:
    id = create(rest, owner)
    watcher = Watcher(rest, owner, id)
    run = owner.claim()
    outputs: dict[str, Any] = {"analyze_website": analysed_page(), "generate_images": drawn(None, None, None, None)}
    for number, (step, label) in enumerate(STEPS.items()):
        report_step(owner.operator, run, step, 48, 100)
        watcher.await_state(25 * number + 12, label)
        owner.operator.report(run, **{step: outputs.get(step, {})})
    owner.operator.complete(run, analysis_result())
    watcher.await_end()
    states = watcher.states
    assert [states[0]["status"], states[-1]["status"]] == ["queued", "succeeded"]
    assert states[-1] == status(rest, owner, id)
    shown = [state["progress"] for state in states]
    assert shown == sorted(shown)
    labels = [state["currentStep"] for state in states if state["currentStep"]]
    assert list(dict.fromkeys(labels)) == list(STEPS.values())
    assert all(list(state) == STATUS_KEYS for state in states)
    # A browser calls again of its own accord, and is told that this was all.
    headers = {**identity(owner), "last-event-id": watcher.last_id}
    assert rest.get(job_path("events", id), headers=headers).status_code == 204
    got = rest.get(job_path("events", id), headers=identity(owner))
    assert got.text.count("event: status") == 1


def test_a_text_from_its_creation_to_its_post(rest: httpx.Client, owner: ContentOwner) -> None:
    id = create(rest, owner, "content-generation", organizationId="acme", topic={"title": "Planning", "angle": "daily"})
    run = owner.claim(GENERATION)
    assert json.loads(run.payload_json)["options"] == {"includeVisuals": True, "autoSave": True, "status": "draft"}
    running = status(rest, owner, id)
    assert (running["status"], running["progress"], running["currentStep"]) == ("running", 10, "running")
    owner.operator.complete(run, generation_jobs.RESULT)
    result = status(rest, owner, id)["result"]
    assert list(result) == list(GENERATION_RESULT)
    assert result["savedPost"]["user_id"] == owner.user
    assert result["imageGeneration"]["blogPostId"] == result["savedPost"]["id"]


def test_a_text_needs_a_user_and_an_organization_that_is_not_somebody_elses(
    rest: httpx.Client, owner: ContentOwner, visitor: ContentOwner
) -> None:
    path = f"{BASE}/content-generation"
    assert answer(rest.post(path, headers=identity(visitor), json=WANTED)) == LITERALS["no user"]
    assert answer(rest.post(path, json=WANTED)) == LITERALS["no identity"]
    theirs = visitor.analysed()["organizationId"]
    wanted = {**WANTED, "organizationId": theirs}
    assert answer(rest.post(path, headers=identity(owner), json=wanted)) == LITERALS["no organization"]
    # Who is both the user and the session may use it.
    assert rest.post(path, headers=identity(owner, visitor), json=wanted).status_code == 201


def test_a_failed_job_says_why_and_is_queued_again_as_if_it_were_new(rest: httpx.Client, visitor: ContentOwner) -> None:
    id = create(rest, visitor)
    assert answer(rest.post(job_path("retry", id), headers=identity(visitor))) == LITERALS["not failed"]
    run = visitor.claim()
    assert answer(rest.post(job_path("retry", id), headers=identity(visitor))) == LITERALS["not failed"]
    error = f"Could not fetch {URL}: HTTP 503"
    visitor.operator.fail(run, "FETCH_FAILED", retryable=False, message=error)
    failed = status(rest, visitor, id)
    assert (failed["status"], failed["error"], failed["errorCode"]) == ("failed", error, "FETCH_FAILED")
    assert (failed["currentStep"], failed["estimatedTimeRemaining"], failed["result"]) == (None, None, None)
    got = rest.post(job_path("retry", id.upper()), headers=identity(visitor))
    assert answer(got) == (200, f'{{"jobId":"{id}"}}')
    queued = status(rest, visitor, id)
    assert (queued["status"], told(queued), queued["createdAt"]) == ("queued", NOTHING, failed["createdAt"])
    run = visitor.claim()
    assert (run.job_id, json.loads(run.payload_json)) == (id, {"url": URL})


def test_a_queued_job_is_cancelled_at_once_and_may_be_retried(rest: httpx.Client, owner: ContentOwner) -> None:
    id = create(rest, owner)
    cancel, headers = job_path("cancel", id), identity(owner)
    assert answer(rest.post(cancel, headers=headers)) == (200, '{"cancelled":true}')
    cancelled = status(rest, owner, id)
    assert (cancelled["status"], cancelled["error"], cancelled["errorCode"]) == ("failed", "Cancelled", "CANCELLED")
    assert answer(rest.post(cancel, headers=headers)) == LITERALS["not cancellable"]
    assert rest.post(job_path("retry", id), headers=headers).status_code == 200
    assert told(status(rest, owner, id)) == NOTHING


def test_a_running_job_is_cancelled_at_the_end_of_its_step(rest: httpx.Client, owner: ContentOwner) -> None:
    id = create(rest, owner)
    run = owner.claim()
    for _ in range(2):
        got = rest.post(job_path("cancel", id), headers=identity(owner))
        assert answer(got) == (200, '{"cancelled":true}')
        assert status(rest, owner, id)["status"] == "running"
    with refused("CANCELLED"):
        owner.operator.complete(run, analysis_result())
    cancelled = status(rest, owner, id)
    assert (cancelled["status"], cancelled["error"], cancelled["errorCode"]) == ("failed", "Cancelled", "CANCELLED")
    assert cancelled["result"] is None
    assert answer(rest.post(job_path("cancel", id), headers=identity(owner))) == LITERALS["not cancellable"]


def test_a_job_is_its_owners_alone(rest: httpx.Client, owner: ContentOwner, visitor: ContentOwner) -> None:
    of_user, of_session = create(rest, owner), create(rest, visitor)
    # Who is both makes jobs that belong to the user alone.
    got = rest.post(f"{BASE}/website-analysis", headers=identity(owner, visitor), json={"url": URL})
    of_both = got.json()["jobId"]
    for id, strangers in ((of_user, visitor), (of_both, visitor), (of_session, owner)):
        for method, act in ACTS:
            assert answer(rest.request(method, job_path(act, id), headers=identity(strangers))) == LITERALS["no job"]
    assert status(rest, owner, of_both)["status"] == "queued"
    listed = {
        frozenset(job["jobId"] for job in rest.get(BASE, headers=headers).json()["jobs"])
        for headers in (identity(owner), identity(visitor), identity(owner, visitor))
    }
    assert listed == {
        frozenset({of_user, of_both}),
        frozenset({of_session}),
        frozenset({of_user, of_both, of_session}),
    }
    got = rest.post(job_path("cancel", of_session), headers=identity(owner), json={"sessionId": visitor.session})
    assert got.status_code == 200


def test_a_malformed_id_and_one_of_another_surface_are_unknown(rest: httpx.Client, owner: ContentOwner) -> None:
    recipient = email_pb.EmailRecipient(recipient_name="Ada", recipient_interest="engines")
    mails = email_pb.SubmitEmailsRequest(items=[recipient], email_template=TEMPLATE)
    [item] = owner.calls.emails.SubmitEmails(mails).queue_item_ids
    for id in ("42", "%00", "x" * 300, "%F0%9F%98%80", f"{{{uuid.uuid4()}}}", str(uuid.uuid4()), item):
        for method, act in ACTS:
            assert answer(rest.request(method, job_path(act, id), headers=identity(owner))) == LITERALS["no job"]
    owner.operator.delete(item)


def test_lists_are_narrowed_and_paged(rest: httpx.Client, owner: ContentOwner) -> None:
    ids = [create(rest, owner, kind) for kind in ["website-analysis", "content-generation"] * 2 + ["website-analysis"]]
    owner.cancel(ids[0])
    headers = identity(owner)

    def listed(query: str) -> list[str]:
        return [job["jobId"] for job in rest.get(f"{BASE}?{query}", headers=headers).json()["jobs"]]

    assert listed("") == ids[::-1]
    assert listed("type=content_generation") == [ids[3], ids[1]]
    assert listed("status=failed") == [ids[0]]
    assert listed("status=failed,queued&type=website_analysis") == [ids[4], ids[2], ids[0]]
    assert listed("status=running,succeeded") == []
    found, target, pages = [], f"{BASE}?limit=2&status=queued,failed", 0
    while target:
        got = rest.get(target, headers=headers)
        assert all(list(job) == LISTED_KEYS for job in got.json()["jobs"])
        found += [job["jobId"] for job in got.json()["jobs"]]
        target = got.links["next"]["url"] if "next" in got.links else ""
        assert (got.json()["nextCursor"] is None) == (target == "")
        pages += 1
    assert (found, pages) == (ids[::-1], 3)
    got = rest.get(f"{BASE}?cursor=x", headers=headers)
    assert (got.status_code, got.json()["message"]) == (400, "cursor must be one that a list returned")


def test_the_cookie_is_as_good_as_the_header_but_not_from_another_site(rest: httpx.Client, owner: ContentOwner) -> None:
    cookie = {"cookie": f"session={user_token(owner.user)}"}
    got = rest.post(f"{BASE}/website-analysis", headers=cookie, json={"url": URL})
    path = job_path("cancel", got.json()["jobId"])
    foreign = rest.post(path, headers={**cookie, "origin": "https://evil.example"})
    assert answer(foreign) == LITERALS["foreign cookie"]
    assert rest.post(path, headers={**cookie, "origin": str(rest.base_url).rstrip("/")}).status_code == 200


def test_what_is_refused_stores_nothing(rest: httpx.Client, owner: ContentOwner) -> None:
    headers = identity(owner)
    for kind, content, literal in (
        ("website-analysis", b"{", "not json"),
        ("website-analysis", b'{"url":"ftp://example.com"}', "no url"),
        ("website-analysis", b" " * (1024 * 1024 + 1), "too large"),
        ("content-generation", b"{}", "missing"),
        ("content-generation", json.dumps({**WANTED, "topic": {"title": " "}}).encode(), "structure"),
    ):
        assert answer(rest.post(f"{BASE}/{kind}", headers=headers, content=content)) == LITERALS[literal]
    assert rest.get(BASE, headers=headers).json() == {"jobs": [], "nextCursor": None}
