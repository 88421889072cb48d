"""C9, F10: workers that do not read. What they are sent is bounded, what they hold comes back, and others notice nothing."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psutil
import pytest

from conformance.busy_worker import BusyWorker
from jobline.v1 import work_service_pb2 as pb
from jobline.v1 import work_service_pb2_grpc
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

POLICIES = """
[queues.heavy]
lease = "20s"
receipt = "1s"
"""
PAYLOAD = "x" * 20_000
JOBS = 600
#: Bytes that one worker that does not read may cost the service: its outbox, and what waits in the socket.
BOUND = 80 * 1024 * 1024
PINGS = 40


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("slow"), POLICIES) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def calls(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.operator_token) as opened:
        yield opened


class DeafWorker:
    """A work stream that is written to and not read; gRPC then grants the service no window to write into."""

    def __init__(self, calls: Calls, queue_name: str) -> None:
        self._outgoing: queue.SimpleQueue[pb.WorkRequest | None] = queue.SimpleQueue()
        self.call: Any = work_service_pb2_grpc.WorkServiceStub(calls.channel).Work(
            iter(self._outgoing.get, None), metadata=tuple(calls.metadata)
        )
        session = str(uuid.uuid4())
        self.send(hello=pb.Hello(session_id=session, name="deaf", queues=[queue_name], kinds=["test"]))
        self.send(capacity=pb.Capacity(queues=[pb.QueueCapacity(queue=queue_name, jobs=10_000)]))

    def send(self, **parts: Any) -> None:
        self._outgoing.put(pb.WorkRequest(**parts))

    def close(self) -> None:
        self.call.cancel()
        self._outgoing.put(None)


def never_reads(worker: DeafWorker, stop: threading.Event) -> None:
    stop.wait()


def reads_slowly(worker: DeafWorker, stop: threading.Event) -> None:
    while not stop.wait(0.3):
        next(worker.call)


def talks_and_never_reads(worker: DeafWorker, stop: threading.Event) -> None:
    """Asks about a thousand leases, over and over. Each answer is as long as its question."""
    held = [pb.HeldLeases(lease_token=str(uuid.uuid4()), job_ids=[str(uuid.uuid4())]) for _ in range(1000)]
    while not stop.wait(0.005):
        worker.send(heartbeat=pb.Heartbeat(held=held))


def memory(service: QueueServiceUnderTest) -> int:
    assert service.process is not None
    return int(psutil.Process(service.process.pid).memory_info().rss)


def ping_times(calls: Calls, queue_name: str, worker: RawWorker) -> list[float]:
    """Seconds from the enqueue of a job to its arrival at a worker that is well, in ascending order."""
    times = []
    for n in range(PINGS):
        began = time.perf_counter()
        calls.enqueue(new_job(queue_name, n))
        run = worker.await_jobs(n + 1, within=20)[n]
        times.append(time.perf_counter() - began)
        worker.complete(run)
    return sorted(times)


@pytest.mark.parametrize(
    "behaviour", [never_reads, reads_slowly, talks_and_never_reads], ids=lambda each: each.__name__
)
def test_a_worker_that_does_not_read_costs_little_and_harms_nobody(
    service: QueueServiceUnderTest, calls: Calls, behaviour: Callable[[DeafWorker, threading.Event], None]
) -> None:
    name = f"ping-{uuid.uuid4().hex[:8]}"
    well = RawWorker(calls, name)
    well.await_welcome()
    well.capacity(5)
    for _ in range(JOBS // 100):
        calls.enqueue(*(new_job("heavy", PAYLOAD) for _ in range(100)))
    before = memory(service)
    stop = threading.Event()
    with Calls(service.address, service.other_worker_token) as channel:
        deaf = DeafWorker(channel, "heavy")
        thread = threading.Thread(target=_unless_ended, args=(behaviour, deaf, stop), daemon=True)
        thread.start()
        times = ping_times(calls, name, well)
        stop.wait(2)  # the deaf one goes on for two seconds more
        grown = memory(service) - before
        stop.set()
        deaf.close()
        thread.join(5)
    well.cut()
    assert grown < BOUND, f"the service grew by {grown / 2**20:.0f} MiB"
    assert times[int(PINGS * 0.95)] < 0.5, f"others waited {times[-3:]} s"
    drain_heavy(service, calls)


def _unless_ended(
    behaviour: Callable[[DeafWorker, threading.Event], None], worker: DeafWorker, stop: threading.Event
) -> None:
    try:
        behaviour(worker, stop)
    except (grpc.RpcError, StopIteration):
        stop.wait()


def drain_heavy(service: QueueServiceUnderTest, calls: Calls) -> None:
    """Everything that the deaf worker was handed comes back, and nothing of it has counted an attempt."""
    worker = BusyWorker(calls, "heavy")
    worker.await_welcome()
    worker.capacity(100)
    left = "SELECT count(*) FROM jobline.jobs WHERE queue = 'heavy' AND state <> 'succeeded'"
    eventually_blocking(lambda: service.execute(left) == [(0,)], within=40, what="all that it was handed came back")
    worker.cut()
    assert service.execute("SELECT DISTINCT attempt FROM jobline.jobs WHERE queue = 'heavy'") == [(1,)]
