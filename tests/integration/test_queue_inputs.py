"""Jobs with an input: stored whole or not at all, read in order under the lease, gone with their job."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import uuid_utils

from jobline.v1 import job_pb2, job_service_pb2_grpc
from jobline.v1 import job_service_pb2 as pb
from jobline.v1 import work_service_pb2 as work_pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest, execute

CHUNK = 512 * 1024


def messages(*chunks: Any, job: pb.NewJob, request_id: str = "") -> Iterator[pb.EnqueueJobWithInputRequest]:
    """A call's messages. A chunk is its text, or a list of its values."""
    first = pb.JobWithInput(job=job, request_id=request_id)
    yield pb.EnqueueJobWithInputRequest(job=first)
    for chunk in chunks:
        text = chunk if isinstance(chunk, str) else json.dumps(chunk)
        yield pb.EnqueueJobWithInputRequest(chunk=job_pb2.InputChunk(items_json=text))


def enqueue(calls: Calls, *chunks: Any, **fields: Any) -> pb.EnqueueJobWithInputResponse:
    answer: pb.EnqueueJobWithInputResponse = calls.jobs.EnqueueJobWithInput(messages(*chunks, **fields))
    return answer


def refusal_of(calls: Calls, reason: str, requests: Iterator[pb.EnqueueJobWithInputRequest]) -> Refusal:
    with refused(reason) as seen:
        calls.jobs.EnqueueJobWithInput(requests)
    return seen[0]


def read(calls: Calls, run: work_pb.Assignment, first_item: int = 0) -> list[work_pb.ReadJobInputResponse]:
    request = work_pb.ReadJobInputRequest(job_id=run.job_id, lease_token=run.lease_token, first_item=first_item)
    return list(calls.work.ReadJobInput(request))


def values(answers: Sequence[work_pb.ReadJobInputResponse]) -> list[Any]:
    return [value for answer in answers for value in json.loads(answer.chunk.items_json)]


def parts(service: QueueServiceUnderTest, job_id: str) -> list[tuple[Any, ...]]:
    sql = "SELECT part, first_item, items, staged_at FROM jobline.job_inputs WHERE job_id = %s ORDER BY part"
    return execute(service.database_url, sql, job_id)


def staged(service: QueueServiceUnderTest) -> int:
    """How many parts wait for their job; those of jobs that are gone wait for the sweep."""
    sql = "SELECT count(*) FROM jobline.job_inputs WHERE staged_at > '-infinity'"
    return int(execute(service.database_url, sql)[0][0])


def large(count: int, size: int = 200_000) -> list[list[Any]]:
    """Chunks of one value each, every one another."""
    return [[f"{number}-{'x' * size}"] for number in range(count)]


def test_the_run_reads_what_was_sent_value_for_value(calls: Calls, queue: str):
    sent = [[{"id": 1, "ü": ["😀", None, 1.5]}, "text"], [[], {}], ' [ 12345678901234567 , "\\u00e9" ] ', large(3)[2]]
    stored = enqueue(calls, *sent, job=new_job(queue, {"beside": True}))
    assert (stored.items, stored.job.deduplicated) == (7, False)
    assert calls.job(stored.job.id).input_items == 7
    (listed,) = calls.list_jobs(queue)
    assert listed.input_items == 7
    run = calls.claim_one(queue)
    assert json.loads(run.payload_json) == {"beside": True}
    answers = read(calls, run)
    expected = [value for chunk in sent for value in (json.loads(chunk) if isinstance(chunk, str) else chunk)]
    assert values(answers) == expected
    assert {answer.total_items for answer in answers} == {7}


def test_chunks_are_packed_and_numbered_without_a_gap(calls: Calls, service: QueueServiceUnderTest, queue: str):
    sent = large(7)
    stored = enqueue(calls, *sent, job=new_job(queue))
    assert parts(service, stored.job.id) == [(0, 0, 2, None), (1, 2, 2, None), (2, 4, 2, None), (3, 6, 1, None)]
    run = calls.claim_one(queue)
    for first in range(7):
        answers = read(calls, run, first)
        assert [answer.first_item for answer in answers] == [start for start in (0, 2, 4, 6) if start + 1 >= first]
        assert values(answers) == [value for (value,) in sent[answers[0].first_item :]]
    assert read(calls, run, 7) == read(calls, run, 10**15) == []


def test_a_job_without_input_has_none_to_read(calls: Calls, queue: str):
    calls.enqueue(new_job(queue))
    run = calls.claim_one(queue)
    assert calls.job(run.job_id).input_items == 0
    assert read(calls, run) == []


@pytest.mark.parametrize(
    ("chunk", "reason", "field"),
    [
        ("", "INVALID_FIELD", "chunks[1]"),
        ("[1", "INVALID_FIELD", "chunks[1]"),
        ("{}", "INVALID_FIELD", "chunks[1]"),
        ("[]", "INVALID_FIELD", "chunks[1]"),
        ('["\\u0000"]', "INVALID_FIELD", "chunks[1]"),
        ("[" * 66 + "]" * 66, "INVALID_FIELD", "chunks[1]"),
        ("[1e999]", "INVALID_FIELD", "chunks[1]"),
        (f'["{"x" * CHUNK}"]', "TOO_LARGE", ""),
    ],
    ids=["empty", "broken", "an object", "no value", "NUL", "deep", "a large number", "too large"],
)
def test_a_bad_chunk_is_named_and_nothing_is_stored(
    calls: Calls, service: QueueServiceUnderTest, queue: str, chunk: str, reason: str, field: str
):
    refusal = refusal_of(calls, reason, messages([1], chunk, [2], job=new_job(queue)))
    assert refusal.fields == ((field,) if field else ())
    assert refusal.message.startswith("chunks[1]:")
    assert not calls.list_jobs(queue)
    eventually_blocking(lambda: staged(service) == 0, what="what was staged is gone")


def test_a_call_has_one_job_first_and_then_chunks(calls: Calls, queue: str):
    job, chunk = messages([1], job=new_job(queue))
    nothing = pb.EnqueueJobWithInputRequest()
    for requests, field in [
        ([], "job"),
        ([chunk], "job"),
        ([nothing], "job"),
        ([job], "chunks"),
        ([job, job], "chunks[0]"),
        ([job, chunk, nothing], "chunks[1]"),
    ]:
        assert refusal_of(calls, "INVALID_FIELD", iter(requests)).fields == (field,)
    assert refusal_of(calls, "INVALID_FIELD", messages([1], job=new_job("Bad"))).fields == ("job.queue",)
    assert refusal_of(calls, "INVALID_FIELD", messages([1], job=new_job(queue), request_id="x")).fields == (
        "request_id",
    )
    assert refusal_of(calls, "TOO_LARGE", messages([1], job=new_job(queue, "x" * 2**20))).fields == ()


def test_a_call_that_is_repeated_finds_its_job_however_it_is_cut(
    calls: Calls, service: QueueServiceUnderTest, queue: str
):
    request_id = str(uuid_utils.uuid7())
    first = enqueue(calls, [1, {"b": 1, "a": "é"}], [3], job=new_job(queue), request_id=request_id)
    again = enqueue(calls, [1], '[{"a":"\\u00e9", "b":1},3]', job=new_job(queue), request_id=request_id)
    assert (again.job.id, again.job.deduplicated, again.items) == (first.job.id, True, 3)
    assert parts(service, first.job.id) == [(0, 0, 3, None)]
    other = enqueue(calls, [1, 2], job=new_job(queue), request_id=request_id)
    assert not other.job.deduplicated
    assert other.job.id != first.job.id
    assert staged(service) == 0


def test_calls_that_are_repeated_at_once_store_one_job(calls: Calls, service: QueueServiceUnderTest, queue: str):
    request_id = str(uuid_utils.uuid7())
    together = threading.Barrier(4)
    answers: list[pb.EnqueueJobWithInputResponse] = []

    def call() -> None:
        def slowly() -> Iterator[pb.EnqueueJobWithInputRequest]:
            for message in messages(*large(4), job=new_job(queue), request_id=request_id):
                together.wait(20)
                yield message

        answers.append(calls.jobs.EnqueueJobWithInput(slowly()))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.job.id for answer in answers}) == 1
    assert sorted(answer.job.deduplicated for answer in answers) == [False, True, True, True]
    assert values(read(calls, calls.claim_one(queue))) == [value for (value,) in large(4)]
    assert staged(service) == 0


def test_an_idempotency_key_stands_for_the_input_too(calls: Calls, queue: str):
    def job() -> pb.NewJob:
        return new_job(queue, idempotency_key="once")

    first = enqueue(calls, [1, 2], job=job())
    again = enqueue(calls, [1], [2], job=job())
    assert (again.job.id, again.job.deduplicated) == (first.job.id, True)
    refusal = refusal_of(calls, "IDEMPOTENCY_CONFLICT", messages([1, 3], job=job()))
    assert refusal.message.startswith("job.idempotency_key:")
    with refused("IDEMPOTENCY_CONFLICT"):
        calls.enqueue(job())


def test_a_call_that_breaks_off_leaves_nothing(calls: Calls, service: QueueServiceUnderTest, queue: str):
    goes_on = threading.Event()

    def breaks() -> Iterator[pb.EnqueueJobWithInputRequest]:
        yield from messages(*large(5), job=new_job(queue))
        goes_on.wait(30)

    stub = job_service_pb2_grpc.JobServiceStub(calls.channel)
    call = stub.EnqueueJobWithInput.future(breaks(), metadata=tuple(calls.metadata))
    eventually_blocking(lambda: staged(service) == 2, what="parts are staged")
    call.cancel()
    goes_on.set()
    eventually_blocking(lambda: staged(service) == 0, what="what was staged is gone")
    assert not calls.list_jobs(queue)


def test_a_stale_lease_reads_nothing_more(calls: Calls, queue: str):
    enqueue(calls, *large(60), job=new_job(queue))
    run = calls.claim_one(queue)
    request = work_pb.ReadJobInputRequest(job_id=run.job_id, lease_token=run.lease_token)
    answers = calls.work.ReadJobInput(request)
    next(answers)
    calls.release(run)
    with refused("STALE_LEASE"):
        list(answers)
    for token in (run.lease_token, str(uuid.uuid4())):
        with refused("STALE_LEASE"):
            read(calls, work_pb.Assignment(job_id=run.job_id, lease_token=token))
    with refused("INVALID_FIELD") as seen:
        read(calls, run, -1)
    assert seen[0].fields == ("first_item",)


def test_a_retry_finds_the_input_and_a_deleted_job_takes_it_along(
    calls: Calls, service: QueueServiceUnderTest, queue: str
):
    stored = enqueue(calls, *large(3), job=new_job(queue))
    run = calls.claim_one(queue)
    calls.fail(run, retryable=False)
    calls.await_state(run.job_id, "failed")
    calls.retry(run.job_id)
    again = calls.claim_one(queue)
    assert values(read(calls, again)) == [value for (value,) in large(3)]
    calls.complete(again)
    assert len(parts(service, stored.job.id)) == 2
    calls.delete(stored.job.id)
    assert parts(service, stored.job.id) == []
