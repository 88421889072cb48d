"""What the jobs API answers: a job's keys in their order, its result, its acts, every refusal in its own words."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest

from jobline.v1 import content_service_pb2 as pb
from support.gateway import bearer, gateway_client
from support.jobs_rest import ANALYSIS_RESULT, BASE, GENERATION_RESULT, JOB_ID, LITERALS, content_job, job_path
from support.queue_peers import queue_peer, refuse

SESSION = {"x-session-id": "s-1"}
TAIL = '"createdAt":"2026-01-20T09:00:00Z","updatedAt":"2026-01-20T09:00:12Z"}'


def answer(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.text


async def status_of(job: pb.ContentJob, headers: dict[str, str] = SESSION, **settings: Any) -> httpx.Response:
    found = pb.GetContentJobResponse(job=job)
    async with queue_peer(GetContentJob=found) as peer, gateway_client(peer.address, **settings) as gateway:
        got = await gateway.get(job_path("status"), headers=headers)
        assert peer.received[-1].request == pb.GetContentJobRequest(id=JOB_ID)
        return got


async def test_a_running_job_reads_as_the_example() -> None:
    running = content_job("running", progress=37, current_step="Generating audiences…", estimated_seconds_remaining=20)
    assert answer(await status_of(running)) == (
        200,
        f'{{"jobId":"{JOB_ID}","status":"running","progress":37,"currentStep":"Generating audiences…",'
        f'"estimatedTimeRemaining":20,"error":null,"errorCode":null,"result":null,{TAIL}',
    )


async def test_a_queued_job_has_nothing_but_its_times() -> None:
    # What does not apply to the status is not shown, whatever the service sends.
    more = {"current_step": "x", "estimated_seconds_remaining": 3, "error": "x", "error_code": "INTERNAL"}
    assert answer(await status_of(content_job("queued", **more))) == (
        200,
        f'{{"jobId":"{JOB_ID}","status":"queued","progress":0,"currentStep":null,"estimatedTimeRemaining":null,'
        f'"error":null,"errorCode":null,"result":null,{TAIL}',
    )


async def test_a_failed_job_has_an_error_and_its_code() -> None:
    error = "Could not fetch https://example.com: HTTP 503"
    assert answer(await status_of(content_job("failed", progress=25, error=error, error_code="FETCH_FAILED"))) == (
        200,
        f'{{"jobId":"{JOB_ID}","status":"failed","progress":25,"currentStep":null,"estimatedTimeRemaining":null,'
        f'"error":"{error}","errorCode":"FETCH_FAILED","result":null,{TAIL}',
    )


async def test_an_estimate_of_zero_seconds_is_one_and_none_is_null() -> None:
    for more, shown in (({"estimated_seconds_remaining": 0}, 0), ({}, None)):
        got = await status_of(content_job("running", current_step="running", **more))
        assert got.json()["estimatedTimeRemaining"] == shown


async def test_a_result_has_its_keys_in_the_order_of_the_specification_and_its_images_whole_addresses() -> None:
    done = content_job("succeeded", result=ANALYSIS_RESULT, progress=100)
    got = await status_of(done, public_url="https://jobline.example/app")
    result = got.json()["result"]
    assert list(result) == list(ANALYSIS_RESULT)
    assert [scenario["imageUrl"] for scenario in result["scenarios"]] == [
        "https://jobline.example/app/media/5b2e0c9a7d1f4e63a8b0c2d4e6f80123.svg",
        None,
    ]
    assert {**result, "scenarios": ANALYSIS_RESULT["scenarios"]} == ANALYSIS_RESULT
    assert got.json()["progress"] == 100


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("gateway.test", "http://gateway.test"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
async def test_without_a_public_url_an_image_is_where_the_gateway_was_called(host: str, base: str) -> None:
    got = await status_of(content_job("succeeded", result=ANALYSIS_RESULT), headers={**SESSION, "host": host})
    assert got.json()["result"]["scenarios"][0]["imageUrl"] == f"{base}/media/5b2e0c9a7d1f4e63a8b0c2d4e6f80123.svg"


@pytest.mark.parametrize("host", ['evil"><b>', "evil/path", "a@evil", "evil b", "evil:port", ""])
async def test_a_host_that_is_none_gets_into_no_address(host: str) -> None:
    got = await status_of(content_job("succeeded", result=ANALYSIS_RESULT), headers={**SESSION, "host": host})
    assert got.json()["result"]["scenarios"][0]["imageUrl"].startswith("http://gateway.test")


async def test_a_generated_text_has_its_keys_in_order_too() -> None:
    got = await status_of(content_job("succeeded", "content_generation", GENERATION_RESULT))
    assert list(got.json()["result"]) == list(GENERATION_RESULT)
    assert got.json()["result"] == GENERATION_RESULT


async def test_a_list_has_types_and_no_results_and_leads_to_its_next_page() -> None:
    page = pb.ListContentJobsResponse(
        jobs=[
            content_job("running", progress=10, current_step="running", type="content_generation"),
            content_job("succeeded", progress=100),
        ],
        next_page_token="next+1",
    )
    async with queue_peer(ListContentJobs=page) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{BASE}?type=website_analysis&sessionId=s-1&cursor=old")
    assert answer(got) == (
        200,
        f'{{"jobs":[{{"jobId":"{JOB_ID}","type":"content_generation","status":"running","progress":10,'
        f'"currentStep":"running","estimatedTimeRemaining":null,"error":null,"errorCode":null,{TAIL},'
        f'{{"jobId":"{JOB_ID}","type":"website_analysis","status":"succeeded","progress":100,'
        f'"currentStep":null,"estimatedTimeRemaining":null,"error":null,"errorCode":null,{TAIL}],"nextCursor":"next+1"}}',
    )
    assert got.headers["link"] == '</api/v1/jobs?type=website_analysis&sessionId=s-1&cursor=next%2B1>; rel="next"'


async def test_the_last_page_leads_nowhere() -> None:
    async with (
        queue_peer(ListContentJobs=pb.ListContentJobsResponse()) as peer,
        gateway_client(peer.address) as gateway,
    ):
        assert "link" not in (await gateway.get(BASE, headers=SESSION)).headers


async def test_the_acts_answer_as_the_specification_says_whatever_their_body() -> None:
    done = {"RetryContentJob": pb.RetryContentJobResponse(), "CancelContentJob": pb.CancelContentJobResponse()}
    async with queue_peer(**done) as peer, gateway_client(peer.address) as gateway:
        for content in (b"", b"{", b'{"url":"https://other.example"}'):
            got = await gateway.post(job_path("retry"), headers=SESSION, content=content)
            assert answer(got) == (200, f'{{"jobId":"{JOB_ID}"}}')
            assert peer.received[-1].request == pb.RetryContentJobRequest(id=JOB_ID)
            got = await gateway.post(job_path("cancel"), headers=SESSION, content=content)
            assert answer(got) == (200, '{"cancelled":true}')
            assert peer.received[-1].request == pb.CancelContentJobRequest(id=JOB_ID)


OF_A_JOB = [
    ("GET", "status", "GetContentJob"),
    ("GET", "events", "GetContentJob"),
    ("POST", "retry", "RetryContentJob"),
    ("POST", "cancel", "CancelContentJob"),
]


def refusing(call: str, status: grpc.StatusCode, reason: str) -> dict[str, Any]:
    return {call: refuse(status, reason)}


@pytest.mark.parametrize(("method", "act", "call"), OF_A_JOB)
async def test_a_job_that_is_not_the_callers_is_not_found_whatever_its_id(method: str, act: str, call: str) -> None:
    no = refusing(call, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    async with queue_peer(**no) as peer, gateway_client(peer.address) as gateway:
        for sent, meant in ((JOB_ID, JOB_ID), ("42", "42"), ("%00", "\0"), ("x" * 300, "x" * 300), ("%C3%A9", "é")):
            got = await gateway.request(method, job_path(act, sent), headers=SESSION)
            assert answer(got) == LITERALS["no job"]
            assert got.headers["content-type"] == "application/json"
            assert peer.received[-1].request.id == meant  # type: ignore[attr-defined]


@pytest.mark.parametrize(("method", "act", "call"), OF_A_JOB)
@pytest.mark.parametrize(
    ("status", "reason", "literal"),
    [
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", "unavailable"),
        (grpc.StatusCode.UNAVAILABLE, "BROKER_UNAVAILABLE", "no broker"),
        (grpc.StatusCode.INTERNAL, "INTERNAL", "fault"),
        (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN", "fault"),
    ],
)
async def test_a_refusal_of_the_queue_service_has_the_words_of_this_surface(
    method: str, act: str, call: str, status: grpc.StatusCode, reason: str, literal: str
) -> None:
    async with queue_peer(**refusing(call, status, reason)) as peer, gateway_client(peer.address) as gateway:
        assert answer(await gateway.request(method, job_path(act), headers=SESSION)) == LITERALS[literal]


@pytest.mark.parametrize(
    ("act", "call", "literal"),
    [("retry", "RetryContentJob", "not failed"), ("cancel", "CancelContentJob", "not cancellable")],
)
async def test_an_act_that_the_status_does_not_allow_is_refused_and_tried_once(
    act: str, call: str, literal: str
) -> None:
    no = refuse(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", state="succeeded")
    async with queue_peer(**{call: no}) as peer, gateway_client(peer.address) as gateway:
        assert answer(await gateway.post(job_path(act), headers=SESSION)) == LITERALS[literal]
        assert peer.calls(call) == 1


@pytest.mark.parametrize(("method", "act"), [("GET", "status"), ("GET", "events"), ("POST", "retry")])
async def test_without_a_queue_service_the_answer_is_503(method: str, act: str) -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        assert answer(await gateway.request(method, job_path(act), headers=SESSION)) == LITERALS["unavailable"]


async def test_a_user_who_cannot_be_announced_is_answered_503() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        assert answer(await gateway.get(BASE, headers=bearer())) == LITERALS["unavailable"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", f"{BASE}/website-analysis", "POST"),
        ("DELETE", f"{BASE}/content-generation/", "POST"),
        ("POST", BASE, "GET"),
        ("POST", job_path("status"), "GET"),
        ("POST", job_path("events"), "GET"),
        ("GET", job_path("retry"), "POST"),
        ("OPTIONS", job_path("cancel"), "POST"),
    ],
)
async def test_a_wrong_method_is_405_with_the_right_one(method: str, path: str, allow: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, path, headers=SESSION)
        assert (answer(got), got.headers["allow"]) == (LITERALS["no method"], allow)


@pytest.mark.parametrize(
    "path", [f"{BASE}/{JOB_ID}", f"{BASE}/nope", job_path("nope"), job_path("status/x"), f"{BASE}//status"]
)
async def test_an_unknown_path_has_the_surfaces_envelope(path: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for method in ("GET", "POST", "DELETE"):
            assert answer(await gateway.request(method, path, headers=SESSION)) == LITERALS["no path"]


async def test_beside_the_surface_the_envelope_is_the_plain_one() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        for path in ("/api/v1", "/api/v1/jobsx", "/api/v2/jobs"):
            assert answer(await gateway.get(path)) == (404, '{"error":"Not found"}')


async def test_a_trailing_slash_is_optional() -> None:
    answers: dict[str, Any] = {
        "CreateWebsiteAnalysis": pb.CreateWebsiteAnalysisResponse(id=JOB_ID),
        "ListContentJobs": pb.ListContentJobsResponse(),
        "GetContentJob": pb.GetContentJobResponse(job=content_job("queued")),
        "RetryContentJob": pb.RetryContentJobResponse(),
    }
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        for method, path, status in (
            ("POST", f"{BASE}/website-analysis", 201),
            ("GET", BASE, 200),
            ("GET", job_path("status"), 200),
            ("POST", job_path("retry"), 200),
        ):
            for spelling in (path, f"{path}/"):
                got = await gateway.request(method, spelling, headers=SESSION, json={"url": "https://example.com"})
                assert got.status_code == status


async def test_a_result_that_makes_no_sense_is_a_fault_that_says_nothing_of_itself() -> None:
    nonsense = content_job("succeeded", result={"secret": 1})
    assert answer(await status_of(nonsense)) == LITERALS["fault"]
