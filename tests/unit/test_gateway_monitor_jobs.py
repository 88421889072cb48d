"""How the monitor's page is shown jobs: a list, numbers, and the story of one with the commands that tell it."""

from __future__ import annotations

import json
import shlex
from typing import Any

import grpc

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as jobs_pb
from support.gateway import bearer, gateway_client
from support.monitor_rest import API, HOSTILE, JOB_ID, ask, at, job, lasting, role
from support.queue_peers import queue_peer, refuse

NO_JOB = refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


async def test_a_job_is_shown_with_all_that_is_known_and_null_for_the_rest() -> None:
    running = job(
        "running",
        priority=-3,
        attempt=2,
        progress=job_pb2.Progress(step="write", current=1, total=4, message="Writing"),
        error=job_pb2.JobError(code="TIMEOUT", message=HOSTILE, retryable=True),
        lease=job_pb2.Lease(worker="w-1", session_id="s-1", expires_at=at("2026-02-06T10:00:30Z")),
        started_at=at("2026-02-06T10:00:01.5Z"),
        cancel_requested_at=at("2026-02-06T10:00:02Z"),
        labels={"b": "2", "a": "1"},
        correlation_id="c-1",
        concurrency_key="k-1",
        eta=job_pb2.Eta(p50=lasting(1.5), p90=lasting(4)),
    )
    waiting = job(position=7, eta=job_pb2.Eta(reason="QUEUE_PAUSED"))
    found = jobs_pb.ListJobsResponse(jobs=[running, waiting], next_page_token="next")
    got, _ = await ask("GET", "jobs", ListJobs=found)
    first, second = got.json()["jobs"]
    assert got.json()["nextCursor"] == "next"
    assert first == {
        "id": JOB_ID,
        "queue": "test",
        "kind": "greet",
        "owner": "user:ann",
        "state": "running",
        "priority": -3,
        "attempt": 2,
        "maxAttempts": 3,
        "position": 0,
        "eta": {"p50": 1.5, "p90": 4.0, "reason": None},
        "progress": {"step": "write", "current": 1, "total": 4, "message": "Writing"},
        "error": {"code": "TIMEOUT", "message": HOSTILE, "retryable": True},
        "createdAt": "2026-02-06T10:00:00Z",
        "runAt": "2026-02-06T10:00:00Z",
        "startedAt": "2026-02-06T10:00:01.500000Z",
        "finishedAt": None,
        "updatedAt": "2026-02-06T10:00:00Z",
        "worker": "w-1",
        "cancelRequestedAt": "2026-02-06T10:00:02Z",
        "labels": {"a": "1", "b": "2"},
        "correlationId": "c-1",
        "concurrencyKey": "k-1",
    }
    assert list(second) == list(first)
    assert (second["position"], second["eta"]) == (7, {"p50": None, "p90": None, "reason": "QUEUE_PAUSED"})
    assert [second[key] for key in ("progress", "error", "startedAt", "worker")] == [None] * 4


async def test_an_empty_page_leads_nowhere() -> None:
    got, _ = await ask("GET", "jobs", ListJobs=jobs_pb.ListJobsResponse())
    assert got.json() == {"jobs": [], "nextCursor": None}


async def test_a_count_is_given_by_state() -> None:
    states = [jobs_pb.StateCount(state=job_pb2.JOB_STATE_FAILED, count=3)]
    found = jobs_pb.CountJobsResponse(count=3, states=states)
    got, request = await ask("GET", "jobs/count?queue=a&queue=b&error=TIMEOUT", CountJobs=found)
    assert got.json() == {"count": 3, "states": {"failed": 3}}
    assert request == jobs_pb.CountJobsRequest(filter=jobs_pb.JobFilter(queues=["a", "b"], error="TIMEOUT"))


async def story(path: str = f"jobs/{JOB_ID}", **answers: Any) -> dict[str, Any]:
    got, _ = await ask("GET", path, **answers)
    assert got.status_code == 200, got.text
    told: dict[str, Any] = got.json()
    return told


async def test_a_job_is_told_with_its_runs_steps_history_and_what_it_waits_for() -> None:
    one = job(
        "pending",
        payload_json=json.dumps(HOSTILE),
        result_json="",
        input_items=7,
        lease=job_pb2.Lease(worker="w", session_id="s", expires_at=at("2026-02-06T10:00:30Z"), received=True),
    )
    attempt = job_pb2.Attempt(
        number=1,
        worker="w",
        session_id="s",
        started_at=at("2026-02-06T10:00:00Z"),
        finished_at=at("2026-02-06T10:00:01Z"),
        outcome=job_pb2.ATTEMPT_OUTCOME_TIMED_OUT,
        error=job_pb2.JobError(code="TIMEOUT", message="too slow", retryable=True),
        step="write",
    )
    going_on = job_pb2.Attempt(number=2, started_at=at("2026-02-06T10:00:00Z"))
    step = job_pb2.StepOutput(
        name="read", output_json="[1]", duration=lasting(0.5), finished_at=at("2026-02-06T10:00:00Z"), attempt=1
    )
    reason = jobs_pb.WaitReason(
        code="KEY_LIMIT", detail="key 'a' is held", job_ids=["x"], until=at("2026-02-06T10:00:00Z"), count=1
    )
    told = await story(
        GetJob=jobs_pb.GetJobResponse(job=one, steps=[step]),
        ExplainJob=jobs_pb.ExplainJobResponse(job=one, attempts=[attempt, going_on], waiting_for=[reason]),
    )
    assert told["job"]["payloadJson"] == json.dumps(HOSTILE)
    assert (told["job"]["resultJson"], told["job"]["inputItems"]) == (None, 7)
    assert told["job"]["lease"] == {
        "worker": "w",
        "sessionId": "s",
        "expiresAt": "2026-02-06T10:00:30Z",
        "received": True,
    }
    assert told["attempts"][0] == {
        "number": 1,
        "worker": "w",
        "sessionId": "s",
        "startedAt": "2026-02-06T10:00:00Z",
        "finishedAt": "2026-02-06T10:00:01Z",
        "outcome": "timed_out",
        "error": {"code": "TIMEOUT", "message": "too slow", "retryable": True},
        "step": "write",
    }
    assert [told["attempts"][1][key] for key in ("finishedAt", "outcome", "error", "step")] == [None] * 4
    assert told["steps"] == [
        {"name": "read", "seconds": 0.5, "outputJson": "[1]", "finishedAt": "2026-02-06T10:00:00Z", "attempt": 1}
    ]
    assert told["waitingFor"] == [
        {
            "code": "KEY_LIMIT",
            "detail": "key 'a' is held",
            "jobIds": ["x"],
            "until": "2026-02-06T10:00:00Z",
            "since": None,
            "actor": None,
            "count": 1,
        }
    ]


async def test_of_a_removed_job_its_history_is_told() -> None:
    event = job_pb2.JobEvent(time=at("2026-02-06T10:00:00Z"), name="deleted", actor="user:ann")
    told = await story(GetJob=NO_JOB, ExplainJob=jobs_pb.ExplainJobResponse(events=[event]))
    assert (told["job"], told["steps"], [each["name"] for each in told["events"]]) == (None, [], ["deleted"])


async def test_what_can_be_no_id_is_an_unknown_job() -> None:
    malformed = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"id": "expected a UUID"})
    for id in ("x", "%00", "x" * 100, "%ED%A0%80", "'; DROP TABLE jobs --"):
        got, _ = await ask("GET", f"jobs/{id}", GetJob=malformed, ExplainJob=malformed)
        assert (got.status_code, got.json()) == (404, {"error": "Job not found"})


async def test_an_id_may_be_written_in_capitals() -> None:
    found = jobs_pb.ExplainJobResponse(job=job())
    _, request = await ask("GET", f"jobs/{JOB_ID.upper()}", GetJob=NO_JOB, ExplainJob=found)
    assert request.id == JOB_ID


async def test_the_commands_ask_the_same_in_a_terminal() -> None:
    answers: dict[str, Any] = {"GetJob": NO_JOB, "ExplainJob": jobs_pb.ExplainJobResponse(job=job())}
    commands = (await story(**answers))["commands"]
    assert commands["jobline"] == f"jobline jobs explain {JOB_ID}"
    words = shlex.split(commands["grpcurl"])
    assert words[:4] == ["grpcurl", "-plaintext", "-H", "authorization: Bearer $JOBLINE_TOKEN"]
    assert json.loads(words[words.index("-d") + 1]) == {"id": JOB_ID}
    assert words[-2:] == ["$JOBLINE_QUEUE_ADDRESS", "jobline.v1.JobService/ExplainJob"]
    assert shlex.split(commands["curl"])[-2:] == [
        "Authorization: Bearer $TOKEN",
        f"http://gateway.test{API}/jobs/{JOB_ID}",
    ]


async def test_no_command_does_more_than_it_says_whatever_was_asked_for() -> None:
    """Whoever opens the page chooses the host that it is asked at; the id is one that the queue service took."""
    answers: dict[str, Any] = {"GetJob": NO_JOB, "ExplainJob": jobs_pb.ExplainJobResponse()}
    host = "x';touch$IFS/tmp/pwned;'"
    got, _ = await ask("GET", "jobs/$(touch%20pwned)", headers={"host": host}, **answers)
    commands = got.json()["commands"]
    assert shlex.split(commands["jobline"]) == ["jobline", "jobs", "explain", "$(touch pwned)"]
    assert json.loads(shlex.split(commands["grpcurl"])[-3]) == {"id": "$(touch pwned)"}
    assert shlex.split(commands["curl"])[-1].endswith("/jobs/$(touch pwned)")
    for line in commands.values():
        unquoted = "".join(part for number, part in enumerate(line.split("'")) if number % 2 == 0)
        assert "$(" not in unquoted.replace("$TOKEN", "")
        assert "touch" not in unquoted


async def test_the_public_address_is_where_the_commands_ask() -> None:
    answers: dict[str, Any] = {"GetJob": NO_JOB, "ExplainJob": jobs_pb.ExplainJobResponse(job=job())}
    async with (
        queue_peer(**answers) as peer,
        gateway_client(peer.address, public_url="https://jobline.example") as gateway,
    ):
        got = await gateway.get(f"{API}/jobs/{JOB_ID}", headers=bearer(**role("manager")))
    assert got.json()["commands"]["curl"].endswith(f" https://jobline.example{API}/jobs/{JOB_ID}")
