"""What a database queue refuses before anything is sent, and how it words what it sends."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from jobline.database_queue import arguments

PAYLOAD = {"projectId": "p-1"}
TWO_RECORDS = {"projectId": "p-1", "records": [{"id": "1"}, "two"], "type": "FEEDBACK"}


def new_job(job_type: Any = "VECTORIZE", payload: Any = PAYLOAD, **changes: Any) -> arguments.NewQueueJob:
    terms = {"priority": 0, "max_attempts": 3, "scheduled_for": None, **changes}
    return arguments.new_queue_job(job_type, payload, **terms)


def test_the_records_of_a_payload_go_beside_it():
    new = new_job("INGEST_DATA", TWO_RECORDS)
    assert new.records == [{"id": "1"}, "two"]
    assert new.job.payload == {"projectId": "p-1", "type": "FEEDBACK"}
    assert (new.job.queue, new.job.kind, new.job.owner) == ("ingestion", "INGEST_DATA", "project:p-1")
    assert new.job.concurrency_key == ""


def test_jobs_that_embed_a_project_share_its_key():
    new = new_job()
    assert (new.job.queue, new.job.owner, new.job.concurrency_key) == ("vectorization", "project:p-1", "p-1")
    assert new.records is None


@pytest.mark.parametrize("priority", [-(2**31), 0, 2**31 - 1])
def test_every_32_bit_integer_is_a_priority(priority: int):
    assert new_job(priority=priority).job.priority == priority


@pytest.mark.parametrize("priority", [-(2**31) - 1, 2**31, 1.5, True, "1", None])
def test_anything_else_is_no_priority(priority: Any):
    with pytest.raises(ValueError, match="priority: expected a whole number from -2147483648 to 2147483647"):
        new_job(priority=priority)


@pytest.mark.parametrize("attempts", [1, 100])
def test_up_to_a_hundred_attempts_may_be_asked_for(attempts: int):
    assert new_job(max_attempts=attempts).job.max_attempts == attempts


@pytest.mark.parametrize("attempts", [0, 101, -1, 2.0])
def test_other_numbers_of_attempts_are_refused(attempts: Any):
    with pytest.raises(ValueError, match="max_attempts: expected a whole number from 1 to 100"):
        new_job(max_attempts=attempts)


@pytest.mark.parametrize("job_type", ["ingest_data", "", "generate_email"])
def test_there_are_two_job_types(job_type: str):
    with pytest.raises(ValueError, match="job_type: expected INGEST_DATA or VECTORIZE, got"):
        new_job(job_type)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"projectId": "p"}, r"payload\.records"),
        ({"projectId": "p", "records": []}, r"payload\.records"),
        ({"projectId": "p", "records": "text"}, r"payload\.records"),
        ({"projectId": "p", "records": {"id": 1}}, r"payload\.records"),
    ],
)
def test_an_ingest_payload_needs_records(payload: Any, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        new_job("INGEST_DATA", payload)


def test_a_payload_that_is_no_object_is_refused():
    with pytest.raises(TypeError, match="payload: expected an object, got list"):
        new_job(payload=["p-1"])


def test_a_time_without_a_zone_could_mean_two_hours():
    with pytest.raises(ValueError, match="scheduled_for: expected a time with a time zone"):
        new_job(scheduled_for=datetime(2026, 2, 6, 10, 0))  # noqa: DTZ001 - that is the point
    later = datetime(2026, 2, 6, 10, 0, tzinfo=UTC)
    assert new_job(scheduled_for=later).job.run_at == later


def test_one_type_may_be_named_without_a_list():
    assert arguments.checked_types("VECTORIZE") == ("VECTORIZE",)
    assert set(arguments.checked_types({"VECTORIZE", "INGEST_DATA"})) == {"INGEST_DATA", "VECTORIZE"}
    for nothing in ((), "", ["INGEST_DATA", "OTHER"]):
        with pytest.raises(ValueError, match="types: expected INGEST_DATA or VECTORIZE, got"):
            arguments.checked_types(nothing)


@pytest.mark.parametrize("wait", [-1, math.nan])
def test_a_wait_is_a_number_of_seconds(wait: float):
    assert arguments.checked_wait(math.inf) == math.inf
    with pytest.raises(ValueError, match="wait: expected a number of seconds"):
        arguments.checked_wait(wait)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such column"), "no such column"),
        (ValueError(), "ValueError"),
        ("told in words", "told in words"),
        ("half a \ud83d sign", "half a ? sign"),
        ("", "unknown error"),
    ],
)
def test_of_an_error_the_message_is_kept(error: BaseException | str, text: str):
    assert arguments.error_text(error) == text


def test_a_retention_is_told_in_seconds():
    assert arguments.retention(7).ToSeconds() == 7 * 86_400
    assert arguments.retention(0.5).ToSeconds() == 43_200
    for days in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="older_than_days"):
            arguments.retention(days)
