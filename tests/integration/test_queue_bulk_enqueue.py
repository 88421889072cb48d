"""Many jobs at once against the real service: what a COPY stores is what was sent, and it keeps every promise of a call.

A flush of 32 jobs or more without idempotency keys is a COPY; one with keys, or with an id that exists already, is not.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc
import psycopg
import uuid_utils

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as job_pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest, queue_service

MANY = 200
_POISON = """
CREATE FUNCTION jobline.refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.payload = '"poison"' THEN RAISE EXCEPTION 'refused'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON jobline.jobs FOR EACH ROW EXECUTE FUNCTION jobline.refuse_poison();
"""


@contextlib.contextmanager
def nothing_is_stored(database_url: str) -> Iterator[None]:
    """Holds up every insert into jobs: what is enqueued meanwhile gathers."""
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE jobline.jobs IN SHARE MODE")
        yield


def inserts_wait(database_url: str) -> bool:
    with psycopg.connect(database_url, autocommit=True) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'jobline.jobs'::regclass"
        ).fetchone()
    return waiting is not None and bool(waiting[0])


def count(calls: Calls, queue: str) -> int:
    return len(calls.list_jobs(queue))


def outcome(act: Callable[[], list[str]]) -> list[str] | str:
    """The ids, or the reason of the refusal."""
    try:
        return act()
    except grpc.RpcError as error:
        return Refusal.of(error).reason


def test_whatever_a_field_may_hold_comes_back_as_it_was_sent(calls: Calls, queue: str):
    odd = ["", "\\", "\\.", "\\N", "a\tb\nc\rd\\", "é😀", 'x"y', "\x01\x7f", "{}", "null"]
    sent = [
        new_job(
            queue,
            {text: [text, number, 2.5, None]},
            owner=f"user:{text}",
            concurrency_key=text,
            correlation_id=text,
            labels={f"k{text}": text},
            priority=number,
            max_attempts=number + 1,
            run_at={"seconds": 4_000_000_000 + number, "nanos": 123_456_000},
        )
        for number, text in enumerate(odd)
    ]
    spaced = job_pb.NewJob(queue=queue, kind="test", payload_json='{\n\t"a":\r [1, "\\\\n\\t"] }')
    ids = calls.enqueue(*sent, *[spaced] * MANY)
    for job_id, job in zip(ids, sent, strict=False):
        found = calls.job(job_id)
        assert (found.owner, found.concurrency_key) == (job.owner, job.concurrency_key)
        assert (found.correlation_id, dict(found.labels)) == (job.correlation_id, dict(job.labels))
        assert (found.priority, found.max_attempts, found.run_at) == (job.priority, job.max_attempts, job.run_at)
        assert json.loads(found.payload_json) == json.loads(job.payload_json)
    assert json.loads(calls.job(ids[-1]).payload_json) == {"a": [1, "\\n\t"]}


def test_what_memory_hands_out_is_what_the_table_holds(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, number, labels={"n": str(number)}) for number in range(MANY)))
    runs = calls.claim(queue, most=MANY, wait=5)
    assert [run.job_id for run in runs] == ids
    for number, run in enumerate(runs):
        assert (run.payload_json, dict(run.labels), run.max_attempts) == (str(number), {"n": str(number)}, 3)
        found = calls.job(run.job_id)
        assert (json.loads(found.payload_json), dict(found.labels)) == (number, {"n": str(number)})
        assert (found.queue, found.kind, found.max_attempts) == (queue, "test", 3)


def test_a_large_call_repeated_returns_the_same_ids_and_stores_nothing(calls: Calls, queue: str):
    request = job_pb.EnqueueJobsRequest(
        jobs=[new_job(queue, number) for number in range(MANY)], request_id=str(uuid_utils.uuid7())
    )
    first, second = (calls.jobs.EnqueueJobs(request).jobs for _ in range(2))
    assert [job.id for job in first] == [job.id for job in second]
    assert not any(job.deduplicated for job in first)
    assert all(job.deduplicated for job in second)
    assert count(calls, queue) == MANY


def test_a_large_call_made_twenty_times_at_once_runs_each_job_once(calls: Calls, queue: str):
    request = job_pb.EnqueueJobsRequest(
        jobs=[new_job(queue, number) for number in range(MANY)], request_id=str(uuid_utils.uuid7())
    )
    barrier = threading.Barrier(20)

    def call(_: int) -> list[job_pb.EnqueuedJob]:
        barrier.wait(10)
        return list(calls.jobs.EnqueueJobs(request).jobs)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, range(20)))
    assert len({tuple(job.id for job in answer) for answer in answers}) == 1
    assert sorted(sum(not job.deduplicated for job in answer) for answer in answers) == [0] * 19 + [MANY]
    runs = calls.claim(queue, most=2 * MANY, wait=5)
    assert [run.job_id for run in runs] == [job.id for job in answers[0]]
    assert calls.claim(queue, most=MANY) == []


def test_calls_with_and_without_keys_in_one_group_keep_their_promises(
    shared_queue: QueueServiceUnderTest, calls: Calls, queue: str
):
    repeated = str(uuid_utils.uuid7())

    def call(number: int) -> list[str]:
        match number % 4:
            case 0:  # the same key and content, ten times
                return calls.enqueue(*(new_job(queue, n, idempotency_key=f"k{n}") for n in range(20)))
            case 1:  # jobs of its own, with neither key nor request id
                return calls.enqueue(*(new_job(queue, number) for _ in range(20)))
            case 2:  # one call, ten times
                return calls.enqueue(*(new_job(queue, "again") for _ in range(20)), request_id=repeated)
            case _:  # a key with content of its own: one of ten wins
                return calls.enqueue(new_job(queue, number, idempotency_key="rivals"))

    with ThreadPoolExecutor(40) as pool:
        with nothing_is_stored(shared_queue.database_url):
            answers = [pool.submit(outcome, lambda number=number: call(number)) for number in range(40)]
            eventually_blocking(lambda: inserts_wait(shared_queue.database_url), within=10, what="an insert waits")
        kinds = [[answer.result() for answer in answers[kind::4]] for kind in range(4)]
    assert len({tuple(ids) for ids in kinds[0]}) == len({tuple(ids) for ids in kinds[2]}) == 1
    assert len({job_id for ids in kinds[1] for job_id in ids}) == 10 * 20
    assert kinds[3].count("IDEMPOTENCY_CONFLICT") == 9
    assert count(calls, queue) == 20 + 10 * 20 + 20 + 1


def test_a_call_that_the_database_refuses_fails_alone(fresh_database: str, tmp_path: Path):
    with (
        queue_service(fresh_database, tmp_path) as service,
        Calls(service.address, service.operator_token) as calls,
        ThreadPoolExecutor(20) as pool,
    ):
        service.execute(_POISON)

        def call(number: int) -> list[str]:
            jobs = [new_job("q", n) for n in range(20)]
            return calls.enqueue(*jobs, *([new_job("q", "poison")] if number == 7 else []))

        with nothing_is_stored(fresh_database):
            answers = [pool.submit(outcome, lambda number=number: call(number)) for number in range(20)]
            eventually_blocking(lambda: inserts_wait(fresh_database), within=10, what="an insert waits")
        results = [answer.result() for answer in answers]
        assert [number for number, result in enumerate(results) if result == "INVALID_FIELD"] == [7]
        assert len({job_id for ids in results if isinstance(ids, list) for job_id in ids}) == 19 * 20
        assert len(calls.claim("q", most=1000, wait=5)) == 19 * 20


def test_a_connection_that_breaks_in_a_large_call_stores_it_once_in_the_end(fresh_database: str, tmp_path: Path):
    with (
        queue_service(fresh_database, tmp_path) as service,
        Calls(service.address, service.operator_token) as calls,
        ThreadPoolExecutor(1) as pool,
    ):
        request_id = str(uuid_utils.uuid7())
        jobs = [new_job("q", number) for number in range(MANY)]
        with nothing_is_stored(fresh_database):
            answer = pool.submit(outcome, lambda: calls.enqueue(*jobs, request_id=request_id))
            eventually_blocking(lambda: inserts_wait(fresh_database), within=10, what="an insert waits")
            service.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'jobline-queue enqueue'"
            )
            assert answer.result() in ("DATABASE_UNAVAILABLE", "NOT_ACTIVE")
        service.await_active()
        ids = [calls.enqueue(*jobs, request_id=request_id) for _ in range(2)]
        assert ids[0] == ids[1]
        assert [run.job_id for run in calls.claim("q", most=1000, wait=5)] == ids[0]


def test_a_key_whose_first_holder_is_refused_belongs_to_the_next(fresh_database: str, tmp_path: Path):
    with (
        queue_service(fresh_database, tmp_path) as service,
        Calls(service.address, service.operator_token) as calls,
        ThreadPoolExecutor(3) as pool,
    ):
        service.execute(_POISON)
        keyed = new_job("q", 1, idempotency_key="k")
        answers: list[Future[list[str] | str]] = []
        with nothing_is_stored(fresh_database):
            for jobs in ([new_job("q")], [keyed, new_job("q", "poison")], [keyed]):
                answers.append(pool.submit(outcome, lambda jobs=jobs: calls.enqueue(*jobs)))
                eventually_blocking(lambda: inserts_wait(fresh_database), within=10, what="an insert waits")
        assert answers[1].result() == "INVALID_FIELD"
        (job_id,) = answers[2].result()
        assert calls.job(job_id).idempotency_key == "k"
        assert job_id in {run.job_id for run in calls.claim("q", most=10, wait=5)}


def test_a_bad_job_among_a_thousand_stores_nothing_of_its_call(calls: Calls, queue: str):
    jobs = [new_job(queue, number) for number in range(1000)]
    jobs[500].payload_json = '{"a": "\\u0000"}'
    jobs[999].payload_json = "[1e999]"
    with refused("INVALID_FIELD") as seen:
        calls.enqueue(*jobs)
    assert seen[0].fields == ("jobs[500].payload_json", "jobs[999].payload_json")
    assert count(calls, queue) == 0


def test_jobs_of_a_large_call_start_in_its_order_and_after_those_that_wait(calls: Calls, queue: str):
    first = calls.enqueue(new_job(queue, "first"))
    worker = RawWorker(calls, queue)
    late = calls.enqueue(*(new_job(queue, number) for number in range(MANY)))
    worker.await_welcome()
    worker.capacity(2 * MANY)
    assert [run.job_id for run in worker.await_jobs(MANY + 1)] == [*first, *late]
    worker.cut()


def test_a_large_call_for_a_worker_with_room_is_handed_out_at_once(calls: Calls, queue: str):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(2 * MANY)
    ids = calls.enqueue(*(new_job(queue, number) for number in range(MANY)))
    assert [run.job_id for run in worker.await_jobs(MANY)] == ids
    assert calls.job(ids[0]).state == job_pb2.JOB_STATE_RUNNING
    worker.cut()
