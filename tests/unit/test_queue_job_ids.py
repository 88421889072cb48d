"""The id of a job: a UUID version 7 that the same call made again gets again."""

import uuid

import pytest

from jobline_queue.core.errors import InvalidField
from jobline_queue.core.new_job import NewJob, job_ids, request_time

REQUEST = "01a2013f-fc9b-75d8-97e1-7e0a48d15691"
JOB = NewJob("queue", "kind", payload='{"a":1}')


def id_of(principal: str = "p", request: str = REQUEST, job: NewJob = JOB) -> str:
    return job_ids(principal, request, [job])[0]


def test_an_id_is_a_version_7_uuid_of_the_requests_time():
    for text in job_ids("p", REQUEST, [JOB] * 1000):
        made = uuid.UUID(text)
        assert str(made) == text
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert made.int >> 80 == uuid.UUID(REQUEST).int >> 80


def test_the_same_call_gets_the_same_ids():
    assert job_ids("p", REQUEST, [JOB] * 5) == job_ids("p", REQUEST, [JOB] * 5)


def test_ids_of_one_call_differ_and_sort_in_its_order():
    ids = job_ids("p", REQUEST, [JOB] * 1000)
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)


def test_no_caller_can_aim_at_the_ids_of_another():
    assert id_of("alice") != id_of("bob")


@pytest.mark.parametrize(
    "other",
    [
        NewJob("queue", "kind", payload='{"a":2}'),
        NewJob("queue", "other", payload='{"a":1}'),
        NewJob("other", "kind", payload='{"a":1}'),
        NewJob("queue", "kind", owner="user:a", payload='{"a":1}'),
    ],
)
def test_a_request_id_used_again_by_mistake_gives_other_jobs_other_ids(other: NewJob):
    assert id_of() != id_of(job=other)
    assert not set(job_ids("p", REQUEST, [JOB, JOB])) & set(job_ids("p", REQUEST, [JOB, other]))


def test_the_input_is_part_of_the_id_and_of_what_an_idempotency_key_stands_for():
    digests = ("", "0" * 64, "1" * 64)
    assert len({job_ids("p", REQUEST, [JOB], digest)[0] for digest in digests}) == 3
    assert len({JOB.content_hash(digest) for digest in digests}) == 3
    assert JOB.content_hash() == JOB.content_hash("")


@pytest.mark.parametrize("text", ["", "x", "6f2b1a8e-3c4d-4e5f-8a9b-0c1d2e3f4a5b", REQUEST + "0", "0" * 36])
def test_anything_but_a_version_7_uuid_is_refused(text: str):
    with pytest.raises(InvalidField, match="request_id"):
        request_time(text)


@pytest.mark.parametrize(
    ("field", "job"),
    [
        ("queue", NewJob("Queue", "kind")),
        ("queue", NewJob("", "kind")),
        ("queue", NewJob("q" * 65, "kind")),
        ("kind", NewJob("queue", "a kind")),
        ("kind", NewJob("queue", "")),
        ("owner", NewJob("queue", "kind", owner="o" * 265)),
        ("owner", NewJob("queue", "kind", owner="a\0b")),
        ("concurrency_key", NewJob("queue", "kind", concurrency_key="k" * 256)),
        ("idempotency_key", NewJob("queue", "kind", idempotency_key="k" * 256)),
        ("correlation_id", NewJob("queue", "kind", correlation_id="k" * 129)),
        ("priority", NewJob("queue", "kind", priority=2**31)),
        ("priority", NewJob("queue", "kind", priority=-(2**31) - 1)),
        ("max_attempts", NewJob("queue", "kind", max_attempts=101)),
        ("max_attempts", NewJob("queue", "kind", max_attempts=-1)),
        ("labels", NewJob("queue", "kind", labels={str(n): "" for n in range(17)})),
        ("labels", NewJob("queue", "kind", labels={"": "x"})),
        ("labels", NewJob("queue", "kind", labels={"k" * 65: "x"})),
        ("labels[a]", NewJob("queue", "kind", labels={"a": "x" * 256})),
        ("payload_json", NewJob("queue", "kind", payload="{")),
    ],
)
def test_a_bad_field_is_named_with_its_path(field: str, job: NewJob):
    with pytest.raises(InvalidField) as refusal:
        job.check("jobs[7].")
    assert refusal.value.problems[0].field == f"jobs[7].{field}"
