"""Jobs as a CSV file: its columns, cells that spreadsheets must not run, pages, and where it ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.monitor import csv_export
from support.gateway import bearer, gateway_client, gateway_process
from support.monitor_rest import API, HOSTILE, JOB_ID, at, job, role
from support.queue_peers import Call, Context, QueuePeer, queue_peer, refuse

HEADER = (
    "id,queue,kind,owner,state,priority,attempt,maxAttempts,position,step,current,total,message,errorCode,errorMessage,"
    "createdAt,runAt,startedAt,finishedAt,updatedAt,worker,cancelRequestedAt,labels,correlationId,concurrencyKey\r\n"
)


def pages(*found: Sequence[job_pb2.Job]) -> Any:
    """A list of these pages, which lead from one to the next."""

    async def answer(call: Call, context: Context) -> Message:
        number = int(call.request.page_token or 0)  # type: ignore[attr-defined]
        following = str(number + 1) if number + 1 < len(found) else ""
        return pb.ListJobsResponse(jobs=found[number], next_page_token=following)

    return answer


async def exported(query: str = "", *, count: int = 1, **answers: Any) -> tuple[httpx.Response, QueuePeer]:
    counted = pb.CountJobsResponse(count=count)
    async with queue_peer(**{"CountJobs": counted, **answers}) as peer, gateway_client(peer.address) as gateway:
        return await gateway.get(f"{API}/jobs.csv{query}", headers=bearer(**role("manager"))), peer


def rows(got: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(got.text, newline="")))


async def test_a_job_is_one_row_and_an_absent_value_an_empty_cell() -> None:
    failed = job(
        "failed",
        priority=-5,
        attempt=3,
        position=0,
        progress=job_pb2.Progress(step="write", current=2, total=4, message="Half-way"),
        error=job_pb2.JobError(code="TIMEOUT", message="too slow", retryable=True),
        finished_at=at("2026-02-06T10:05:00.25Z"),
        labels={"b": "ü", "a": "1"},
    )
    got, _ = await exported(ListJobs=pages([failed, job(position=2)]))
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    assert got.text.startswith(HEADER)
    assert got.text.splitlines()[1] == (
        f"{JOB_ID},test,greet,user:ann,failed,-5,3,3,0,write,2,4,Half-way,TIMEOUT,too slow,2026-02-06T10:00:00Z,"
        '2026-02-06T10:00:00Z,,2026-02-06T10:05:00.250000Z,2026-02-06T10:00:00Z,,,"{""a"": ""1"", ""b"": ""ü""}",,'
    )
    second = rows(got)[1]
    assert (second["position"], second["step"], second["errorCode"], second["labels"]) == ("2", "", "", "")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\uff1d", "\t", "\r", "\n"])
async def test_no_cell_is_a_formula(first: str) -> None:
    text = f"{first}HYPERLINK(1)"
    error = job_pb2.JobError(code="X", message=text)
    hostile = job(owner=text, kind="greet", error=error, correlation_id=text, concurrency_key=text, priority=-1)
    got, _ = await exported(ListJobs=pages([hostile]))
    [row] = rows(got)
    assert [row[name] for name in ("owner", "errorMessage", "correlationId", "concurrencyKey")] == [f"'{text}"] * 4
    # A negative number stays a number.
    assert row["priority"] == "-1"


async def test_hostile_text_stays_in_its_cell() -> None:
    got, _ = await exported(ListJobs=pages([job(owner=f'{HOSTILE}",\r\n=1')]))
    [row] = rows(got)
    assert row["owner"] == f'{HOSTILE}",\r\n=1'


async def test_pages_follow_one_another_with_filter_and_order() -> None:
    found = [[job(id=f"{page}{number}") for number in range(3)] for page in range(4)]
    got, peer = await exported("?queue=mail&order=updated&dir=asc&cursor=x&limit=1", ListJobs=pages(*found))
    assert [row["id"] for row in rows(got)] == [each.id for page in found for each in page]
    asked = [call.request for call in peer.received if call.method == "ListJobs"]
    assert [each.page_token for each in asked] == ["", "1", "2", "3"]  # type: ignore[attr-defined]
    for request in asked:
        assert request == pb.ListJobsRequest(
            filter=pb.JobFilter(queues=["mail"]),
            order=pb.JOB_ORDER_UPDATED,
            ascending=True,
            page_size=500,
            page_token=request.page_token,  # type: ignore[attr-defined]
        )


async def test_nothing_chosen_is_a_table_without_rows() -> None:
    got, _ = await exported(ListJobs=pages([]), count=0)
    assert (got.status_code, got.text) == (200, HEADER)


async def test_too_many_jobs_are_refused_rather_than_cut_off() -> None:
    got, peer = await exported(count=100_001)
    assert (got.status_code, peer.calls("ListJobs")) == (422, 0)
    assert got.json() == {
        "error": "The filter chooses 100001 jobs, and a table has at most 100000 rows: narrow the filter"
    }


async def test_jobs_that_came_after_the_count_do_not_make_it_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_export, "MAX_ROWS", 2 * csv_export.PAGE_SIZE)
    got, peer = await exported(ListJobs=pages(*([job()] for _ in range(5))))
    assert (len(rows(got)), peer.calls("ListJobs")) == (2, 2)


@pytest.mark.parametrize("call", ["CountJobs", "ListJobs"])
async def test_a_refusal_before_the_first_row_is_an_answer(call: str) -> None:
    refusal = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_BROAD")
    got, _ = await exported(**{"ListJobs": pages([]), call: refusal})
    assert (got.status_code, got.json()) == (422, {"error": "Refused by the test"})


async def test_a_table_that_breaks_off_is_no_complete_answer(tmp_path: Path) -> None:
    async def second_page_fails(call: Call, context: Context) -> Message:
        if call.request.page_token:  # type: ignore[attr-defined]
            return await refuse(grpc.StatusCode.INTERNAL, "INTERNAL")(call, context)
        return pb.ListJobsResponse(jobs=[job()], next_page_token="1")

    async with queue_peer(CountJobs=pb.CountJobsResponse(), ListJobs=second_page_fails) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"{API}/jobs.csv", headers=bearer(**role("admin")))
