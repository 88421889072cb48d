"""The lists of the communication surface against the real stack: order, filters, pages, export, bulk retry."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from jobline.v1 import communication_service_pb2 as pb
from support.communications_rest import at, envelope
from support.queue_calls import Calls
from support.rest_stack import RestStack
from support.shop import Shop, next_link

LATER = [f"2999-01-01T00:00:0{second}Z" for second in range(10)]
COLUMNS = (
    "id,communicationId,status,priority,channel,recipientContact,subject,scheduledAt,startedAt,completedAt,attempts,"
    "maxAttempts,lastError,createdAt,updatedAt"
)


@pytest.fixture
def shop(stack: RestStack) -> Iterator[Shop]:
    opened = Shop.of(stack)
    yield opened
    opened.close()


def ids(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["id"] for job in jobs]


def walk(shop: Shop, path: str) -> list[list[dict[str, Any]]]:
    """Every page, from link to link."""
    pages = []
    link: str | None = f"{shop.path}/communication-queue{path}"
    while link:
        got = shop.queue("GET", link.removeprefix(f"{shop.path}/communication-queue"))
        assert got.status_code == 200, got.text
        pages.append(got.json())
        link = next_link(got)
    return pages


def submit_many(stack: RestStack, shop: Shop, count: int) -> None:
    """As an internal caller does, a hundred a call."""
    message = pb.NewMessage(channel=pb.CHANNEL_SMS, recipient_contact="1", body="Hi", scheduled_at=at(LATER[0]))
    endpoints = stack.stack.endpoints
    with Calls(endpoints.queue, endpoints.producer_token) as calls:
        while count > 0:
            part = [message] * min(count, 100)
            calls.communications.SubmitMessages(pb.SubmitMessagesRequest(business_id=shop.id, messages=part))
            count -= len(part)


def test_pending_jobs_come_in_processing_order_ten_unless_told_otherwise(shop: Shop) -> None:
    sent = [
        shop.submit(priority=priority, scheduledAt=LATER[second])["id"]
        for priority in ("low", "high", "normal")
        for second in (3, 1, 1, 2)
    ]
    order = [sent[place] for base in (4, 8, 0) for place in (base + 1, base + 2, base + 3, base)]
    assert ids(shop.read("/pending")) == order[:10]
    assert ids(shop.read("/pending?limit=1000")) == order
    assert ids(shop.read("/pending?limit=3")) == order[:3]
    assert ids(shop.read("/pending?limit=999999999999999999999")) == order
    assert shop.read("/failed") == []


def test_failed_jobs_come_newest_failure_first(shop: Shop) -> None:
    failed = [shop.failed(f"Twilio API error: {number}") for number in range(3)]
    jobs = shop.read("/failed")
    assert ids(jobs) == failed[::-1]
    assert [job["lastError"] for job in jobs] == [f"Twilio API error: {number}" for number in (2, 1, 0)]
    assert ids(shop.read("/failed?limit=1")) == failed[-1:]


def test_a_walk_along_the_links_visits_every_job_once_though_others_come_and_go(shop: Shop) -> None:
    sent = {shop.submit(priority=("low", "high")[n % 2], scheduledAt=LATER[n % 3])["id"] for n in range(11)}
    pages = walk(shop, "/pending?limit=4")
    assert [len(page) for page in pages] == [4, 4, 3]
    assert ids([job for page in pages for job in page]) == ids(shop.read("/pending?limit=1000"))
    first = shop.queue("GET", "/pending?limit=4&priority=high")
    link = next_link(first)
    assert link
    assert "priority=high" in link
    gone = shop.read("/pending?limit=1000&priority=high")[-1]["id"]
    shop.queue("DELETE", f"/{gone}")
    shop.submit(priority="high", scheduledAt="2998-01-01T00:00:00Z")
    rest = shop.queue("GET", link.removeprefix(f"{shop.path}/communication-queue")).json()
    seen = ids(first.json() + rest)
    assert len(seen) == len(set(seen)) == 4
    assert set(seen) < sent


def test_a_failed_list_is_walked_too(shop: Shop) -> None:
    failed = [shop.failed() for _ in range(5)]
    pages = walk(shop, "/failed?limit=2")
    assert [ids(page) for page in pages] == [[failed[4], failed[3]], [failed[2], failed[1]], [failed[0]]]


@pytest.mark.parametrize("cursor", ["abc", "AAAA", "%00", "'; DROP TABLE jobs;--", "x" * 3000, "AQ=="])
def test_a_cursor_that_no_list_returned_is_refused(shop: Shop, cursor: str) -> None:
    for path in ("/pending", "/failed"):
        got = shop.queue("GET", f"{path}?cursor={cursor}")
        assert (got.status_code, got.json()) == (400, envelope(400, "cursor must be one that a list returned"))


def test_a_cursor_of_one_list_is_none_of_the_other(shop: Shop) -> None:
    for _ in range(2):
        shop.submit(scheduledAt=LATER[0])
    link = next_link(shop.queue("GET", "/pending?limit=1"))
    assert link
    assert shop.queue("GET", f"/failed?{link.partition('?')[2]}").status_code == 400


def test_filters_narrow_a_list(shop: Shop) -> None:
    mail = shop.submit(
        priority="high", recipientContact="Zoë@example.com", subject="50 % off_now", scheduledAt=LATER[1]
    )
    text = shop.submit(
        channel="sms",
        recipientContact="+49170",
        subject=None,
        body="Mañana",
        scheduledAt=LATER[2],
        communicationId="Order-17",
    )
    for query, found in {
        "": [mail, text],
        "status=pending": [mail, text],
        "status=failed,pending": [mail, text],
        "status=failed": [],
        "priority=high": [mail],
        "channel=sms": [text],
        "channel=sms&priority=high": [],
        f"from={LATER[2]}": [text],
        f"to={LATER[2]}": [mail],
        "from=2999-01-01T01:00:02+01:00": [text],
        "q=ZOË": [mail],
        "q=mañana": [text],
        f"q={quote('%')}": [mail],
        "q=f_n": [mail],
        "q=f.n": [],
        "q=order-17": [text],
        "q=nothing": [],
        "unknown=1": [mail, text],
    }.items():
        assert ids(shop.read(f"/pending?{query}")) == ids(found), query


def test_the_export_has_one_row_for_each_job_of_every_status(shop: Shop) -> None:
    made = [
        shop.completed(),
        shop.failed('=HYPERLINK("http://evil.example")', recipientContact="=1+1@x", subject='a,"b"\r\nc'),
        shop.cancelled(channel="sms", recipientContact="+49170", subject=None),
        shop.processing(),
        shop.failed(),
    ]
    shop.queue("POST", f"/{made[-1]}/retry")
    got = shop.queue("GET", "/export.csv/")
    assert (got.status_code, got.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.text.startswith(f"{COLUMNS}\r\n")
    rows = list(csv.DictReader(io.StringIO(got.text, newline="")))
    assert len(rows) == 5
    by_id = {row["id"]: row for row in rows}
    assert [by_id[id]["status"] for id in made] == ["completed", "failed", "cancelled", "processing", "pending"]
    evil = by_id[made[1]]
    assert evil["lastError"] == '\'=HYPERLINK("http://evil.example")'
    assert (evil["recipientContact"], evil["subject"]) == ("'=1+1@x", 'a,"b"\r\nc')
    assert (by_id[made[2]]["recipientContact"], by_id[made[2]]["subject"]) == ("'+49170", "")
    for id, row in by_id.items():
        job = shop.job(id)
        plain = {key: str(value) for key, value in job.items() if key not in ("payload", "lastError")}
        assert plain.items() <= row.items()
    cells = [cell for row in csv.reader(io.StringIO(got.text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_export_takes_the_filters_of_the_lists(shop: Shop) -> None:
    failed, cancelled, _ = shop.failed(), shop.cancelled(channel="sms"), shop.completed()
    for query, found in (
        ("status=failed", [failed]),
        ("status=failed,cancelled", [failed, cancelled]),
        ("channel=sms", [cancelled]),
        ("q=timeout", [failed]),
        ("from=2999-01-01T00:00:00Z", []),
    ):
        got = shop.queue("GET", f"/export.csv?{query}")
        assert [row["id"] for row in csv.DictReader(io.StringIO(got.text))] == found


def test_a_large_export_has_every_job_once(shop: Shop, stack: RestStack) -> None:
    shop.submit(scheduledAt=LATER[0])
    submit_many(stack, shop, 2000)
    got = shop.queue("GET", "/export.csv")
    rows = [row["id"] for row in csv.DictReader(io.StringIO(got.text))]
    assert len(rows) == len(set(rows)) == 2001 == shop.read("/stats")["total"]
    pages = walk(shop, "/pending?limit=1000")
    assert [len(page) for page in pages] == [1000, 1000, 1]
    assert sorted(ids([job for page in pages for job in page])) == sorted(rows)


def test_a_bulk_retry_tells_what_it_would_do_and_does_that(shop: Shop) -> None:
    timeouts = [shop.failed("Connection timeout") for _ in range(2)]
    refused = shop.failed("Twilio API error: 21211", channel="sms", recipientContact="1", subject=None)
    dry = shop.queue("POST", "/retry-failed", json={"error": "TIMEOUT", "dryRun": True})
    assert (dry.status_code, list(dry.json())) == (200, ["success", "dryRun", "count", "sample"])
    failed = shop.read("/failed")
    assert dry.json() == {"success": True, "dryRun": True, "count": 2, "sample": failed[1:]}
    assert ids(failed[1:]) == timeouts[::-1]
    wrong = shop.queue("POST", "/retry-failed", json={"error": "timeout", "expectedCount": 5})
    assert wrong.status_code == 409
    assert wrong.text == '{"statusCode":409,"message":"expectedCount is 5, but 2 jobs match","error":"Conflict"}'
    assert shop.read("/failed") == failed
    done = shop.queue("POST", "/retry-failed", json={"error": "timeout", "expectedCount": 2}).json()
    assert (done["success"], done["dryRun"], done["count"]) == (True, False, 2)
    assert {job["status"] for job in done["sample"]} == {"pending"}
    assert ids(shop.read("/failed")) == [refused]
    assert sorted(ids(shop.read("/pending"))) == sorted(timeouts)
    assert shop.queue("POST", "/retry-failed", json={"channel": "email"}).json()["count"] == 0
    assert shop.queue("POST", "/retry-failed", json={"before": "2020-01-01T00:00:00Z"}).json()["count"] == 0
    assert shop.queue("POST", "/retry-failed").json()["count"] == 1
    assert shop.read("/failed") == []
