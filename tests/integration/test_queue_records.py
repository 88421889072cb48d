"""What runs of the database queue store: records, each once, how far they are, and vectors."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.ingestion_house import DIMENSIONS, INGEST, VECTORIZE, IngestionHouse, Run, house_of, record
from support.queue_calls import RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest

STORED = "content, category, source, metadata, type, ingest_job_id, created_by_id, created_by_name, created_by_email"
UNIT = [1.0] + [0.0] * (DIMENSIONS - 1)


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def batch(run: Run, first: int, *carried: Sequence[str], mismatches: int = 0, **changed: Any) -> pb.SaveRecordsRequest:
    """A record for each list of the ids that one carries."""
    records = [pb.NewRecord(content=f"record {ids}", record_ids=ids, metadata_json="{}") for ids in carried]
    fields = {"first_item": first, "items": len(carried) + mismatches, "keyword_mismatches": mismatches, **changed}
    return pb.SaveRecordsRequest(job_id=run.job_id, lease_token=run.lease_token, records=records, **fields)


def save(house: IngestionHouse, request: pb.SaveRecordsRequest) -> tuple[int, int, int]:
    answer = house.operator.ingestion.SaveRecords(request)
    return answer.next_item, answer.saved, answer.skipped


def run_of(house: IngestionHouse, items: int, **fields: Any) -> Run:
    """The run of a new job with an input of so many values."""
    house.enqueue_with([record(number) for number in range(items)], **fields)
    return house.claim()


def stored(house: IngestionHouse, project: str = "") -> list[str]:
    """The contents of the project's records in the order in which they were stored."""
    query = "SELECT content FROM data_records WHERE project_id = %s ORDER BY seq"
    return [content for (content,) in house.service.execute(query, project or house.project)]


def embeddings(run: Run, **vectors: Sequence[float]) -> pb.StoreEmbeddingsRequest:
    """Record id → vector; an id's hyphens are written as underscores."""
    request = pb.StoreEmbeddingsRequest(job_id=run.job_id, lease_token=run.lease_token)
    for record_id, values in vectors.items():
        request.embeddings.add(record_id=record_id.replace("_", "-")).vector.values.extend(values)
    return request


def unembedded(house: IngestionHouse, run: Run, limit: int = 250) -> list[pb.UnembeddedRecord]:
    request = pb.ListUnembeddedRecordsRequest(job_id=run.job_id, lease_token=run.lease_token, limit=limit)
    return list(house.operator.ingestion.ListUnembeddedRecords(request).records)


# ---- records ------------------------------------------------------------------------------------------------------------


def test_a_record_is_stored_with_all_that_it_says(house: IngestionHouse):
    job = house.start([record(1)], type=pb.RECORD_TYPE_FEEDBACK, source="https://example.com/export")
    run = house.claim()
    request = batch(run, 0, ["r-1"])
    (sent,) = request.records
    sent.category, sent.metadata_json = "TOP_10", '{"id":"r-1","rating":null}'
    sent.created_by_id, sent.created_by_name, sent.created_by_email = "7", "Ada", "ada@example.com"
    sent.created_at.FromJsonString("2020-02-03T04:05:06.789Z")
    assert save(house, request) == (1, 1, 0)
    (row,) = house.service.execute(f"SELECT {STORED} FROM data_records WHERE project_id = %s", house.project)
    people = ("7", "Ada", "ada@example.com")
    metadata = {"id": "r-1", "rating": None}
    assert row == (sent.content, "TOP_10", "https://example.com/export", metadata, "FEEDBACK", job.id, *people)
    times = "SELECT created_at = timestamptz '2020-02-03T04:05:06.789Z', updated_at > now() - interval '1 minute'"
    assert house.service.execute(f"{times} FROM data_records WHERE project_id = %s", house.project) == [(True, True)]


def test_what_a_record_does_not_say_is_null_and_its_metadata_any_json(house: IngestionHouse):
    run = run_of(house, 2)
    request = batch(run, 0, [], [])
    request.records[0].metadata_json, request.records[1].metadata_json = "null", '"a text"'
    save(house, request)
    rows = house.service.execute(
        "SELECT category, source, ingest_job_id, created_by_id, created_by_name, created_by_email, CAST(metadata AS text)"
        " FROM data_records WHERE project_id = %s ORDER BY seq",
        house.project,
    )
    assert rows == [(*[None] * 6, "null"), (*[None] * 6, '"a text"')]


def test_the_place_the_progress_and_the_counts_go_with_the_records(house: IngestionHouse):
    job = house.start([record(number) for number in range(7)])
    run = house.claim()
    assert save(house, batch(run, 0, ["a"], ["b"], ["a"], mismatches=1)) == (4, 2, 2)
    assert save(house, batch(run, 4, ["c"], ["b"])) == (6, 3, 3)
    assert house.row(run.job_id)["progress"] == {"current": 6, "total": 7, "message": "Processing records..."}
    told = house.operator.job(run.job_id).progress
    assert (told.current, told.total, told.message) == (6, 7, "Processing records...")
    counted = house.ingest_job(job.id)
    assert (counted.saved_count, counted.skipped_count) == (3, 3)
    assert dict(counted.skipped_details) == {"Duplicate ID": 2, "Keyword Mismatch": 1}


def test_the_next_run_is_told_the_place_and_goes_on_behind_it(house: IngestionHouse):
    run = run_of(house, 3)
    save(house, batch(run, 0, ["a"], ["b"]))
    house.operator.release(run)
    again = house.claim()
    (step,) = again.finished_steps
    tally = {"done": 2, "saved": 2, "skipped": 0, "details": {}}
    assert (step.name, json.loads(step.output_json)) == ("records", tally)
    assert save(house, batch(again, 2, ["c"])) == (3, 3, 0)
    assert len(stored(house)) == 3


def test_a_repeated_call_stores_nothing_and_tells_the_place(house: IngestionHouse):
    run = run_of(house, 4)
    first = batch(run, 0, [], [])
    assert [save(house, first) for _ in range(2)] == [(2, 2, 0)] * 2
    assert save(house, batch(run, 1, [], [], [])) == (2, 2, 0), "some of it is done already"
    assert len(stored(house)) == 2


@pytest.mark.parametrize(
    ("carried", "kept"),
    [
        ([["a"], ["a"]], [0]),
        ([["a", "b"], ["b"]], [0]),
        ([["b"], ["a", "b"]], [0, 1]),
        ([["a"], ["a", "b"], ["b"]], [0, 2]),
        ([["a", "b"], ["c", "b"], ["c"]], [0, 1]),
        ([[], []], [0, 1]),
        ([["1"], ["01"], ["1 "], ["1"]], [0, 1, 2]),
        ([["x" * 100_000], ["x" * 100_000], ["x" * 99_999]], [0, 2]),
    ],
    ids=["same", "another key", "not its own", "of a duplicate", "its own alone", "none", "as text", "long"],
)
@pytest.mark.parametrize("size", [1, 100], ids=["one by one", "at once"])
def test_a_record_is_a_duplicate_by_its_own_id_under_any_key(
    house: IngestionHouse, carried: list[list[str]], kept: list[int], size: int
):
    run = run_of(house, len(carried))
    for at in range(0, len(carried), size):
        answer = save(house, batch(run, at, *carried[at : at + size]))
    assert answer == (len(carried), len(kept), len(carried) - len(kept))
    assert stored(house) == [f"record {carried[index]}" for index in kept]


def test_another_project_or_type_has_ids_of_its_own(house: IngestionHouse):
    other = house.new_project()
    fields = [{}, {"project": other}, {"payload": {"projectId": house.project, "type": "FEEDBACK"}}]
    for each in fields:
        assert save(house, batch(run_of(house, 1, **each), 0, ["a"])) == (1, 1, 0)
    assert save(house, batch(run_of(house, 1), 0, ["a"])) == (1, 0, 1)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"first_item": 1}, "first_item"),
        ({"first_item": -1}, "first_item"),
        ({"items": 0}, "items"),
        ({"items": 101}, "items"),
        ({"items": 2}, "items"),
        ({"keyword_mismatches": -1}, "items"),
        ({"items": 4, "keyword_mismatches": 3}, "items"),
    ],
    ids=["behind the place", "negative", "nothing", "too many", "more than sent", "less than sent", "beyond the input"],
)
def test_a_batch_that_does_not_fit_is_refused(house: IngestionHouse, changed: dict[str, int], field: str):
    run = run_of(house, 3)
    request = batch(run, 0, ["a"])
    for name, value in changed.items():
        setattr(request, name, value)
    with refused("INVALID_FIELD") as refusals:
        save(house, request)
    assert refusals[0].fields == (field,)
    assert stored(house) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": "a\0b"}, "content"),
        ({"category": "BEST"}, "category"),
        ({"record_ids": [""]}, "record_ids"),
        ({"metadata_json": ""}, "metadata_json"),
        ({"metadata_json": '"\\u0000"'}, "metadata_json"),
        ({"created_by_name": "a\0"}, "created_by_name"),
        ({"created_at": {"seconds": 10**12}}, "created_at"),
    ],
    ids=["no content", "NUL", "category", "empty id", "no metadata", "NUL in metadata", "NUL in a name", "time"],
)
def test_a_bad_record_is_named_and_nothing_of_its_batch_stored(
    house: IngestionHouse, changed: dict[str, Any], field: str
):
    request = batch(run_of(house, 2), 0, ["a"])
    request.items = 2
    fields = {"content": "good", "metadata_json": "{}", **changed}
    request.records.append(pb.NewRecord(**fields))
    with refused("INVALID_FIELD") as refusals:
        save(house, request)
    assert refusals[0].fields == (f"records[1].{field}",)
    assert stored(house) == []


def test_only_runs_of_the_right_kind_store(house: IngestionHouse, queue: str):
    house.operator.enqueue(new_job(queue))
    stranger = house.operator.claim_one(queue)
    house.enqueue(VECTORIZE)
    for run in (stranger, house.claim(VECTORIZE)):
        with refused("INVALID_FIELD") as refusals:
            save(house, batch(run, 0, ["a"]))
        assert refusals[0].fields == ("job_id",)
    for act in (lambda: unembedded(house, stranger), lambda: _store(house, stranger, uuid.uuid4())):
        with refused("INVALID_FIELD"):
            act()
    house.operator.complete(stranger)


# ---- vectors ------------------------------------------------------------------------------------------------------------


def _store(house: IngestionHouse, run: Run, *ids: Any, vector: Sequence[float] = UNIT) -> int:
    request = embeddings(run, **{str(each): vector for each in ids})
    return int(house.operator.ingestion.StoreEmbeddings(request).stored)


def test_records_wait_for_their_vectors_in_the_order_in_which_they_were_stored(house: IngestionHouse):
    run = run_of(house, 5)
    save(house, batch(run, 0, *[[str(number)] for number in range(5)]))
    found = unembedded(house, run)
    assert [each.content for each in found] == stored(house)
    assert [each.id for each in unembedded(house, run, 2)] == [each.id for each in found[:2]]
    assert _store(house, run, found[1].id, found[3].id) == 2
    assert [each.id for each in unembedded(house, run)] == [found[index].id for index in (0, 2, 4)]


def test_a_vector_is_stored_once_and_only_for_a_record_of_the_project(house: IngestionHouse):
    run, other = run_of(house, 1), run_of(house, 1, project=house.new_project())
    for each in (run, other):
        save(house, batch(each, 0, ["a"]))
    (mine,), (foreign,) = unembedded(house, run), unembedded(house, other)
    assert _store(house, run, mine.id, foreign.id, uuid.uuid4()) == 1
    assert _store(house, run, mine.id, vector=[0.0, *UNIT[:-1]]) == 0
    kept = "SELECT vector_dims(embedding), embedding = CAST(%s AS vector) FROM data_records WHERE id = %s"
    assert house.service.execute(kept, json.dumps(UNIT), mine.id) == [(DIMENSIONS, True)]
    assert [each.id for each in unembedded(house, other)] == [foreign.id]


@pytest.mark.parametrize(
    "vector",
    [
        UNIT[:-1],
        [*UNIT, 0.0],
        [],
        [math.nan, *UNIT[1:]],
        [math.inf, *UNIT[1:]],
        [0.0] * DIMENSIONS,
        [1e30] * DIMENSIONS,
    ],
    ids=["short", "long", "empty", "not a number", "infinite", "zero", "huge"],
)
def test_what_is_no_vector_of_the_columns_length_is_refused(house: IngestionHouse, vector: list[float]):
    run = run_of(house, 1)
    save(house, batch(run, 0, ["a"]))
    (waiting,) = unembedded(house, run)
    with refused("INVALID_FIELD") as refusals:
        _store(house, run, waiting.id, vector=vector)
    assert refusals[0].fields == ("embeddings[0].vector",)
    if len(vector) != DIMENSIONS:
        assert f"expected {DIMENSIONS} numbers, got {len(vector)}" in refusals[0].message
    assert len(unembedded(house, run)) == 1


def test_bad_numbers_of_records_and_ids_are_refused(house: IngestionHouse):
    run = run_of(house, 1)
    for limit in (0, 251):
        with refused("INVALID_FIELD"):
            unembedded(house, run, limit)
    twice = embeddings(run, **{str(uuid.uuid4()): UNIT})
    twice.embeddings.append(twice.embeddings[0])
    for request in (embeddings(run), embeddings(run, nobody=UNIT), twice):
        with refused("INVALID_FIELD"):
            house.operator.ingestion.StoreEmbeddings(request)


def test_long_contents_come_cut_and_never_more_than_a_message_holds(house: IngestionHouse):
    run = run_of(house, 60)
    for first in range(0, 60, 3):
        request = batch(run, first, [], [], [])
        for each in request.records:
            each.content = "ä" * 100_000
        save(house, request)
    found = unembedded(house, run)
    assert {len(each.content) for each in found} == {32_768}
    assert len(found) == 3 * 1024 * 1024 // (2 * 32_768)


# ---- runs that are not current ------------------------------------------------------------------------------------------


def _lose(house: IngestionHouse, run: Run, worker: RawWorker) -> None:
    """The worker comes back and does not know the run any more."""
    worker.cut()
    RawWorker(house.operator, "ingestion", kinds=[INGEST], session=worker.session).await_welcome()
    house.operator.await_state(run.job_id, "pending")


@pytest.mark.parametrize("end", ["failed", "released", "cancelled", "completed", "deleted", "lost"])
def test_a_run_that_is_over_stores_nothing(house: IngestionHouse, end: str):
    house.enqueue_with([record(1), record(2)])
    worker = RawWorker(house.operator, "ingestion", kinds=[INGEST])
    worker.await_welcome()
    worker.capacity(1)
    (run,) = worker.await_jobs(1)
    save(house, batch(run, 0, ["a"]))
    (waiting,) = unembedded(house, run)
    worker.capacity(0)
    ends = {
        "failed": lambda: house.operator.fail(run),
        "released": lambda: house.operator.release(run),
        "cancelled": lambda: house.cancel(run.job_id),
        "completed": lambda: house.operator.complete(run),
        "deleted": lambda: house.operator.delete(run.job_id),
        "lost": lambda: _lose(house, run, worker),
    }
    ends[end]()
    calls = [
        lambda: save(house, batch(run, 1, ["b"])),
        lambda: unembedded(house, run),
        lambda: _store(house, run, waiting.id),
    ]
    for call in calls:
        with refused("STALE_LEASE"):
            call()
    assert len(stored(house)) == 1
    worker.cut()
