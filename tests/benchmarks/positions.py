"""Places in a long line: a million jobs wait, and a user asks where their hundred are.

Asked of the dispatcher itself, in this process, and of a service by gRPC. Then jobs are stored behind that line, and the
first ones started, while the user asks twice a second; and right before and right after, while nobody asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event

import grpc
import psutil
import psycopg

from benchmarks.draining import begin, pause
from benchmarks.house import House, QueueProcess
from benchmarks.memory import resident
from benchmarks.meter import Meter
from benchmarks.samples import Sample, percentile
from benchmarks.seeding import seed_pending
from benchmarks.workload import KIND, QUEUE, Sizes, new_jobs
from jobline.v1 import job_service_pb2 as pb
from jobline.v1.job_service_pb2_grpc import JobServiceStub
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from support.eventually import eventually

__all__ = ["stage"]

#: The user, and how many jobs they have: all in the last tenth of the line, so that none of them starts meanwhile.
_USER, _OWN = "user:asker", 100
#: Seconds between two questions.
_EVERY = 0.5
_BATCH = 1000
_WITHIN = 180.0
_OWN_JOBS = """UPDATE jobline.jobs SET owner = %(user)s
    WHERE seq > %(first)s AND (seq - %(first)s) %% %(apart)s = 0 RETURNING CAST(id AS text)"""

_Figures = dict[tuple[str, str], float]


@contextmanager
def stage(house: House, sizes: Sizes) -> Iterator[Callable[[], Sample]]:
    """Makes the table, for any number of repetitions."""
    with house.database() as url:
        seed_pending(url, sizes.pending)
        first = sizes.pending - sizes.pending // 10
        with psycopg.connect(url, autocommit=True) as connection:
            chosen = {"user": _USER, "first": first, "apart": sizes.pending // 10 // _OWN}
            rows = connection.execute(_OWN_JOBS, chosen).fetchall()
        yield partial(_measure, house, sizes, url, [job_id for (job_id,) in rows])


def _measure(house: House, sizes: Sizes, url: str, own: list[str]) -> Sample:
    figures = _in_memory(sizes)
    with house.queue_service(url) as queue:
        figures["service after start", "MB"] = resident(queue.pid)
        asyncio.run(pause(queue, QUEUE))
        house.settle()
        asker = _Asker(queue, own)
        service = psutil.Process(queue.pid)
        figures |= _latencies("LocateJobs", asker.locate, sizes.polls, service)
        figures |= _latencies("ListJobs", asker.list, sizes.polls, service)
        for word, act in (("enqueue", _enqueue), ("start", partial(_start, house, url))):
            before = act(queue, sizes.part // 2)
            with asker.asking():
                asked = act(queue, sizes.part // 2)
            alone = (before + act(queue, sizes.part // 2)) / 2
            figures[f"{word}, nobody asks", "jobs/s"] = alone
            figures[f"{word}, the user asks", "jobs/s"] = asked
            figures[f"{word}, share", "%"] = 100 * asked / alone
    return Sample(figures)


def _in_memory(sizes: Sizes) -> _Figures:
    now = 1_000_000.0
    dispatcher = Dispatcher({QUEUE: QueuePolicy(QUEUE)}, Clock(now, lambda: now), 1, 0)
    for number in range(sizes.pending):
        at = now - sizes.pending + number
        dispatcher.add(
            LiveJob(f"job-{number}", QUEUE, KIND, "", "bench", 0, at, number, "", "", "{}", None, 0, 3, 0, at)
        )
    own = list(dispatcher.jobs.values())[:: sizes.pending // _OWN][:_OWN]
    return _latencies("in memory", lambda: len(dispatcher.positions(own)), sizes.polls, psutil.Process())


def _latencies(what: str, ask: Callable[[], int], polls: int, process: psutil.Process) -> _Figures:
    """Of questions about all jobs of the user, after one that warms up; and the CPU that each takes of who answers."""

    def asked() -> float:
        began = time.perf_counter()
        if ask() != _OWN:
            raise RuntimeError(f"{what} did not answer {_OWN} places")
        return 1000 * (time.perf_counter() - began)

    asked()
    before = _cpu_ms(process)
    times = [asked() for _ in range(polls)]
    return {
        (f"{what}, p50", "ms"): percentile(times, 50),
        (f"{what}, p99", "ms"): percentile(times, 99),
        (f"{what}, CPU", "ms"): (_cpu_ms(process) - before) / polls,
    }


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return 1000 * float(times.user + times.system)


class _Asker:
    """The calls of a user who wants to know where their jobs are."""

    def __init__(self, queue: QueueProcess, own: list[str]) -> None:
        self._stub = JobServiceStub(grpc.insecure_channel(queue.address))
        self._metadata = (("authorization", f"Bearer {queue.operator_token}"),)
        self._own = own

    def locate(self) -> int:
        places = self._stub.LocateJobs(pb.LocateJobsRequest(ids=self._own), metadata=self._metadata, timeout=30).places
        return sum(place.position > 0 for place in places)

    def list(self) -> int:
        request = pb.ListJobsRequest(filter=pb.JobFilter(owner=_USER), page_size=_OWN)
        jobs = self._stub.ListJobs(request, metadata=self._metadata, timeout=30).jobs
        return sum(job.position > 0 for job in jobs)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Asks again and again meanwhile."""
        over = Event()

        def ask() -> None:
            while not over.wait(_EVERY):
                self.locate()

        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(ask)
            try:
                yield
            finally:
                over.set()
            asked.result()


def _enqueue(queue: QueueProcess, count: int) -> float:
    """Jobs a second, stored behind all that wait."""
    jobs = new_jobs(count)

    async def send() -> float:
        async with queue.client() as client:
            await client.list_queues()  # connects
            began = time.perf_counter()
            for first in range(0, count, _BATCH):
                await client.enqueue_many(jobs[first : first + _BATCH])
            return count / (time.perf_counter() - began)

    return asyncio.run(send())


def _start(house: House, url: str, queue: QueueProcess, count: int) -> float:
    """The same of the first jobs in line, from the first start to the last."""
    with house.workers(queue) as workers:

        async def drain() -> None:
            await begin(queue, QUEUE, workers, Meter(house, url, {}))
            await eventually(lambda: workers.log.count() >= count, within=_WITHIN, what=f"{count} jobs have started")
            await pause(queue, QUEUE)

        asyncio.run(drain())
        times = [each.started for each in workers.log.entries()[:count]]
    return (count - 1) / (times[-1] - times[0])
