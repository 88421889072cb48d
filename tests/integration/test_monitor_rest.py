"""The queue monitor in front of the real queue service: what staff see is what is, what admins do is done, and nobody else
does anything."""

from __future__ import annotations

import csv
import io
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline.v1 import work_service_pb2 as work_pb
from support.eventually import eventually_blocking
from support.gateway import bearer, gateway_process, user_token
from support.monitor_rest import API, HOSTILE, PAGE, SESSION, role
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest

BOSS = "user:boss"


class Person:
    """A client of the gateway with a token of this role; what it asks for by `get` and `post` is there."""

    def __init__(self, url: str, sub: str, name: str) -> None:
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=30, headers=bearer(sub, **role(name)))

    def get(self, path: str, **query: str) -> Any:
        got = self.client.get(f"{API}/{path}", params=query or None)
        assert got.status_code == 200, got.text
        return got.json()

    def post(self, path: str, **body: Any) -> Any:
        got = self.client.post(f"{API}/{path}", json=body)
        assert got.status_code == 200, got.text
        return got.json()

    def refused(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        got = self.client.request(method, f"{API}/{path}", **({"json": body} if method == "POST" else {}))
        return got.status_code, got.json()


@pytest.fixture(scope="module")
def url(shared_queue: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway process in front of the shared queue service."""
    settings = {"JOBLINE_QUEUE_ADDRESS": shared_queue.address, "JOBLINE_TOKEN": shared_queue.gateway_token}
    with gateway_process(tmp_path_factory.mktemp("gateway"), **settings) as (process, address):
        yield address
        assert " ERROR " not in process.errors.read_text()


def person(url: str, sub: str, name: str) -> Iterator[Person]:
    opened = Person(url, sub, name)
    yield opened
    opened.client.close()


@pytest.fixture(scope="module")
def admin(url: str) -> Iterator[Person]:
    yield from person(url, "boss", "admin")


@pytest.fixture(scope="module")
def manager(url: str) -> Iterator[Person]:
    yield from person(url, "mia", "manager")


@pytest.fixture
def worker(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.worker_token) as opened:
        yield opened


def failed(calls: Calls, worker: Calls, queue: str, number: int = 1, **fields: Any) -> list[str]:
    """The ids of jobs that have failed."""
    ids = calls.enqueue(*(new_job(queue, {"n": n}, max_attempts=1, **fields) for n in range(number)))
    for run in worker.claim(queue, most=number, wait=10):
        worker.fail(run, "TIMEOUT", message="too slow")
    assert {calls.state(id) for id in ids} == {"failed"}
    return ids


def ids_of(page: Any) -> list[str]:
    return [job["id"] for job in page["jobs"]]


# ---- looking --------------------------------------------------------------------------------------------------------


def test_every_queue_is_shown_as_it_stands(calls: Calls, worker: Calls, manager: Person, queue: str) -> None:
    calls.enqueue(new_job(queue), new_job(queue))
    worker.claim_one(queue)
    shown = {each["name"]: each for each in manager.get("queues")["queues"]}
    assert {"email_default", "communications", "amb-jobs", "ingestion", "vectorization"} <= set(shown)
    assert [shown[queue][key] for key in ("ready", "delayed", "running", "paused")] == [1, 0, 1, False]
    assert shown[queue]["changeId"]
    assert shown[queue]["oldestReadySeconds"] >= 0
    assert shown["closed"]["pause"]["actor"] == "policy"


def test_a_list_is_filtered_ordered_counted_and_paged(calls: Calls, worker: Calls, manager: Person, queue: str) -> None:
    broken = failed(calls, worker, queue, 2, owner="user:ann")
    waiting = calls.enqueue(*(new_job(queue, priority=n, kind="other", owner="user:bob") for n in range(5)))
    here = f"queue={queue}"
    assert ids_of(manager.get(f"jobs?{here}")) == [*reversed(waiting), *reversed(broken)]
    assert ids_of(manager.get(f"jobs?{here}&state=failed&order=created&dir=asc")) == broken
    assert ids_of(manager.get(f"jobs?{here}&state=pending&order=priority&dir=asc")) == waiting
    assert ids_of(manager.get(f"jobs?{here}&owner=user:ann&kind=test&error=timeout&dir=asc")) == broken
    assert ids_of(manager.get(f"jobs?{here}&error=TOO%20SLOW&dir=asc")) == broken
    assert ids_of(manager.get(f"jobs?{here}&createdBefore=2020-01-01T00:00:00Z")) == []
    assert manager.get(f"jobs/count?{here}") == {"count": 7, "states": {"pending": 5, "failed": 2}}
    seen, cursor = [], ""
    while cursor is not None:
        page = manager.get(f"jobs?{here}&order=priority&limit=2&cursor={cursor}")
        seen += ids_of(page)
        cursor = page["nextCursor"]
    assert (len(seen), set(seen)) == (7, {*broken, *waiting})
    first = manager.get(f"jobs?{here}&state=pending&order=priority&limit=1")["jobs"][0]
    assert (first["id"], first["position"], first["eta"]["reason"]) == (waiting[-1], 1, "NO_WORKER")
    assert manager.refused("GET", f"jobs?{here}&cursor=nonsense")[0] == 400


def test_a_jobs_story_is_told_from_its_first_run_to_its_present_wait(
    calls: Calls, worker: Calls, admin: Person, manager: Person, queue: str
) -> None:
    [id] = calls.enqueue(new_job(queue, {"to": "Ann"}, max_attempts=3, labels={"team": "a"}))
    run = worker.claim_one(queue)
    worker.report(run, "write", read={"pages": 3})
    worker.fail(run, "PROVIDER_ERROR", message="no answer")
    story = manager.get(f"jobs/{id}")
    job = story["job"]
    assert (job["state"], job["attempt"], job["error"]["code"]) == ("pending", 1, "PROVIDER_ERROR")
    assert json.loads(job["payloadJson"]) == {"to": "Ann"}
    [attempt] = story["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["step"]) == (1, "failed", "write")
    [step] = story["steps"]
    assert (step["name"], json.loads(step["outputJson"]), step["attempt"]) == ("read", {"pages": 3}, 1)
    assert attempt["startedAt"] <= step["finishedAt"] <= attempt["finishedAt"]
    reasons = {each["code"]: each for each in story["waitingFor"]}
    assert reasons["BACKOFF"]["until"] == job["runAt"]
    assert story["commands"]["jobline"] == f"jobline jobs explain {id}"
    admin.post(f"queues/{queue}/pause", reason="deploy")
    [due] = calls.enqueue(new_job(queue))
    paused = {each["code"]: each for each in manager.get(f"jobs/{due}")["waitingFor"]}["QUEUE_PAUSED"]
    assert (paused["actor"], "deploy" in paused["detail"]) == (BOSS, True)
    calls.delete(id)
    story = manager.get(f"jobs/{id}")
    assert (story["job"], [event["name"] for event in story["events"]]) == (None, ["deleted"])


def test_workers_are_shown_with_what_they_hold_and_can_be_drained(
    calls: Calls, worker: Calls, admin: Person, manager: Person, queue: str
) -> None:
    [id] = calls.enqueue(new_job(queue))
    raw = RawWorker(worker, queue)
    try:
        raw.capacity(3)
        raw.await_jobs(1)
        mine = next(each for each in manager.get("workers")["workers"] if each["sessionId"] == raw.session)
        assert (mine["running"], mine["draining"], [job["id"] for job in mine["jobs"]]) == (1, False, [id])
        assert mine["lanes"] == [{"queue": queue, "capacity": 3, "running": 1}]
        [drained] = admin.post(f"workers/{raw.session}/drain")["workers"]
        assert (drained["sessionId"], drained["draining"]) == (raw.session, True)
    finally:
        raw.cut()


def test_what_was_done_is_in_the_history_and_in_the_trends(
    calls: Calls, worker: Calls, admin: Person, manager: Person, queue: str
) -> None:
    [id] = failed(calls, worker, queue)
    admin.post(f"jobs/{id}/retry")
    admin.post(f"queues/{queue}/limit", maxRunning=4)
    events = manager.get(f"events?queue={queue}&actor={BOSS}")["events"]
    assert [(event["name"], event["jobId"]) for event in events] == [("limit_changed", None), ("retried", id)]
    assert manager.get(f"events?queue={queue}&name=retried&limit=1")["events"] == events[1:]

    def counted() -> bool:
        for window in ("1h", "24h", "7d"):
            [trend] = manager.get(f"trends?range={window}&queue={queue}")["trends"]
            assert (trend["total"]["enqueued"], trend["total"]["failed"]) == (1, 1)
            assert trend["errors"] == [{"code": "TIMEOUT", "count": 1}]
        return True

    eventually_blocking(counted, within=10, what="the present minute is counted")
    assert "" in [each["queue"] for each in manager.get("trends")["trends"]]


def test_the_table_holds_what_the_list_shows(calls: Calls, manager: Person, queue: str) -> None:
    ids = calls.enqueue(*(new_job(queue, correlation_id=f"=c{n}", labels={"n": str(n)}) for n in range(700)))
    got = manager.client.get(f"{API}/jobs.csv?queue={queue}&dir=asc")
    rows = list(csv.DictReader(io.StringIO(got.text, newline="")))
    assert [row["id"] for row in rows] == ids
    assert (rows[7]["correlationId"], json.loads(rows[7]["labels"]), rows[7]["position"]) == ("'=c7", {"n": "7"}, "8")


def test_the_stream_tells_what_happens_as_it_happens(calls: Calls, manager: Person, queue: str) -> None:
    with manager.client.stream("GET", f"{API}/stream") as got:
        pictures = (json.loads(line[6:]) for line in got.iter_lines() if line.startswith("data: "))
        first = next(pictures)
        assert {"queues", "now"} == set(first)
        calls.enqueue(new_job(queue))
        for picture in pictures:
            if any(each["name"] == queue and each["ready"] == 1 for each in picture["queues"]):
                break


# ---- acting ---------------------------------------------------------------------------------------------------------


def test_an_admin_retries_and_cancels_a_job(calls: Calls, worker: Calls, admin: Person, queue: str) -> None:
    [id] = failed(calls, worker, queue)
    retried = admin.post(f"jobs/{id}/retry")["job"]
    assert (retried["state"], retried["attempt"], retried["error"]) == ("pending", 0, None)
    status, said = admin.refused("POST", f"jobs/{id}/retry")
    assert (status, "pending" in said["error"]) == (409, True)
    assert admin.post(f"jobs/{id}/cancel", reason="wrong list")["job"]["state"] == "cancelled"
    event = admin.get(f"jobs/{id}")["events"][-1]
    assert (event["name"], event["actor"], event["detail"]) == ("cancelled", BOSS, "wrong list")
    assert admin.refused("POST", f"jobs/{uuid.uuid4()}/retry") == (404, {"error": "Job not found"})
    assert admin.refused("POST", "jobs/x/cancel") == (404, {"error": "Job not found"})


def test_an_admin_pauses_limits_and_resumes_a_queue(calls: Calls, admin: Person, manager: Person, queue: str) -> None:
    calls.enqueue(new_job(queue))
    paused = admin.post(f"queues/{queue}/pause", reason=HOSTILE)["queue"]
    assert (paused["paused"], paused["pause"]["actor"], paused["pause"]["reason"]) == (True, BOSS, HOSTILE)
    limited = admin.post(f"queues/{queue}/limit", maxRunning=2)["queue"]
    assert (limited["policy"]["maxRunning"], limited["limitOverridden"]) == (2, True)
    shown = next(each for each in manager.get("queues")["queues"] if each["name"] == queue)
    assert (shown["paused"], shown["policy"]["maxRunning"]) == (True, 2)
    reset = admin.post(f"queues/{queue}/limit", maxRunning=None)["queue"]
    assert (reset["policy"]["maxRunning"], reset["limitOverridden"]) == (None, False)
    resumed = admin.post(f"queues/{queue}/resume")["queue"]
    assert (resumed["paused"], resumed["pause"]) == (False, None)
    assert admin.refused("POST", "queues/no-such-queue/pause") == (404, {"error": "Queue not found"})
    assert admin.refused("POST", "workers/nobody/drain") == (404, {"error": "Worker not found"})


def test_exactly_the_chosen_jobs_are_acted_on_and_only_as_many_as_expected(
    calls: Calls, worker: Calls, admin: Person, queue: str
) -> None:
    chosen = failed(calls, worker, queue, 30, owner="user:ann")
    other = failed(calls, worker, queue, 3, owner="user:bob")
    where = {"queue": [queue], "state": ["failed"], "owner": "user:ann", "error": "TIMEOUT"}
    assert admin.post("jobs/bulk", act="retry", filter=where, dryRun=True) == {"total": 30}
    assert admin.refused("POST", "jobs/bulk", act="retry", filter=where, expectedCount=29) == (
        409,
        {"error": "The filter now chooses 30 jobs; nothing was done", "count": 30},
    )
    assert {calls.state(id) for id in chosen} == {"failed"}
    got = admin.client.post(f"{API}/jobs/bulk", json={"act": "retry", "filter": where, "expectedCount": 30})
    lines = [json.loads(line) for line in got.text.splitlines()]
    assert lines[-1] == {"total": 30, "done": 30, "skipped": 0, "finished": True}
    assert {calls.state(id) for id in chosen} == {"pending"}
    assert {calls.state(id) for id in other} == {"failed"}
    where = {"queue": [queue], "state": ["pending"]}
    body = {"act": "cancel", "filter": where, "expectedCount": 30, "reason": "no more"}
    got = admin.client.post(f"{API}/jobs/bulk", json=body)
    assert json.loads(got.text.splitlines()[-1])["done"] == 30
    assert {calls.state(id) for id in chosen} == {"cancelled"}
    names = [event["name"] for event in admin.get(f"events?queue={queue}&actor={BOSS}&limit=500")["events"]]
    assert (names.count("retried"), names.count("cancelled")) == (30, 30)
    for act in ("retry", "cancel"):
        assert admin.refused("POST", "jobs/bulk", act=act, filter={}, dryRun=True)[0] == 400


# ---- who may --------------------------------------------------------------------------------------------------------


def acts(id: str, queue: str) -> list[tuple[str, dict[str, Any]]]:
    everything = {"act": "cancel", "filter": {"queue": [queue]}, "expectedCount": 1}
    return [
        (f"jobs/{id}/retry", {}),
        (f"jobs/{id}/cancel", {}),
        ("jobs/bulk", everything),
        (f"queues/{queue}/pause", {}),
        (f"queues/{queue}/resume", {}),
        (f"queues/{queue}/limit", {"maxRunning": 1}),
        ("workers/anybody/drain", {}),
    ]


def test_nobody_but_an_admin_acts(calls: Calls, url: str, manager: Person, queue: str) -> None:
    [id] = calls.enqueue(new_job(queue))
    others = [Person(url, name, name) for name in ("user", "support")]
    reads = ["me", "queues", "trends", "jobs", "jobs/count", "jobs.csv", f"jobs/{id}", "workers", "events", "stream"]
    for who in (manager, *others):
        for path, body in acts(id, queue):
            assert who.refused("POST", path, **body) == (403, {"error": "Forbidden"})
    for who in others:
        for path in reads:
            assert who.refused("GET", path) == (403, {"error": "Forbidden"})
        assert who.client.get(PAGE).status_code == 403
        who.client.close()
    assert calls.state(id) == "pending"
    assert calls.events(id) == []


def test_a_browser_signs_in_acts_from_our_pages_only_and_signs_out(calls: Calls, url: str, queue: str) -> None:
    [id] = calls.enqueue(new_job(queue))
    with httpx.Client(base_url=url, trust_env=False, timeout=30, follow_redirects=True) as browser:
        assert browser.get(f"{PAGE}?view=job&id={id}").status_code == 401
        form = {"token": user_token("boss", **role("admin")), "next": f"{PAGE}?view=job&id={id}"}
        got = browser.post(SESSION, data=form, headers={"origin": url, "sec-fetch-site": "same-origin"})
        assert (got.status_code, got.url.params["id"]) == (200, id)
        assert browser.get(f"{API}/me").json()["canAct"]
        assert browser.get("/api/admin/queue/stats").status_code == 200
        for headers, status in (
            ({"origin": "https://evil.example"}, 403),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"origin": url}, 200),
        ):
            assert browser.post(f"{API}/jobs/{id}/cancel", json={}, headers=headers).status_code == status
        assert browser.post(f"{SESSION}/end", headers={"origin": url}).url.path == SESSION
        assert browser.get(f"{API}/me").status_code == 401


def test_a_session_ends_with_its_token_and_so_does_its_stream(url: str) -> None:
    soon = int(time.time()) + 3
    with httpx.Client(base_url=url, trust_env=False, timeout=30, headers=bearer(exp=soon, **role("manager"))) as client:
        with client.stream("GET", f"{API}/stream") as got:
            assert got.status_code == 200
            for _ in got.iter_lines():
                pass
        assert time.time() >= soon
        assert client.get(f"{API}/me").status_code == 401


# ---- hostile text ---------------------------------------------------------------------------------------------------


def test_hostile_text_in_every_field_is_passed_on_as_text(
    calls: Calls, worker: Calls, admin: Person, queue: str
) -> None:
    """Byte for byte in JSON, which says what it is; the page shows it as text."""
    new = new_job(
        queue,
        {HOSTILE: HOSTILE},
        owner=f"user:{HOSTILE}",
        correlation_id=HOSTILE,
        concurrency_key=HOSTILE,
        labels={HOSTILE[:64]: HOSTILE},
        max_attempts=1,
    )
    [id] = calls.enqueue(new)
    run = worker.claim_one(queue)
    progress = job_pb2.Progress(step=HOSTILE[:64], current=1, total=2, message=HOSTILE)
    report = work_pb.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token, progress=progress)
    report.steps.add(name=HOSTILE[:64], output_json=json.dumps({HOSTILE: [HOSTILE]}))
    worker.work.ReportProgress(report)
    worker.fail(run, "X", retryable=False, message=HOSTILE)
    admin.post(f"jobs/{id}/retry")
    admin.post(f"jobs/{id}/cancel", reason=HOSTILE)
    got = admin.client.get(f"{API}/jobs/{id}")
    assert (got.headers["content-type"], got.headers["x-content-type-options"]) == ("application/json", "nosniff")
    story = got.json()
    job = story["job"]
    assert (job["owner"], job["correlationId"], job["concurrencyKey"]) == (f"user:{HOSTILE}", HOSTILE, HOSTILE)
    assert json.loads(job["payloadJson"]) == {HOSTILE: HOSTILE}
    assert job["labels"] == {HOSTILE[:64]: HOSTILE}
    assert story["attempts"][0]["error"]["message"] == HOSTILE
    assert story["events"][-1]["detail"] == HOSTILE
    assert ids_of(admin.get("jobs", queue=queue, owner=f"user:{HOSTILE}")) == [id]
    assert admin.get("events", queue=queue, actor=BOSS)["events"][0]["detail"] == HOSTILE


@pytest.mark.parametrize("text", ["%", "_", "\\", "'; DROP TABLE jobline.jobs; --", "(a+)+$", "$.x", "\u0661"])
def test_nothing_in_a_filter_is_more_than_text(
    calls: Calls, worker: Calls, manager: Person, queue: str, text: str
) -> None:
    failed(calls, worker, queue)
    for name in ("error", "owner", "kind"):
        got = manager.client.get(f"{API}/jobs", params={"queue": queue, name: text})
        assert got.status_code in (200, 400)
        assert got.status_code == 400 or got.json()["jobs"] == []


def test_jobs_of_every_state_are_counted_as_they_are(calls: Calls, worker: Calls, manager: Person, queue: str) -> None:
    failed(calls, worker, queue, 1)
    calls.enqueue(*(new_job(queue) for _ in range(4)))
    running, done = worker.claim(queue, most=2, wait=10)
    worker.complete(done, {"ok": True})
    [waiting, _] = ids_of(manager.get(f"jobs?queue={queue}&state=pending"))
    calls.cancel(waiting)
    counts = {"pending": 1, "running": 1, "succeeded": 1, "failed": 1, "cancelled": 1}

    def counted() -> bool:
        return bool(manager.get(f"jobs/count?queue={queue}") == {"count": 5, "states": counts})

    eventually_blocking(counted, within=10, what="every state is counted")
    assert ids_of(manager.get(f"jobs?queue={queue}&state=running")) == [running.job_id]
    assert calls.jobs.CountJobs(pb.CountJobsRequest(filter=pb.JobFilter(queues=[queue]))).count == 5
