"""The workers' endpoints: who may call them, what they ask the services for, what they answer and log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.duration_pb2 import Duration

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1.worker_control_service_pb2 import ProcessNowRequest, ProcessNowResponse
from support.gateway import bearer, gateway_client, gateway_process, user_token
from support.ingestion_rest import LITERALS, WORKERS, answer
from support.queue_peers import Answer, Unending, queue_peer, refuse

SECRET = "a-cron-secret-ü"
RIGHT = {"authorization": f"Bearer {SECRET}"}
WRONG: list[Any] = [
    {"authorization": "Bearer wrong"},
    {"authorization": f"Bearer {SECRET}x"},
    {"authorization": f"Bearer {SECRET[:-1]}"},
    {"authorization": "Bearer "},
    {"authorization": ""},
    {"authorization": SECRET},
    {"authorization": f"Basic {SECRET}"},
    [("authorization", f"Bearer {SECRET}"), ("authorization", f"Bearer {SECRET}")],
    bearer(app_metadata={"role": "admin"}),
]
COOKIE = {"cookie": f"session={user_token(app_metadata={'role': 'admin'})}"}
NAMES = ("ingestion", "vectorization", "cleanup")


def encoded(headers: Any) -> Any:
    """As a client sends them that means UTF-8."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name.encode(), value.encode()) for name, value in pairs]


async def call(
    name: str, headers: Any = None, method: str = "GET", *, processed: Answer | Any = None, **settings: Any
) -> tuple[httpx.Response, list[Any]]:
    """The answer, and the calls that the services were asked for."""
    done = processed or ProcessNowResponse(attempted=3, succeeded=1, failed=2)
    async with (
        queue_peer(CleanUp=pb.CleanUpResponse(deleted=12), ProcessNow=done) as services,
        gateway_client(services.address, worker_addresses=(services.address,), **settings) as gateway,
    ):
        got = await gateway.request(method, f"{WORKERS}/{name}", headers=encoded(headers or {}))
        return got, services.received


# ---- the door -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
async def test_in_production_only_the_secret_opens(name: str) -> None:
    for headers in ({}, COOKIE, *WRONG):
        got, asked = await call(name, headers, production=True, cron_secret=SECRET)
        assert (answer(got), asked) == (LITERALS["unauthorized"], [])
        assert got.headers["www-authenticate"] == "Bearer"
    got, asked = await call(name, RIGHT, production=True, cron_secret=SECRET)
    assert (got.status_code, len(asked)) == (200, 1)


@pytest.mark.parametrize("headers", [{}, RIGHT, *WRONG], ids=range(2 + len(WRONG)))
async def test_in_production_without_a_secret_nobody_gets_in(headers: Any) -> None:
    for name in NAMES:
        got, asked = await call(name, headers, production=True)
        assert (answer(got), asked) == (LITERALS["not configured"], [])


async def test_in_development_who_sends_nothing_gets_in_and_who_sends_something_wrong_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for headers in ({}, COOKIE):
        caplog.clear()
        got, asked = await call("ingestion", headers, cron_secret=SECRET)
        assert (got.status_code, len(asked)) == (200, 1)
        assert "worker=ingestion called without the CRON_SECRET" in warnings(caplog)[0]
    for headers in WRONG:
        got, asked = await call("ingestion", headers, cron_secret=SECRET)
        assert (answer(got), asked) == (LITERALS["unauthorized"], [])
    caplog.clear()
    got, _ = await call("cleanup", RIGHT, cron_secret=SECRET)
    assert (got.status_code, warnings(caplog)) == (200, [])


async def test_in_development_without_a_secret_everybody_gets_in_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for headers in ({}, COOKIE, RIGHT, *WRONG):
        caplog.clear()
        got, asked = await call("cleanup", headers)
        assert (got.status_code, len(asked)) == (200, 1)
        assert warnings(caplog) == ["worker=cleanup open to everybody: CRON_SECRET is not set"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_stranger_does_not_learn_which_paths_there_are() -> None:
    for path in ("nope", "ingestion/x", ""):
        got, _ = await call(path, cron_secret=SECRET, production=True)
        assert answer(got) == LITERALS["unauthorized"]
        got, _ = await call(path, RIGHT, cron_secret=SECRET, production=True)
        assert answer(got) == LITERALS["no path"]
    got, _ = await call("ingestion", method="POST", cron_secret=SECRET, production=True)
    assert answer(got) == LITERALS["unauthorized"]
    got, _ = await call("ingestion", RIGHT, "POST", cron_secret=SECRET, production=True)
    assert (answer(got), got.headers["allow"]) == (LITERALS["no method"], "GET")


async def test_the_secret_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for headers in (RIGHT, *WRONG):
        await call("cleanup", headers, cron_secret=SECRET)
    assert SECRET[:-1] not in caplog.text


# ---- the work -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "jobs"), [("ingestion", 3), ("vectorization", 2), ("ingestion/", 3)])
async def test_a_bounded_number_of_jobs_is_asked_for_within_a_minute(
    name: str, jobs: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    got, [asked] = await call(name)
    body = got.json()
    assert (got.status_code, list(body)) == (200, ["success", "processed", "duration"])
    assert (body["success"], body["processed"]) == (True, 3)
    assert type(body["duration"]) is int
    queue = name.strip("/")
    assert asked.request == ProcessNowRequest(
        queue=queue,
        max_jobs=jobs,
        claim_for=Duration(seconds=50),
        run_for=Duration(seconds=55),
        own_runs_only=True,
    )
    assert "jobline-caller-bin" not in asked.metadata
    [line] = [line for line in caplog.messages if f"worker={queue} processed" in line]
    assert line == f"worker={queue} processed=3 failed=2 duration={body['duration']}ms"


async def test_an_empty_queue_is_no_fault() -> None:
    got, _ = await call("vectorization", processed=ProcessNowResponse(complete=True))
    assert got.json() == {"success": True, "processed": 0, "duration": got.json()["duration"]}


async def test_cleaning_up_is_left_to_the_policies(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    got, [asked] = await call("cleanup")
    assert answer(got) == (200, '{"success":true,"deletedCount":12}')
    assert asked.request == pb.CleanUpRequest()
    assert "jobline-caller-bin" not in asked.metadata
    assert "worker=cleanup deleted=12" in caplog.messages


@pytest.mark.parametrize(
    ("refusal", "literal"),
    [
        (refuse(grpc.StatusCode.UNAVAILABLE, "DRAINING"), "unavailable"),
        (refuse(grpc.StatusCode.DEADLINE_EXCEEDED), "unavailable"),
        # The gateway's own token lacks the right.
        (refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"), "fault"),
    ],
)
async def test_a_worker_that_cannot_run_says_so_under_its_name(
    refusal: Answer, literal: str, caplog: pytest.LogCaptureFixture
) -> None:
    got, _ = await call("ingestion", processed=refusal)
    assert answer(got) == LITERALS[literal]
    [line] = [record for record in caplog.records if "worker=ingestion could not run" in record.getMessage()]
    assert line.levelname == "ERROR"


async def test_without_a_worker_service_the_answer_is_503() -> None:
    async with queue_peer() as queue, gateway_client(queue.address) as gateway:
        assert answer(await gateway.get(f"{WORKERS}/ingestion")) == LITERALS["unavailable"]


async def test_a_process_reads_its_settings_and_a_cron_that_hangs_up_ends_the_work(tmp_path: Path) -> None:
    work = Unending()
    async with queue_peer(ProcessNow=work) as worker:
        settings = {
            "JOBLINE_WORKER_ADDRESS": worker.address,
            "CRON_SECRET": "hush-secret",
            "JOBLINE_ENV": "production",
            "JOBLINE_JWT_SECRET": "s" * 32,
        }
        with gateway_process(tmp_path, **settings) as (process, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                assert (await client.get(f"{WORKERS}/ingestion")).status_code == 401
                headers = {"authorization": "Bearer hush-secret"}
                await work.ends_with(client.get(f"{WORKERS}/ingestion", headers=headers, timeout=None))
            log = process.errors.read_text()
            assert " WARNING gateway " in log
            assert "worker=ingestion refused: not the CRON_SECRET" in log
            assert "hush" not in log
