"""Streams of events, from the queue service's memory to the client: what each surface tells, and what it does not."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from jobline.v1 import job_pb2, work_service_pb2
from support.content_owner import analysed_page, analysis_result, report_step
from support.email_user import KIND, QUEUE, RESULT
from support.event_source import EventSource, listening
from support.gateway import bearer, gateway_process
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest


@pytest.fixture(scope="module")
def gateway(usual_service: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway of that service."""
    settings = {"JOBLINE_QUEUE_ADDRESS": usual_service.address, "JOBLINE_TOKEN": usual_service.gateway_token}
    with gateway_process(tmp_path_factory.mktemp("gateway"), **settings) as (_, url):
        yield url


@pytest.fixture
def calls(lent_service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(lent_service.address, lent_service.operator_token) as opened:
        yield opened


@pytest.fixture
def sub() -> str:
    return f"user-{uuid.uuid4()}"


@pytest.fixture
async def rest(gateway: str, sub: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway, headers=bearer(sub), trust_env=False, timeout=20) as client:
        yield client


async def submit(rest: httpx.AsyncClient, count: int = 1) -> list[str]:
    items = [{"recipient_name": f"Ada {n}", "recipient_interest": "engines"} for n in range(count)]
    batch = {"items": items, "email_template": "Hey {{name}}, I loved your work!"}
    answer = await rest.post("/api/queue/batch", json=batch)
    assert answer.status_code == 201, answer.text
    ids: list[str] = answer.json()["queue_item_ids"]
    return ids


async def test_a_user_sees_the_items_then_each_change_of_them_and_no_one_elses(
    gateway: str, calls: Calls, rest: httpx.AsyncClient, sub: str
) -> None:
    before = await submit(rest)
    async with listening(f"{gateway}/api/queue/events", bearer(sub)) as source:
        await source.until(lambda: source.named("resync"))
        assert [item["id"] for item in source.named("resync")[0]["items"]] == before
        async with httpx.AsyncClient(base_url=gateway, headers=bearer("another"), trust_env=False) as other:
            foreign = await submit(other)
        (second,) = await submit(rest)
        await source.until(lambda: second in str(source.named("places")))
        run = await asyncio.to_thread(calls.claim_one, QUEUE, kind=KIND)
        assert run.job_id == before[0]
        await asyncio.to_thread(calls.report, run, "web_scraper")
        await asyncio.to_thread(calls.complete, run, RESULT)
        await rest.delete(f"/api/queue/{second}")
        await source.until(lambda: source.named("removed"))
    told = source.named("item")
    assert [(item["id"], item["status"]) for item in told if item["current_step"] != "web_scraper"] == [
        (second, "pending"),
        (before[0], "processing"),
        (before[0], "completed"),
    ]
    assert all(set(item) == set(told[0]) for item in told)
    assert told[0] | {"created_at": "", "eta": None} == {
        "id": second,
        "status": "pending",
        "position": 3,
        "email_id": None,
        "error_message": None,
        "current_step": None,
        "created_at": "",
        "eta": None,
    }
    assert told[-1]["email_id"] == (await rest.get("/api/queue/")).json()[0]["email_id"]
    assert source.named("removed") == [{"id": second}]
    placed = [place for places in source.named("places") for place in places]
    assert foreign[0] not in {place["id"] for place in placed}
    assert {"id": before[0], "position": 1, "eta": placed[0]["eta"]} == placed[0]
    calls.delete(foreign[0])


async def test_positions_that_move_are_pushed_without_a_change_of_the_job_itself(
    gateway: str, calls: Calls, rest: httpx.AsyncClient, sub: str
) -> None:
    async with httpx.AsyncClient(base_url=gateway, headers=bearer("another"), trust_env=False) as other:
        first = await submit(other, 3)
    (mine,) = await submit(rest)
    async with listening(f"{gateway}/api/queue/events", bearer(sub)) as source:

        def positions() -> list[int | None]:
            return [place["position"] for places in source.named("places") for place in places]

        await source.until(lambda: positions() == [4])
        for job_id in first:
            await asyncio.to_thread(calls.delete, job_id)
        await source.until(lambda: positions()[-1] == 1)
        assert positions() == sorted(positions(), reverse=True)
    calls.delete(mine)


async def test_who_comes_back_goes_on_and_who_is_not_known_begins_anew(
    gateway: str, calls: Calls, rest: httpx.AsyncClient, sub: str
) -> None:
    url = f"{gateway}/api/queue/events"
    async with listening(url, bearer(sub)) as source:
        await source.until(lambda: source.named("resync"))
        (first,) = await submit(rest)
        await source.until(lambda: source.named("item"))
    (second,) = await submit(rest)
    async with listening(url, {**bearer(sub), "last-event-id": source.last_id}) as back:
        await back.until(lambda: back.named("item"))
        assert [item["id"] for item in back.named("item")] == [second]
        assert back.named("resync") == []
    for unknown in ("0-1", "999-1", "nonsense", "1-99999999999999999999", f"{source.last_id}0"):
        async with listening(f"{url}?lastEventId={unknown}", bearer(sub)) as anew:
            await anew.until(lambda: anew.events)
            assert anew.events[0].name == "resync"
    for job_id in (first, second):
        calls.delete(job_id)


async def test_a_stream_ends_when_its_token_does(gateway: str, calls: Calls, sub: str) -> None:
    headers = bearer(sub, exp=int(time.time()) + 4)
    async with listening(f"{gateway}/api/queue/events", headers) as source:
        await source.until(lambda: source.named("resync"))
        await source.until(lambda: source.refusals, within=15)
    assert (source.streams, source.ends >= 1, source.refusals) == (1, True, [401])


@pytest.mark.parametrize(
    ("path", "claims", "status", "body"),
    [
        ("/api/admin/queue/events", {}, 403, {"error": "Forbidden"}),
        (
            "/api/businesses/nowhere/communication-queue/events",
            {},
            404,
            {"statusCode": 404, "message": "Business nowhere not found", "error": "Not Found"},
        ),
        (
            f"/api/v1/jobs/{uuid.UUID(int=7)}/events",
            {},
            404,
            {"success": False, "error": "Not found", "message": "Job not found or access denied"},
        ),
    ],
    ids=["admin", "business", "job"],
)
async def test_who_may_not_look_is_refused_before_the_stream_begins(
    gateway: str, calls: Calls, path: str, claims: dict[str, object], status: int, body: dict[str, object]
) -> None:
    async with httpx.AsyncClient(base_url=gateway, trust_env=False, timeout=20) as client:
        assert (await client.get(path)).status_code == 401
        got = await client.get(path, headers=bearer("stranger", **claims))
    assert (got.status_code, got.json()) == (status, body)


async def test_a_businesss_jobs_are_told_to_its_members(gateway: str, calls: Calls) -> None:
    business = f"b-{uuid.uuid4().hex[:8]}"
    headers = bearer(f"owner-{business}", app_metadata={"businesses": {business: "Admin"}})
    base = f"/api/businesses/{business}/communication-queue"
    async with httpx.AsyncClient(base_url=gateway, headers=headers, trust_env=False, timeout=20) as client:
        message = {"channel": "sms", "recipientContact": "+123", "body": "hello", "priority": "high"}
        async with listening(f"{gateway}{base}/events", headers) as source:
            await source.until(lambda: source.named("resync") or source.refusals)
            assert source.named("resync")[0]["jobs"] == [], source.refusals
            created = (await client.post(f"/api/businesses/{business}/communications", json=message)).json()["job"]
            (run,) = await asyncio.to_thread(calls.claim, "communications", kinds=["send_message"], wait=10)
            await asyncio.to_thread(calls.fail, run, "BROKEN", retryable=False, message="no such number")
            await source.until(lambda: source.named("job") and source.named("job")[-1]["status"] == "failed")
            told = source.named("job")
            assert [job["status"] for job in told] == ["pending", "processing", "failed"]
            assert (told[0]["id"], told[0]["priority"], told[-1]["lastError"]) == (
                created["id"],
                "high",
                "no such number",
            )
            assert told[0]["position"] == 1
        async with listening(f"{gateway}{base}/events", headers) as anew:
            await anew.until(lambda: anew.named("resync"))
            picture = anew.named("resync")[0]
            assert picture["jobs"] == (await client.get(f"{base}/failed")).json()
            assert picture["stats"] == (await client.get(f"{base}/stats")).json()


async def test_progress_that_was_reported_last_is_never_missing(gateway: str, calls: Calls) -> None:
    """The rows follow reports within a moment; who looks in between is told what they do not say yet."""
    headers = bearer("boss", app_metadata={"role": "manager"})
    async with httpx.AsyncClient(base_url=gateway, headers=bearer("maker"), trust_env=False, timeout=20) as client:
        project = (await client.post("/api/projects", json={"name": "feedback"})).json()["id"]
        records = [{"id": str(n), "text": "words enough to be kept"} for n in range(3)]
        answer = await client.post("/api/ingest/api", json={"projectId": project, "records": records})
        assert answer.status_code in (200, 201, 202), answer.text
    (run,) = await asyncio.to_thread(calls.claim, "ingestion", kinds=["INGEST_DATA"], wait=10)
    for done in range(1, 40):
        progress = job_pb2.Progress(current=done, total=40, message="…")
        report = work_service_pb2.ReportProgressRequest(
            job_id=run.job_id, lease_token=run.lease_token, progress=progress
        )
        await asyncio.to_thread(calls.work.ReportProgress, report)
        if done % 13 == 0:
            async with listening(f"{gateway}/api/admin/queue/events", headers) as source:
                await source.until(lambda source=source, done=done: _progress(source, run.job_id) == done, within=5)
    calls.delete(run.job_id)


async def test_a_content_job_is_told_of_in_order_and_of_its_last_progress(gateway: str, calls: Calls) -> None:
    session = {"x-session-id": f"s-{uuid.uuid4()}"}
    async with httpx.AsyncClient(base_url=gateway, headers=session, trust_env=False, timeout=20) as client:
        created = await client.post("/api/v1/jobs/website-analysis", json={"url": "https://shop.example"})
        path = f"/api/v1/jobs/{created.json()['jobId']}"
        async with listening(f"{gateway}{path}/events", session) as source:

            def shown() -> list[tuple[str, int]]:
                return [(status["status"], status["progress"]) for status in source.named("status")]

            await source.until(lambda: shown() == [("queued", 0)])
            (run,) = await asyncio.to_thread(calls.claim, "amb-jobs", kinds=["website_analysis"], wait=10)
            for current in range(1, 41):
                await asyncio.to_thread(report_step, calls, run, "analyze_website", current, 40)
            await source.until(lambda: shown()[-1] == ("running", 25))
            await asyncio.to_thread(calls.report, run, analyze_website=analysed_page())
            await asyncio.to_thread(calls.complete, run, analysis_result())
            await source.until(lambda: source.refusals == [204])
            assert source.named("status")[-1] == (await client.get(f"{path}/status")).json()
    assert shown() == sorted(shown(), key=lambda told: told[1])
    assert shown()[-1] == ("succeeded", 100)
    assert source.streams == 1


def _progress(source: EventSource, job_id: str) -> int:
    """What a client shows of the job."""
    shown = 0
    for event in source.events:
        jobs = event.data["recentJobs"] if event.name == "resync" else [event.data] if event.name == "job" else []
        shown = next((job["progress"]["current"] for job in jobs if job["id"] == job_id and job["progress"]), shown)
    return shown
