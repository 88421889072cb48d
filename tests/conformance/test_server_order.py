"""What the service owes every worker, seen by streams made by hand: capacity, order, receipts, replays."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from conformance.busy_worker import BusyWorker
from conformance.stream_proxy import stream_proxy
from jobline.v1 import work_service_pb2 as pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

POLICIES = """
[queues.keyed]
max_running_per_key = 1
[queues.short]
lease = "10s"
receipt = "500ms"
"""


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("order"), POLICIES) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def calls(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.operator_token) as opened:
        yield opened


@pytest.fixture
def queue() -> str:
    return f"q-{uuid.uuid4().hex[:12]}"


def await_state(service: QueueServiceUnderTest, queue: str, state: str, count: int, within: float = 30) -> None:
    where = "SELECT count(*) FROM jobline.jobs WHERE queue = %s AND state = %s"
    eventually_blocking(
        lambda: service.execute(where, queue, state) == [(count,)], within=within, what=f"{count} of {queue} {state}"
    )


def test_what_is_held_never_passes_the_capacity_in_force(
    service: QueueServiceUnderTest, calls: Calls, queue: str
) -> None:
    """C6: 10 → 0 → 3 under load."""
    calls.enqueue(*(new_job(queue, n) for n in range(901)))
    worker = BusyWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(10)
    eventually_blocking(lambda: len(worker.order) >= 400, within=20, what="400 jobs through a window of 10")
    worker.capacity(0)
    await_heartbeat(worker)  # the service has read the 0; what it was claiming in this moment still comes
    calls.complete(calls.claim_one(queue))  # claims are stored one after the other, so this one is behind that one
    await_heartbeat(worker)
    assert worker.watermark <= 10
    eventually_blocking(lambda: len(worker.acks) == len(worker.order), what="every outcome is answered")
    assert len(worker.order) < 900
    worker.watermark = 0
    worker.capacity(3)
    await_state(service, queue, "succeeded", 901)
    assert worker.watermark <= 3
    assert len(worker.order) == len(set(worker.order)) == 900, "no job was handed out twice"
    worker.cut()


def await_heartbeat(worker: RawWorker) -> None:
    """The answer comes after all that was handed to the stream before it."""
    before = worker.heartbeat_acks
    worker.heartbeat()
    eventually_blocking(lambda: worker.heartbeat_acks > before, what="the heartbeat is answered")


def test_a_mixed_fleet_keeps_the_order_of_the_queue(service: QueueServiceUnderTest, calls: Calls, queue: str) -> None:
    """C8: streams and unary claims on one queue; whoever asks gets the next in line, and nobody jumps the backlog."""
    count = 1500
    for first in range(0, count, 500):
        calls.enqueue(*(new_job(queue, first + n) for n in range(500)))
    with fleet(service, calls, queue):
        await_state(service, queue, "succeeded", count)
    started = service.execute("SELECT started_at, session_id FROM jobline.jobs WHERE queue = %s ORDER BY seq", queue)
    times = [at for at, _ in started]
    assert times == sorted(times)
    assert len({session for _, session in started}) > 3, "streams and unary claims took part"


def test_a_mixed_fleet_runs_each_key_in_order_and_one_at_a_time(service: QueueServiceUnderTest, calls: Calls) -> None:
    """C8, I6: FIFO by key."""
    count, keys = 600, 15
    calls.enqueue(*(new_job("keyed", n, concurrency_key=f"k{n % keys}") for n in range(count)))
    with fleet(service, calls, "keyed"):
        await_state(service, "keyed", "succeeded", count, within=60)
    rows = service.execute(
        "SELECT concurrency_key, started_at, finished_at FROM jobline.jobs WHERE queue = 'keyed' ORDER BY seq"
    )
    for key in {key for key, _, _ in rows}:
        runs = [(started, finished) for of, started, finished in rows if of == key]
        for (_, finished), (started, _) in itertools.pairwise(runs):
            assert finished <= started, f"two runs of {key} overlap, or are out of order"


class fleet:
    """Two streams and three unary claimers that complete what they get."""

    def __init__(self, service: QueueServiceUnderTest, calls: Calls, queue: str) -> None:
        self._stop = threading.Event()
        self._calls = calls
        self._queue = queue
        self._unary = Calls(service.address, service.worker_token)
        self._threads = [threading.Thread(target=self._claim, daemon=True) for _ in range(3)]

    def __enter__(self) -> None:
        self._streams = [BusyWorker(self._calls, self._queue) for _ in range(2)]
        for stream in self._streams:
            stream.await_welcome()
            stream.capacity(7)
        for thread in self._threads:
            thread.start()

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        for stream in self._streams:
            stream.cut()
        self._unary.close()

    def _claim(self) -> None:
        while not self._stop.is_set():
            for run in self._unary.claim(self._queue, most=5, wait=0.2):
                self._unary.complete(run)


def test_a_delivery_that_was_never_received_returns_after_the_receipt_deadline(calls: Calls) -> None:
    """F6: no attempt is counted, and a worker that is silent is handed nothing more until it is heard again."""
    silent = RawWorker(calls, "short")
    silent.await_welcome()
    silent.capacity(1)
    (job_id,) = calls.enqueue(new_job("short"))
    silent.await_jobs(1)
    calls.await_state(job_id, "pending", within=8)  # long before its lease would have ended
    (run,) = calls.claim("short", wait=5)
    assert (run.job_id, run.attempt) == (job_id, 1)
    calls.complete(run)
    (second,) = calls.enqueue(new_job("short"))
    assert calls.claim_one("short").job_id == second, "the silent one is passed over"
    silent.heartbeat()
    (third,) = calls.enqueue(new_job("short"))
    assert silent.await_jobs(2)[-1].job_id == third
    silent.cut()


def test_a_claim_whose_answer_was_lost_returns_the_same_leases(
    service: QueueServiceUnderTest, calls: Calls, queue: str, tmp_path: Path
) -> None:
    """C11: the answer dies on the way; the same request id gets it again."""
    ids = calls.enqueue(*(new_job(queue, n) for n in range(3)))
    with stream_proxy(service.address) as proxy, Calls(proxy.address, service.worker_token) as worker:
        proxy.replies_to_lose = 1
        request_id = str(uuid.uuid4())
        with pytest.raises(grpc.RpcError):
            worker.claim(queue, most=3, request_id=request_id)
        runs = worker.claim(queue, most=3, request_id=request_id)
        again = worker.claim(queue, most=3, request_id=request_id)
    assert [run.job_id for run in runs] == ids
    assert [run.lease_token for run in runs] == [run.lease_token for run in again]
    assert all(calls.job(job_id).lease.received for job_id in ids)


def test_whatever_is_said_again_is_answered_and_changes_nothing(calls: Calls, queue: str) -> None:
    """F7, I3: outcomes and heartbeats of ended runs, replayed in any order on this stream and the next."""
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(12)
    calls.enqueue(*(new_job(queue, n, max_attempts=2) for n in range(12)))
    runs = worker.await_jobs(12)
    error = pb.Failed()
    error.error.code = "BROKEN"
    said = [
        pb.Outcome(job_ids=[run.job_id], lease_token=run.lease_token, **result)
        for run, result in zip(
            runs,
            itertools.cycle(
                [{"completed": pb.Completed(result_json="1")}, {"failed": error}, {"released": pb.Released()}]
            ),
            strict=False,
        )
    ]
    worker.capacity(0)
    worker.send(outcomes=pb.Outcomes(outcomes=said))
    eventually_blocking(lambda: len(worker.acks) == 12)
    before = [calls.get(run.job_id) for run in runs]
    chance = random.Random(7)
    worker.cut()
    again = RawWorker(calls, queue, session=worker.session)
    again.await_welcome()
    for _ in range(30):
        replayed = chance.sample(said, 5)
        again.send(outcomes=pb.Outcomes(outcomes=replayed))
        again.heartbeat(*chance.sample(runs, 5))
    assert {status for _, status in await_answers(again, 150)} == {"ALREADY_COMMITTED"}
    assert {state for _, state in again.lease_states} == {"LOST"}
    assert [calls.get(run.job_id) for run in runs] == before
    again.cut()


def test_each_job_that_an_outcome_names_is_answered_for_itself(calls: Calls, queue: str) -> None:
    """I3: three runs of one lease share an outcome, with a job that is not held; twice, since it may be said again."""
    ids = calls.enqueue(*(new_job(queue, n) for n in range(3)))
    (stranger,) = calls.enqueue(new_job(f"{queue}-of-others"))
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(3)
    (token,) = {run.lease_token for run in worker.await_jobs(3)}
    outcome = pb.Outcome(job_ids=[stranger, *ids], lease_token=token, completed=pb.Completed(result_json="1"))
    for answered in (4, 8):
        worker.send(outcomes=pb.Outcomes(outcomes=[outcome]))
        await_answers(worker, answered)
    worker.send(goodbye=pb.Goodbye(reason="all is said"))
    worker.half_close()
    assert worker.await_end() is None
    told = await_answers(worker, 8)
    assert sorted(told[:4]) == sorted([(stranger, "STALE"), *((job_id, "COMMITTED") for job_id in ids)])
    assert sorted(told[4:]) == sorted([(stranger, "STALE"), *((job_id, "ALREADY_COMMITTED") for job_id in ids)])
    assert [calls.job(job_id).result_json for job_id in ids] == ["1"] * 3
    assert calls.state(stranger) == "pending"


def await_answers(worker: RawWorker, count: int) -> list[tuple[str, str]]:
    """(job id, status without the prefix) of every answer in order, once there are so many."""

    def answers() -> list[tuple[str, str]]:
        return [
            (job_id, pb.OutcomeStatus.Name(ack.status).removeprefix("OUTCOME_STATUS_"))
            for message in list(worker.messages)
            for ack in message.outcome_acks.acks
            for job_id in ack.job_ids
        ]

    eventually_blocking(lambda: len(answers()) >= count, within=20, what=f"{count} answers")
    return answers()
