"""What admins do by the monitor: to one job, to many, to queues and workers; and what managers and other sites may not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import job_service_pb2 as jobs_pb
from jobline.v1 import queue_pb2
from jobline.v1 import queue_service_pb2 as queues_pb
from support.gateway import bearer, gateway_client, gateway_process
from support.monitor_rest import API, HOSTILE, JOB_ID, a_queue, ask, cookie, job, role
from support.queue_peers import Call, Context, StreamAnswer, queue_peer, refuse

RETRY, CANCEL = f"jobs/{JOB_ID}/retry", f"jobs/{JOB_ID}/cancel"
WORKERS = queues_pb.DrainWorkerResponse(workers=[queue_pb2.WorkerInfo(session_id="s-1")])

#: Every act: its path and body, the call that it makes, its answer and the request that it is.
ACTS: list[tuple[str, dict[str, Any] | None, str, Message, Message]] = [
    (RETRY, None, "RetryJob", jobs_pb.RetryJobResponse(job=job()), jobs_pb.RetryJobRequest(id=JOB_ID)),
    (
        CANCEL,
        {"reason": HOSTILE},
        "CancelJob",
        jobs_pb.CancelJobResponse(job=job("cancelled")),
        jobs_pb.CancelJobRequest(id=JOB_ID, reason=HOSTILE),
    ),
    (CANCEL, None, "CancelJob", jobs_pb.CancelJobResponse(), jobs_pb.CancelJobRequest(id=JOB_ID)),
    (
        "queues/mail/pause",
        {"reason": "deploy"},
        "PauseQueue",
        queues_pb.PauseQueueResponse(queue=a_queue("mail", paused=True)),
        queues_pb.PauseQueueRequest(queue="mail", reason="deploy"),
    ),
    (
        "queues/mail/resume",
        {},
        "ResumeQueue",
        queues_pb.ResumeQueueResponse(queue=a_queue("mail")),
        queues_pb.ResumeQueueRequest(queue="mail"),
    ),
    (
        "queues/mail/limit",
        {"maxRunning": 4},
        "SetQueueLimit",
        queues_pb.SetQueueLimitResponse(queue=a_queue("mail", limit_overridden=True)),
        queues_pb.SetQueueLimitRequest(queue="mail", max_running=4),
    ),
    (
        "queues/mail/limit",
        {"maxRunning": None},
        "SetQueueLimit",
        queues_pb.SetQueueLimitResponse(queue=a_queue("mail")),
        queues_pb.SetQueueLimitRequest(queue="mail"),
    ),
    ("workers/s-1/drain", None, "DrainWorker", WORKERS, queues_pb.DrainWorkerRequest(worker="s-1")),
]
NAMES = [f"{path.rpartition('/')[2]}-{number}" for number, (path, *_) in enumerate(ACTS)]


@pytest.mark.parametrize(("path", "body", "call", "done", "asked"), ACTS, ids=NAMES)
async def test_an_act_is_one_call_and_answers_with_what_became_of_it(
    path: str, body: dict[str, Any] | None, call: str, done: Message, asked: Message
) -> None:
    got, request = await ask("POST", path, **({} if body is None else {"json": body}), **{call: done})
    assert (got.status_code, request) == (200, asked)
    [(name, told)] = got.json().items()
    assert name == {"DrainWorker": "workers"}.get(call, "job" if "/jobs/" in f"/{path}" else "queue")
    if call == "SetQueueLimit":
        assert told["limitOverridden"] == (body == {"maxRunning": 4})
    if call == "PauseQueue":
        assert told["paused"]


@pytest.mark.parametrize(("path", "body", "call", "done", "asked"), ACTS, ids=NAMES)
async def test_managers_do_not_act_and_nobody_does_for_another_site(
    path: str, body: dict[str, Any] | None, call: str, done: Message, asked: Message
) -> None:
    foreign = {"origin": "https://evil.example"}
    async with queue_peer(**{call: done}) as peer, gateway_client(peer.address) as gateway:
        for headers in (bearer(**role("manager")), cookie("manager"), cookie("admin") | foreign):
            got = await gateway.post(f"{API}/{path}", json=body, headers=headers)
            assert (got.status_code, got.json()) == (403, {"error": "Forbidden"})
        assert peer.calls(call) == 0
        for headers in (cookie("admin") | {"origin": "http://gateway.test"}, bearer(**role("admin")) | foreign):
            assert (await gateway.post(f"{API}/{path}", json=body, headers=headers)).status_code == 200


async def test_an_act_that_came_too_late_is_told_why() -> None:
    too_late = refuse(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", state="succeeded")
    for path, call in ((RETRY, "RetryJob"), (CANCEL, "CancelJob")):
        got, _ = await ask("POST", path, **{call: too_late})
        assert (got.status_code, got.json()) == (409, {"error": "Refused by the test"})


@pytest.mark.parametrize(
    ("path", "call", "reason", "text"),
    [
        (RETRY, "RetryJob", "JOB_NOT_FOUND", "Job not found"),
        (CANCEL, "CancelJob", "JOB_NOT_FOUND", "Job not found"),
        ("queues/x/pause", "PauseQueue", "QUEUE_NOT_FOUND", "Queue not found"),
        ("queues/x/resume", "ResumeQueue", "QUEUE_NOT_FOUND", "Queue not found"),
        ("workers/x/drain", "DrainWorker", "WORKER_NOT_FOUND", "Worker not found"),
    ],
)
async def test_what_is_not_there_is_not_found(path: str, call: str, reason: str, text: str) -> None:
    got, _ = await ask("POST", path, **{call: refuse(grpc.StatusCode.NOT_FOUND, reason)})
    assert (got.status_code, got.json()) == (404, {"error": text})


@pytest.mark.parametrize(
    ("path", "content", "text"),
    [
        (CANCEL, b"{", "Request body is not valid JSON"),
        (CANCEL, b"[]", "Request body must be a JSON object"),
        (CANCEL, b'{"reason": 7}', "reason must be a string"),
        (CANCEL, json.dumps({"reason": "x" * 256}).encode(), "reason must have at most 255 characters"),
        (CANCEL, b'{"reason": "\\ud800"}', "reason must not contain half a surrogate pair"),
        ("queues/x/pause", b'{"reason": "\\u0000"}', "reason must not contain NUL characters"),
        ("queues/x/limit", b"", "Request body is not valid JSON"),
        ("queues/x/limit", b"{}", "maxRunning must be given, a number or null"),
        ("queues/x/limit", b'{"maxRunning": 0}', "maxRunning must be an integer from 1 to 100000"),
        ("queues/x/limit", b'{"maxRunning": 1.0}', "maxRunning must be an integer from 1 to 100000"),
        ("queues/x/limit", b'{"maxRunning": true}', "maxRunning must be an integer from 1 to 100000"),
        ("queues/x/limit", b'{"maxRunning": 100001}', "maxRunning must be an integer from 1 to 100000"),
        ("jobs/bulk", b"", "Request body is not valid JSON"),
        ("jobs/bulk", b"{}", "act must be one of retry, cancel"),
        ("jobs/bulk", b'{"act": "delete"}', "act must be one of retry, cancel"),
        ("jobs/bulk", b'{"act": "retry"}', "filter must be an object"),
        ("jobs/bulk", b'{"act": "retry", "filter": {}}', "expectedCount must be given"),
        ("jobs/bulk", b'{"act": "retry", "filter": {}, "dryRun": "yes"}', "dryRun must be true or false"),
        (
            "jobs/bulk",
            b'{"act": "retry", "filter": {}, "expectedCount": -1}',
            "expectedCount must be an integer of at least 0",
        ),
        ("jobs/bulk", b'{"act": "retry", "filter": {"kind": 7}, "expectedCount": 1}', "kind must be a string"),
        (
            "jobs/bulk",
            b'{"act": "retry", "filter": {"state": ["x"]}, "dryRun": true}',
            "state.0 must be one of pending, running, succeeded, failed, cancelled",
        ),
        (
            "jobs/bulk",
            b'{"act": "retry", "filter": {"state": "failed"}, "dryRun": true}',
            "state Input should be a valid list",
        ),
        (
            "jobs/bulk",
            b'{"act": "retry", "filter": {"createdAfter": 7}, "dryRun": true}',
            "createdAfter must be a timestamp with offset, such as 2025-10-26T11:00:00Z",
        ),
    ],
)
async def test_a_bad_body_is_refused_before_anything_is_done(path: str, content: bytes, text: str) -> None:
    got, request = await ask("POST", path, content=content)
    assert (got.status_code, got.json(), request) == (400, {"error": text}, None)


# ---- many jobs ------------------------------------------------------------------------------------------------------


def progress(done: int, *, finished: bool = False, skipped: int = 0) -> jobs_pb.BulkProgress:
    return jobs_pb.BulkProgress(total=3, done=done, skipped=skipped, finished=finished)


def told(*steps: jobs_pb.BulkProgress, answer: Any = jobs_pb.RetryJobsResponse, then: Any = None) -> StreamAnswer:
    """An act that tells of these steps, and then does what the test says."""

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        for step in steps:
            yield answer(progress=step)
        if then is not None:
            await then(call, context)

    return stream


def lines(got: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in got.text.splitlines()]


CHOSEN = {"queue": ["mail"], "state": ["failed"]}


@pytest.mark.parametrize(("act", "call"), [("retry", "RetryJobs"), ("cancel", "CancelJobs")])
async def test_a_dry_run_says_how_many_it_would_be(act: str, call: str) -> None:
    answer = jobs_pb.RetryJobsResponse if act == "retry" else jobs_pb.CancelJobsResponse
    body = {"act": act, "filter": CHOSEN, "dryRun": True}
    got, request = await ask("POST", "jobs/bulk", json=body, **{call: told(progress(0, finished=True), answer=answer)})
    assert (got.status_code, got.json()) == (200, {"total": 3})
    assert (request.dry_run, request.HasField("expected_count")) == (True, False)


async def test_an_act_on_many_tells_how_far_it_is_line_by_line() -> None:
    steps = (progress(0), progress(2), progress(2, skipped=1, finished=True))
    body = {"act": "cancel", "filter": CHOSEN, "expectedCount": 3, "reason": "wrong list"}
    answers = {"CancelJobs": told(*steps, answer=jobs_pb.CancelJobsResponse)}
    got, request = await ask("POST", "jobs/bulk", json=body, **answers)
    assert (got.status_code, got.headers["content-type"]) == (200, "application/x-ndjson")
    assert lines(got) == [
        {"total": 3, "done": 0, "skipped": 0, "finished": False},
        {"total": 3, "done": 2, "skipped": 0, "finished": False},
        {"total": 3, "done": 2, "skipped": 1, "finished": True},
    ]
    assert (request.expected_count, request.reason, request.dry_run) == (3, "wrong list", False)


async def test_another_number_of_jobs_than_expected_is_told_and_nothing_is_done() -> None:
    mismatch = refuse(grpc.StatusCode.FAILED_PRECONDITION, "COUNT_CHANGED", count="5")
    for expected in (3, 10**40):
        body = {"act": "retry", "filter": CHOSEN, "expectedCount": expected}
        got, _ = await ask("POST", "jobs/bulk", json=body, RetryJobs=told(then=mismatch))
        assert (got.status_code, got.json()) == (
            409,
            {"error": "The filter now chooses 5 jobs; nothing was done", "count": 5},
        )


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_BROAD", 422),
        (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN", 403),
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", 503),
    ],
)
async def test_an_act_that_cannot_begin_is_refused_once(status: grpc.StatusCode, reason: str, code: int) -> None:
    async with (
        queue_peer(RetryJobs=told(then=refuse(status, reason))) as peer,
        gateway_client(peer.address) as gateway,
    ):
        body = {"act": "retry", "filter": CHOSEN, "expectedCount": 3}
        got = await gateway.post(f"{API}/jobs/bulk", json=body, headers=bearer(**role("admin")))
        assert got.status_code == code
        assert peer.calls("RetryJobs") == 1


async def test_an_act_that_breaks_off_says_so_in_its_last_line() -> None:
    broken = told(progress(1), then=refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE"))
    body = {"act": "retry", "filter": CHOSEN, "expectedCount": 3}
    got, _ = await ask("POST", "jobs/bulk", json=body, RetryJobs=broken)
    assert [line.get("done", line.get("error")) for line in lines(got)] == [1, "Service unavailable"]


async def test_a_standby_is_passed_over_even_by_an_act_that_is_made_once() -> None:
    standby = told(then=refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE"))
    async with (
        queue_peer(RetryJobs=standby) as first,
        queue_peer(RetryJobs=told(progress(3, finished=True))) as second,
        gateway_client(first.address, second.address) as gateway,
    ):
        body = {"act": "retry", "filter": CHOSEN, "expectedCount": 3}
        got = await gateway.post(f"{API}/jobs/bulk", json=body, headers=bearer(**role("admin")))
        assert lines(got)[-1]["finished"]
        assert (first.calls("RetryJobs"), second.calls("RetryJobs")) == (1, 1)


async def test_who_hangs_up_ends_the_act(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        try:
            yield jobs_pb.RetryJobsResponse(progress=progress(1))
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with queue_peer(RetryJobs=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
                body = {"act": "retry", "filter": CHOSEN, "expectedCount": 3}
                request = client.stream("POST", f"{API}/jobs/bulk", json=body, headers=bearer(**role("admin")))
                async with request as got:
                    assert json.loads(await anext(got.aiter_lines()))["done"] == 1
                    assert not ended.is_set()
            await asyncio.wait_for(ended.wait(), 10)
