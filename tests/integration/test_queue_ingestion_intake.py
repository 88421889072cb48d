"""The ways into the database queue: ingest calls, and jobs as programs enqueue them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.ingestion_house import INGEST, VECTORIZE, IngestionHouse, house_of, part, record
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest

RECORDS = [record(1), "a record that is a string", record(3, rating=4.5)]


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def test_the_same_ingest_call_made_again_stores_nothing_new(house: IngestionHouse):
    request_id = "018f3e5c-0000-7000-8000-" + uuid.uuid4().hex[:12]
    jobs = {house.start(RECORDS, request_id=request_id).id for _ in range(2)}
    assert len(jobs) == 1
    assert len(house.jobs_of()) == 1
    assert house.start(RECORDS, request_id=request_id, type=pb.RECORD_TYPE_FEEDBACK).id not in jobs


@pytest.mark.parametrize("bad", [7, None, [1], True])
def test_a_value_that_is_no_record_is_named_by_its_number_in_the_call(house: IngestionHouse, bad: Any):
    with refused("INVALID_FIELD") as refusals:
        house.send([part(*RECORDS), part(record(4), bad)])
    assert refusals[0].fields == ("records[4]",)
    assert house.jobs_of() == []
    assert house.service.execute("SELECT FROM ingest_jobs WHERE project_id = %s", house.project) == []


def test_an_ingest_call_needs_records(house: IngestionHouse):
    with refused("INVALID_FIELD") as refusals:
        house.send([])
    assert refusals[0].fields == ("records",)


def test_an_ingest_call_begins_with_what_it_is_about(house: IngestionHouse):
    for messages in ([], [part("x")], [pb.StartIngestRequest()]):
        with refused("INVALID_FIELD") as refusals:
            house.send_raw(messages)
        assert refusals[0].fields == ("ingest",)
    twice = pb.StartIngestRequest(ingest=pb.Ingest(project_id=house.project))
    with refused("INVALID_FIELD") as refusals:
        house.send_raw([twice, part("x"), twice])
    assert refusals[0].fields == ("records",)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"project_id": ""}, "project_id"),
        ({"project_id": "p" * 256}, "project_id"),
        ({"type": 9}, "type"),
        ({"filter_keywords": ["ok", ""]}, "filter_keywords[1]"),
        ({"filter_keywords": ["k" * 256]}, "filter_keywords[0]"),
        ({"filter_keywords": ["k"] * 101}, "filter_keywords"),
        ({"filter_keywords": ["a\0b"]}, "filter_keywords[0]"),
        ({"source": "s" * 2049}, "source"),
        ({"source": "\0"}, "source"),
        ({"request_id": "mine"}, "request_id"),
    ],
)
def test_a_bad_field_of_an_ingest_call_is_named(house: IngestionHouse, fields: dict[str, Any], named: str):
    with refused("INVALID_FIELD") as refusals:
        house.start(RECORDS, **fields)
    assert refusals[0].fields == (named,)


def test_no_other_queue_takes_these_kinds(house: IngestionHouse):
    for kind in (INGEST, VECTORIZE):
        with refused("INVALID_FIELD") as refusals:
            house.enqueue(kind, queue="other")
        assert refusals[0].fields == ("jobs[0].queue",)


def test_a_library_job_may_name_a_project_that_has_no_row(house: IngestionHouse):
    job_id = house.enqueue_with(RECORDS, project="nobody-made-this", payload={"projectId": "nobody-made-this"})
    assert house.row(job_id)["status"] == "PENDING"


def test_an_ingest_job_that_is_named_again_tells_of_the_new_job(house: IngestionHouse):
    name = f"ingest-{uuid.uuid4()}"
    payload = {"projectId": house.project, "ingestJobId": name}
    house.enqueue_with(RECORDS, payload=payload, max_attempts=1)
    house.operator.fail(house.claim(), message="no luck")
    assert (house.status(name), house.ingest_job(name).error) == ("FAILED", "no luck")
    house.enqueue_with(RECORDS[:1], payload=payload)
    again = house.ingest_job(name)
    assert (house.status(name), again.error, again.total_records) == ("PENDING", "", 1)


def test_another_projects_ingest_job_cannot_be_taken_over(house: IngestionHouse):
    mine = house.start(RECORDS)
    other = house.new_project()
    house.enqueue(project=other, payload={"projectId": other, "ingestJobId": mine.id}, priority=5)
    house.operator.fail(house.claim(), message="theirs")
    assert house.status(mine.id) == "PENDING"
    assert house.ingest_job(mine.id).project_id == house.project
