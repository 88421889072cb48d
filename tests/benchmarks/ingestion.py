"""Records in, vectors out: one job loads a project, a chain of jobs embeds it, through the real services.

Each number of records has a queue service, a worker service and a database of its own, so that a peak is that load's. Rates
are taken from the jobs' rows: they are exact, and looking on costs nothing. The vectors come from the tests' embedding
server, which runs in this process and shares the machine.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import psycopg

from benchmarks.house import SERVICE_TOKENS, House, QueueProcess, Workers
from benchmarks.memory import PEAK, resident
from benchmarks.meter import Costs, Meter
from benchmarks.samples import Sample
from benchmarks.workload import Sizes
from jobline.database_queue import DatabaseQueue
from jobline_local.ports import free_port
from support.embedding_server import embedding_server
from support.eventually import eventually_blocking

__all__ = ["load_and_embed"]

#: Seconds for a record, from its upload to its vector, before a load counts as stuck.
_PATIENCE = 0.1
_TOPICS = ("engines", "weaving looms", "Bernoulli numbers", "poetical science", "punched cards", "comets", "gardens")

_STATUS = "SELECT status FROM ingest_jobs WHERE id = %s"
_TIMES = """
SELECT job_type, EXTRACT(EPOCH FROM max(completed_at) - min(started_at)) FROM job_queue GROUP BY job_type
"""
_STORED = "SELECT count(*), count(embedding), count(DISTINCT metadata->>'id') FROM data_records"


@dataclass(frozen=True)
class _Load:
    """Rates by what is done and their unit, and the peaks of worker and queue service in MB."""

    records: int
    rates: dict[tuple[str, str], float]
    worker: float
    service: float
    costs: Costs
    problems: tuple[str, ...]

    def figures(self) -> dict[tuple[str, str], float]:
        size = f"{self.records:,}".replace(",", " ")
        rates = {(f"{size}, {what}", unit): rate for (what, unit), rate in self.rates.items()}
        return {**rates, (f"{size}, worker's peak", "MB"): self.worker, (f"{size}, service's peak", "MB"): self.service}


def load_and_embed(house: House, sizes: Sizes) -> Sample:
    """A project of some records, and one of ten times as many."""
    small, large = _load(house, sizes.records), _load(house, sizes.many_records)
    growth = {
        ("growth of the worker's peak", "%"): 100 * (large.worker / small.worker - 1),
        ("growth of the service's peak", "%"): 100 * (large.service / small.service - 1),
    }
    figures = {**small.figures(), **large.figures(), **growth}
    return Sample(figures, large.costs, (*small.problems, *large.problems))


def _load(house: House, count: int) -> _Load:
    ingest_job = str(uuid.uuid4())
    with house.database() as url, _vectors() as embeddings:
        with house.queue_service(url) as queue, _worker(house, queue, embeddings) as worker:
            meter = Meter(house, url, {"service": [queue.pid], "worker": worker.pids})
            meter.start()
            upload = _upload(queue, ingest_job, count)
            with psycopg.connect(url, autocommit=True) as connection:
                status = _await_end(connection, ingest_job, worker, count)
                seconds: dict[str, Any] = dict(connection.execute(_TIMES).fetchall())
                stored = connection.execute(_STORED).fetchone()
            meter.stop()
            peaks = resident(worker.pids[0], PEAK), resident(queue.pid, PEAK)
        costs = meter.costs(count)
    rates = {
        ("uploaded", "records/s"): count / upload,
        ("stored", "records/s"): count / float(seconds["INGEST_DATA"]),
        ("embedded", "embeddings/s"): count / float(seconds["VECTORIZE"]),
    }
    return _Load(count, rates, *peaks, costs, tuple(_problems(status, stored, count)))


def _problems(status: str, stored: Any, count: int) -> Iterator[str]:
    if status != "COMPLETED":
        yield f"the ingest job of {count} records ended {status}"
    if stored != (count, count, count):
        yield f"of {count} records there are (all, with a vector, different ids) {stored}"


def _upload(queue: QueueProcess, ingest_job: str, count: int) -> float:
    """Seconds until the job was stored."""
    payload = {"ingestJobId": ingest_job, "projectId": "benchmark", "records": [_record(n) for n in range(count)]}
    with DatabaseQueue(queue.address, queue.operator_token, deadline=60.0) as jobs:
        began = time.monotonic()
        jobs.enqueue("INGEST_DATA", payload, priority=1)
        return time.monotonic() - began


def _await_end(connection: psycopg.Connection[Any], ingest_job: str, worker: Workers, count: int) -> str:
    def ended() -> str:
        if not worker.are_alive():
            raise RuntimeError(f"the worker has ended:\n{worker.last_words()}")
        row = connection.execute(_STATUS, (ingest_job,)).fetchone()
        return row[0] if row and row[0] in ("COMPLETED", "FAILED", "CANCELLED") else ""

    return eventually_blocking(ended, within=60 + _PATIENCE * count, what=f"{count} records have their vectors")


def _record(number: int) -> dict[str, Any]:
    """About 350 bytes of JSON."""
    topic = _TOPICS[number % len(_TOPICS)]
    return {
        "id": f"r-{number}",
        "feedback": f"Answer {number} about {topic} was {'clear' if number % 2 else 'long'}, and said what it left out: "
        f"the part on {_TOPICS[number // 7 % len(_TOPICS)]}, which the question had asked for in its second line.",
        "rating": number % 6,
        "metadata": {"author": f"reviewer-{number % 500}", "language": "en", "round": number % 12},
    }


@contextmanager
def _worker(house: House, queue: QueueProcess, embeddings: str) -> Iterator[Workers]:
    """The worker service, for both queues."""
    environ = house.environ(
        JOBLINE_QUEUE_ADDRESS=queue.address,
        JOBLINE_TOKEN=queue.worker_token,
        JOBLINE_SERVICE_TOKENS=SERVICE_TOKENS,
        JOBLINE_WORKER_PORT=str(free_port()),
        JOBLINE_WORKER_QUEUES="ingestion,vectorization",
        JOBLINE_EMBEDDINGS_URL=embeddings,
    )
    with house.programs((sys.executable, "-m", "jobline_worker", "serve"), environ) as workers:
        yield workers


@contextmanager
def _vectors() -> Iterator[str]:
    """The address of an embedding server on a thread of its own."""
    ready, over = Event(), Event()
    address: list[str] = []

    async def serve() -> None:
        async with embedding_server() as server:
            address.append(server.url)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = Thread(target=lambda: asyncio.run(serve()), name="embeddings")
    thread.start()
    try:
        ready.wait()
        yield address[0]
    finally:
        over.set()
        thread.join()
