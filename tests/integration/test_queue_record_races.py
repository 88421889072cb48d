"""Records that are stored at once by several runs, and runs that end while a batch of theirs is being stored."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import psycopg
import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.eventually import eventually_blocking
from support.fence_field import said
from support.ingestion_house import IngestionHouse, Run, house_of, record
from support.queue_service import QueueServiceUnderTest

BATCH = 20


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def batch(run: Run, first: int, *carried: list[str]) -> pb.SaveRecordsRequest:
    """A record for each list of the ids that one carries."""
    records = [pb.NewRecord(content=f"{run.job_id} {ids}", record_ids=ids, metadata_json="{}") for ids in carried]
    fields = {"job_id": run.job_id, "lease_token": run.lease_token}
    return pb.SaveRecordsRequest(**fields, first_item=first, items=len(records), records=records)


def runs_of(house: IngestionHouse, count: int, items: int) -> list[Run]:
    """The runs of so many jobs of one project, each with so many values to load."""
    for _ in range(count):
        house.enqueue_with([record(number) for number in range(items)])
    runs = house.claim_now(most=count)
    assert len(runs) == count
    return runs


def stored(house: IngestionHouse) -> int:
    return int(house.service.execute("SELECT count(*) FROM data_records WHERE project_id = %s", house.project)[0][0])


@contextlib.contextmanager
def taken(house: IngestionHouse, *ids: str) -> Iterator[psycopg.Connection]:
    """Another transaction, at work throughout the block, is adding these ids to the project."""
    with psycopg.connect(house.service.database_url) as other:
        for each in ids:
            take(other, house, each)
        yield other
        other.rollback()


def take(other: psycopg.Connection, house: IngestionHouse, record_id: str) -> None:
    other.execute(
        "INSERT INTO data_record_ids (project_id, type, digest) VALUES (%s, 'TASK', sha256(%s))",
        (house.project, record_id.encode()),
    )


def await_waiting(house: IngestionHouse) -> None:
    """The service waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    eventually_blocking(lambda: house.service.execute(waiting), what="the batch waits for the other transaction")


def test_two_jobs_that_load_the_same_records_at_once_store_each_once(house: IngestionHouse):
    batches = 10
    starting = threading.Barrier(2)

    def load(run: Run, order: list[int]) -> int:
        saved = 0
        for place, number in enumerate(order):
            ids = [[f"{number}-{each}", f"also-{number}-{each}"] for each in range(BATCH)]
            starting.wait(30)
            answer = house.operator.ingestion.SaveRecords(batch(run, place * BATCH, *ids))
            saved = answer.saved
            assert answer.saved + answer.skipped == answer.next_item
        return saved

    runs = runs_of(house, 2, batches * BATCH)
    same, turned = list(range(batches)), [*range(batches // 2), *reversed(range(batches // 2, batches))]
    with ThreadPoolExecutor(2) as pool:
        saved = sum(pool.map(load, runs, [same, turned]))
    assert saved == stored(house) == batches * BATCH


def test_an_id_that_is_being_stored_is_waited_for(house: IngestionHouse):
    first, second = runs_of(house, 2, 1)
    with ThreadPoolExecutor(1) as pool:
        with taken(house, "a"):
            waiting = pool.submit(house.operator.ingestion.SaveRecords, batch(first, 0, ["a"]))
            await_waiting(house)
        assert waiting.result(20).saved == 1, "the other transaction has stored nothing"
        with taken(house, "b") as other:
            waiting = pool.submit(house.operator.ingestion.SaveRecords, batch(second, 0, ["b"]))
            await_waiting(house)
            other.commit()
        assert waiting.result(20).skipped == 1


def test_runs_that_wait_for_each_other_are_both_stored(house: IngestionHouse):
    """Each adds the id first that the other adds second. The server undoes one of them: the batch begins again."""

    def collide(number: int, run: Run, pool: ThreadPoolExecutor) -> bool:
        """Whether it was the batch that was undone."""
        with taken(house, f"mine-{number}") as other:
            waiting = pool.submit(
                house.operator.ingestion.SaveRecords, batch(run, 0, [f"its-{number}", f"mine-{number}"])
            )
            await_waiting(house)
            try:
                take(other, house, f"its-{number}")
            except psycopg.errors.DeadlockDetected:
                undone = False
            else:
                undone = True
                other.commit()
        answer = waiting.result(20)
        assert (answer.saved, answer.skipped) == ((0, 1) if undone else (1, 0))
        return undone

    with ThreadPoolExecutor(1) as pool:
        assert any(collide(number, run, pool) for number, run in enumerate(runs_of(house, 3, 1)))


@pytest.mark.parametrize("end", ["cancel", "release", "fail"])
def test_a_run_that_ends_in_the_middle_of_a_batch_stores_nothing_of_it(house: IngestionHouse, end: str):
    (run,) = runs_of(house, 1, 2)
    ends: dict[str, Callable[[], object]] = {
        "cancel": lambda: house.cancel(run.job_id),
        "release": lambda: house.operator.release(run),
        "fail": lambda: house.operator.fail(run),
    }
    with ThreadPoolExecutor(1) as pool:
        with taken(house, "b"):
            told = pool.submit(said, lambda: house.operator.ingestion.SaveRecords(batch(run, 0, ["a"], ["b"])))
            await_waiting(house)
            ends[end]()
        assert told.result(20) == "STALE_LEASE"
    assert stored(house) == 0
    steps = "SELECT count(*) FROM jobline.steps WHERE job_id = %s"
    assert house.service.execute(steps, run.job_id) == [(0,)]
    assert house.service.execute("SELECT count(*) FROM data_record_ids WHERE project_id = %s", house.project) == [(0,)]


@pytest.fixture
def mortal(lent_service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    """A house whose service the test may kill."""
    yield from house_of(lent_service)


def test_a_service_killed_while_a_batch_waits_leaves_nothing_of_it(mortal: IngestionHouse):
    (run,) = runs_of(mortal, 1, 2)
    with ThreadPoolExecutor(1) as pool:
        with taken(mortal, "b"):
            told = pool.submit(said, lambda: mortal.operator.ingestion.SaveRecords(batch(run, 0, ["a"], ["b"])))
            await_waiting(mortal)
            mortal.service.restart()
        assert told.result(20) != "ok"
    again = _until_answered(lambda: mortal.operator.ingestion.SaveRecords(batch(run, 0, ["a"], ["b"])))
    assert (again.saved, again.skipped, stored(mortal)) == (2, 0, 2)


def test_a_batch_whose_answer_died_with_the_service_is_stored_once(mortal: IngestionHouse):
    """The lease outlives the service, so the run goes on and says it again."""
    service = mortal.service
    service.kill()
    service.start(JOBLINE_FAILPOINTS="ingest.after_commit=kill")
    (run,) = runs_of(mortal, 1, 2)
    request = batch(run, 0, [], [])
    assert said(lambda: mortal.operator.ingestion.SaveRecords(request)) != "ok"
    service.start()
    again = _until_answered(lambda: mortal.operator.ingestion.SaveRecords(request))
    assert (again.next_item, again.saved, stored(mortal)) == (2, 2, 2)


def _until_answered(call: Callable[[], pb.SaveRecordsResponse]) -> pb.SaveRecordsResponse:
    """The channel finds the new service after a moment."""
    answers: list[pb.SaveRecordsResponse] = []

    def answered() -> bool:
        with contextlib.suppress(grpc.RpcError):
            answers.append(call())
        return bool(answers)

    eventually_blocking(answered, what="the service answers")
    return answers[0]
