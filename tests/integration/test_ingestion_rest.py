"""The database queue in front of the real services: records go in by JSON and CSV, a cron runs what is due, a search finds
what was loaded, and admins look after it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from support.embedding_server import embedding_server
from support.eventually import eventually_blocking
from support.gateway import bearer, gateway_process
from support.ingestion_house import INGEST as INGEST_DATA
from support.ingestion_house import VECTORIZE, IngestionHouse, house_of, record
from support.ingestion_rest import ADMIN, INGEST, LITERALS, PROJECTS, WORKERS, answer, form
from support.ingestion_user import TIME, User, started
from support.queue_service import QueueServiceUnderTest
from support.worker_service import WorkerService

CONTROL = "jobline.v1.WorkerControlService"
CRON = {"authorization": "Bearer a-cron-secret"}
JOB_KEYS = [
    "id",
    "jobType",
    "status",
    "priority",
    "attempts",
    "maxAttempts",
    "progress",
    "result",
    "createdAt",
    "startedAt",
    "completedAt",
]


@pytest.fixture(scope="module")
def worker(shared_queue: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerService]:
    """A worker service that does only what it is asked for, and embeds with a server of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(embedding_server()) as embeddings:
        settings = {
            "JOBLINE_SERVICE_TOKENS": f"web:gateway:{shared_queue.gateway_token}",
            "JOBLINE_WORKER_QUEUES": "nothing_comes_here",
            "JOBLINE_EMBEDDINGS_URL": embeddings.url,
            "JOBLINE_EMBEDDINGS_MODEL": "of-a-test",
        }
        folder = tmp_path_factory.mktemp("worker")
        started = WorkerService(shared_queue.address, shared_queue.worker_token, folder, **settings)
        try:
            eventually_blocking(lambda: started.is_healthy(CONTROL), within=30, what="the worker service serves")
            yield started
        finally:
            started.kill()


@pytest.fixture(scope="module")
def rest(
    shared_queue: QueueServiceUnderTest, worker: WorkerService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a gateway process in front of both services."""
    settings = {
        "JOBLINE_QUEUE_ADDRESS": shared_queue.address,
        "JOBLINE_WORKER_ADDRESS": worker.address,
        "JOBLINE_TOKEN": shared_queue.gateway_token,
        "CRON_SECRET": "a-cron-secret",
    }
    with (
        gateway_process(tmp_path_factory.mktemp("gateway"), **settings) as (_, url),
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


@pytest.fixture
def owner(rest: httpx.Client, house: IngestionHouse) -> User:
    """Who owns the project of the house."""
    return User(rest, house.sub)


@pytest.fixture
def admin(rest: httpx.Client, house: IngestionHouse) -> User:
    return User(rest, "boss", "admin", "admin@example.com")


@pytest.fixture
def stranger(rest: httpx.Client, house: IngestionHouse) -> User:
    return User(rest, f"user-{uuid.uuid4().hex[:8]}")


def run(rest: httpx.Client, name: str) -> int:
    """How many jobs a call of the cron has run."""
    got = rest.get(f"{WORKERS}/{name}", headers=CRON)
    assert got.status_code == 200, got.text
    body = got.json()
    assert (list(body), body["success"]) == (["success", "processed", "duration"], True)
    processed: int = body["processed"]
    return processed


# ---- whole lives ----------------------------------------------------------------------------------------------------


def test_records_are_loaded_embedded_and_found(rest: httpx.Client, house: IngestionHouse, owner: User) -> None:
    records: list[Any] = [
        {"task_id": "t-1", "feedback": "The answer about cats was clear.", "rating": 5, "price": 1.5, "none": None},
        {"id": "t-1", "feedback": "The same task about cats again."},
        {"task_id": 2, "prompt": "An answer on rockets and the moon.", "rating": "bottom 10"},
        "A plain answer about gardening.",
        {"task_id": 3, "feedback": "Nothing that anybody looks for."},
    ]
    ingest = owner.load(house.project, *records, filterKeywords=["ANSWER", "task"], url="https://example.com/export")
    shown = {"id": ingest, "projectId": house.project, "type": "TASK", "totalRecords": 5, "error": None}
    assert owner.status(ingest) == {
        **shown,
        "status": "PENDING",
        "savedCount": 0,
        "skippedCount": 0,
        "skippedDetails": owner.status(ingest)["skippedDetails"],
    }
    assert run(rest, "ingestion") == 1
    assert owner.status(ingest)["status"] == "QUEUED_FOR_VEC"
    assert [run(rest, "vectorization"), run(rest, "vectorization"), run(rest, "ingestion")] == [1, 0, 0]
    assert owner.status(ingest) == {
        **shown,
        "status": "COMPLETED",
        "savedCount": 3,
        "skippedCount": 2,
        "skippedDetails": {"Duplicate ID": 1, "Keyword Mismatch": 1},
    }
    found = owner.search(house.project, "rockets to the moon")
    assert len(found) == 3
    best = found[0]
    assert list(best) == ["id", "type", "category", "content", "metadata", "source", "createdAt", "score"]
    assert (best["content"], best["category"]) == ("An answer on rockets and the moon.", "BOTTOM_10")
    assert (best["metadata"], best["source"]) == (records[2], "https://example.com/export")
    assert 1 >= best["score"] > found[1]["score"]
    assert [each["metadata"] for each in owner.search(house.project, "cats", limit=1, category="TOP_10")] == records[:1]
    assert owner.search(house.project, "cats", type="FEEDBACK") == []
    [listed] = owner.call("GET", f"{INGEST}/jobs", params={"projectId": house.project}).json()
    assert (listed["id"], listed["status"]) == (ingest, "COMPLETED")


def test_a_file_of_a_spreadsheet_is_loaded_with_its_cells_as_keys(
    rest: httpx.Client, house: IngestionHouse, owner: User
) -> None:
    text = (
        'id;feedback;rating\r\n1;"Größe: gut;\r\nsehr ""klar"" beschrieben";4,5\r\n2;kurz;5\r\n3;noch eine Antwort;\r\n'
    )
    file = form(text.encode("utf-16"), "märz.csv", projectId=house.project, type="FEEDBACK", generateEmbeddings="false")
    ingest = started(owner.call("POST", f"{INGEST}/csv", **file))
    assert (owner.status(ingest)["totalRecords"], owner.status(ingest)["type"]) == (2, "FEEDBACK")
    assert run(rest, "ingestion") == 1
    done = owner.status(ingest)
    assert (done["status"], done["savedCount"]) == ("COMPLETED", 2)
    rows = house.service.execute(
        "SELECT content, metadata, source FROM data_records WHERE project_id = %s ORDER BY content", house.project
    )
    assert rows == [
        (
            'Größe: gut;\r\nsehr "klar" beschrieben',
            {"id": "1", "feedback": 'Größe: gut;\r\nsehr "klar" beschrieben', "rating": "4,5"},
            "märz.csv",
        ),
        ("noch eine Antwort", {"id": "3", "feedback": "noch eine Antwort", "rating": ""}, "märz.csv"),
    ]
    assert house.jobs_of(VECTORIZE) == []


def test_five_jobs_are_run_by_three_calls_of_the_cron(rest: httpx.Client, house: IngestionHouse, owner: User) -> None:
    ingests = [owner.load(house.project, record(number), generateEmbeddings=False) for number in range(5)]
    assert [run(rest, "ingestion") for _ in range(3)] == [3, 2, 0]
    assert {owner.status(id)["status"] for id in ingests} == {"COMPLETED"}


def test_calls_of_the_cron_side_by_side_take_different_jobs(
    rest: httpx.Client, house: IngestionHouse, owner: User
) -> None:
    for number in range(6):
        owner.load(house.project, record(number), generateEmbeddings=False)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: run(rest, "ingestion"), range(4)))[-1] <= 3
    run(rest, "ingestion")
    attempts = house.service.execute("SELECT attempts FROM job_queue WHERE status = 'COMPLETED'")
    assert attempts == [(1,)] * 6


def test_megabytes_go_in_and_a_refusal_of_what_is_on_its_way_is_heard(
    rest: httpx.Client, house: IngestionHouse, owner: User, stranger: User
) -> None:
    records = [{"text": f"record {number} " + "x" * 40_000} for number in range(100)]
    ingest = owner.load(house.project, *records, generateEmbeddings=False)
    assert owner.status(ingest)["totalRecords"] == 100
    for project, literal in ((house.project, "forbidden"), ("nobodys", "no project")):
        body = {"projectId": project, "records": records}
        assert answer(stranger.call("POST", f"{INGEST}/api", json=body)) == LITERALS[literal]
    records[90] = {"text": "half\0"}
    got = owner.call("POST", f"{INGEST}/api", json={"projectId": house.project, "records": records})
    assert got.status_code == 400
    assert got.json()["error"].startswith("records[90]")
    assert len(house.jobs_of(INGEST_DATA)) == 1


# ---- projects and rights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["a/b", "100%25", '"é" \n😀?#&=+;', "search/x/search"], ids=range(4))
def test_an_id_of_a_project_may_hold_every_character(rest: httpx.Client, owner: User, id: str) -> None:
    id = f"{id}-{uuid.uuid4()}/"
    got = owner.call("POST", PROJECTS, json={"name": "Feedback", "id": id})
    assert (got.status_code, got.json()["id"], got.json()["name"]) == (201, id, "Feedback")
    assert answer(owner.call("POST", PROJECTS, json={"name": "x", "id": id})) == LITERALS["project exists"]
    ingest = owner.load(id, "An answer about cats.")
    assert [run(rest, "ingestion"), run(rest, "vectorization")] == [1, 1]
    assert owner.status(ingest)["status"] == "COMPLETED"
    assert [found["content"] for found in owner.search(id, "cats")] == ["An answer about cats."]
    [listed] = owner.call("GET", f"{INGEST}/jobs", params={"projectId": id}).json()
    assert listed["id"] == ingest
    assert owner.call("GET", PROJECTS).json()[0] == got.json()


def test_a_project_is_its_owners_and_everybodys_who_looks_after_all(
    rest: httpx.Client, house: IngestionHouse, owner: User, stranger: User, admin: User
) -> None:
    ingest = owner.load(house.project, record(1))
    path = f"{PROJECTS}/{house.project}/search"
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", path, {"json": {"query": "x"}}),
        ("POST", path, {"json": {}}),
        ("POST", f"{INGEST}/api", {"json": {"projectId": house.project, "records": [record(2)]}}),
        ("POST", f"{INGEST}/api", {"json": {"projectId": house.project, "records": 7}}),
        ("POST", f"{INGEST}/csv", form(projectId=house.project)),
        ("POST", f"{INGEST}/csv", form(b"not,a\ncsv", projectId=house.project)),
        ("GET", f"{INGEST}/status", {"params": {"jobId": ingest}}),
        ("GET", f"{INGEST}/jobs", {"params": {"projectId": house.project}}),
        ("POST", f"{INGEST}/cancel", {"json": {"jobId": ingest}}),
    ]
    support = User(rest, "helper", "support")
    for method, where, request in calls:
        for other in (stranger, support):
            assert answer(other.call(method, where, **request)) == LITERALS["forbidden"]
        for one in (owner, admin, User(rest, "lead", "manager")):
            assert one.call(method, where, **request).status_code in (200, 400)
    assert stranger.call("GET", PROJECTS).json() == []
    assert house.project in [project["id"] for project in admin.call("GET", PROJECTS).json()]
    assert stranger.call("POST", f"{PROJECTS}/nobodys/search", json={"query": "x"}).text == LITERALS["no project"][1]
    for id in ("nobodys", "\0", str(uuid.uuid4())):
        assert answer(stranger.call("GET", f"{INGEST}/status", params={"jobId": id})) == LITERALS["no job"]


def test_the_last_five_ingest_jobs_are_listed_newest_first(house: IngestionHouse, owner: User) -> None:
    ids = [owner.load(house.project, record(number)) for number in range(6)]
    listed = owner.call("GET", f"{INGEST}/jobs", params={"projectId": house.project}).json()
    assert [job["id"] for job in listed] == ids[:0:-1]


def test_an_ingest_job_is_cancelled_once(rest: httpx.Client, house: IngestionHouse, owner: User) -> None:
    ingest = owner.load(house.project, record(1))
    got = owner.call("POST", f"{INGEST}/cancel", json={"jobId": ingest})
    assert answer(got) == (200, f'{{"success":true,"jobId":"{ingest}"}}')
    assert owner.status(ingest)["status"] == "CANCELLED"
    assert house.row(house.jobs_of()[0])["result"]["error"] == "Job cancelled by user"
    assert answer(owner.call("POST", f"{INGEST}/cancel", json={"jobId": ingest})) == LITERALS["not active"]
    assert run(rest, "ingestion") == 0


# ---- admins ---------------------------------------------------------------------------------------------------------


def test_both_queues_at_a_glance(house: IngestionHouse, owner: User, admin: User) -> None:
    assert admin.stats() == {
        "queueStats": {"pending": 0, "processing": 0, "completed": 0, "failed": 0},
        "recentJobs": [],
        "oldestPendingJob": None,
    }
    for number in range(22):
        owner.load(house.project, record(number))
    [oldest, second, *_] = house.jobs_of()
    run = house.claim()
    house.save(run, 0, [record(0)])
    seen = admin.stats()
    assert seen["queueStats"] == {"pending": 21, "processing": 1, "completed": 0, "failed": 0}
    assert [job["id"] for job in seen["recentJobs"]] == house.jobs_of()[:1:-1]
    assert all(list(job) == JOB_KEYS for job in seen["recentJobs"])
    assert {(job["jobType"], job["priority"], job["maxAttempts"]) for job in seen["recentJobs"]} == {
        (INGEST_DATA, 1, 3)
    }
    assert (seen["oldestPendingJob"]["id"], seen["oldestPendingJob"]["ageMinutes"]) == (second, 0)
    house.operator.complete(run, {})
    [vectorize, *_] = admin.stats()["recentJobs"]
    assert (vectorize["jobType"], vectorize["status"], vectorize["priority"]) == (VECTORIZE, "PENDING", 0)
    done = house.row(oldest)
    assert (done["status"], done["payload"], done["result"]) == (
        "COMPLETED",
        None,
        {"savedCount": 1, "skippedCount": 0},
    )


def test_admins_cancel_and_retry_in_the_words_of_the_specification(
    rest: httpx.Client, house: IngestionHouse, owner: User, admin: User
) -> None:
    ingest = owner.load(house.project, record(1), generateEmbeddings=False)
    [job] = house.jobs_of()
    retry, cancel = f"{ADMIN}/retry?jobId={job}", f"{ADMIN}/cancel?jobId={job}"
    done = (200, f'{{"success":true,"jobId":"{job}"}}')
    for somebody in (owner, User(rest, "lead", "manager")):
        for path in (retry, cancel, f"{ADMIN}/cancel", f"{ADMIN}/cancel?jobId=x"):
            assert answer(somebody.call("POST", path)) == LITERALS["forbidden"]
    got = admin.call("POST", retry)
    assert (got.status_code, got.json()) == (400, {"error": "Job is in PENDING status, can only retry FAILED jobs"})
    assert answer(admin.call("POST", cancel)) == done
    [shown] = admin.stats()["recentJobs"]
    assert (shown["status"], shown["result"]["error"], shown["result"]["cancelledBy"]) == (
        "FAILED",
        "Job cancelled by admin",
        "admin@example.com",
    )
    assert TIME.fullmatch(shown["result"]["cancelledAt"])
    assert owner.status(ingest)["status"] == "CANCELLED"
    assert answer(admin.call("POST", cancel)) == LITERALS["not cancellable"]
    assert answer(admin.call("POST", f"{ADMIN}/retry", json={"jobId": job.upper()})) == done
    [again] = admin.stats()["recentJobs"]
    assert [again[key] for key in ("status", "attempts", "progress", "result", "completedAt")] == [
        "PENDING",
        0,
        *[None] * 3,
    ]
    assert run(rest, "ingestion") == 1
    assert answer(admin.call("POST", retry)) == LITERALS["not failed"]
    for path in (f"{ADMIN}/retry", f"{ADMIN}/cancel?jobId="):
        assert answer(admin.call("POST", path)) == LITERALS["no job id"]
    mail = house.enqueue_with([record(2)])
    for id in ("x", "%00", str(uuid.uuid4()), f"{{{mail}}}", "x" * 300):
        for act in ("retry", "cancel"):
            assert answer(admin.call("POST", f"{ADMIN}/{act}?jobId={id}")) == LITERALS["no job"]


def test_only_managers_and_admins_see_the_numbers(rest: httpx.Client, owner: User) -> None:
    assert User(rest, "lead", "manager").stats()["queueStats"]["failed"] == 0
    for user in (owner, User(rest, "helper", "support")):
        assert answer(user.call("GET", f"{ADMIN}/stats")) == LITERALS["forbidden"]


def test_the_cron_cleans_up_what_has_ended_a_week_ago(rest: httpx.Client, house: IngestionHouse, owner: User) -> None:
    for number in range(3):
        owner.load(house.project, record(number), generateEmbeddings=False)
    assert run(rest, "ingestion") == 3
    old, *_ = house.jobs_of()
    house.service.execute("UPDATE jobline.jobs SET finished_at = finished_at - interval '8 days' WHERE id = %s", old)
    got = rest.get(f"{WORKERS}/cleanup", headers=CRON)
    assert answer(got) == (200, '{"success":true,"deletedCount":1}')
    assert old not in house.jobs_of()
    assert json.loads(rest.get(f"{WORKERS}/cleanup", headers=CRON).text)["deletedCount"] == 0
    assert (
        answer(rest.get(f"{WORKERS}/cleanup", headers=bearer("boss", app_metadata={"role": "admin"})))
        == LITERALS["unauthorized"]
    )
