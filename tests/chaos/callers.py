"""Those who use the house while it burns: producers and operators, and what each of them was told."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import uuid_utils

from chaos.house import House
from chaos.workload import QUEUES, new_job
from jobline.client import AsyncJoblineClient
from jobline.client.convert import new_job as to_message
from jobline.client.models import NewJob
from jobline.errors import Conflict, DeadlineExceeded, JoblineError, NotFound, Unavailable, WrongState
from jobline.v1 import job_service_pb2
from jobline.v1.job_service_pb2_grpc import JobServiceStub

__all__ = ["OUTAGE", "Act", "Callers", "Ledger", "Request", "insist", "store"]

#: What a caller must be ready for while things break; anything else is a fault of the service.
OUTAGE = (Unavailable, DeadlineExceeded)
_SIZES = (1, 1, 1, 1, 2, 3, 8, 20, 40)
_ANSWER_WITHIN = 60.0


@dataclass(eq=False)
class Request:
    """One call to enqueue: how it may be repeated (`plain`, `keyed`, `request_id`), and the ids that it got."""

    style: str
    jobs: list[NewJob]
    request_id: str
    ids: list[str] | None = None
    #: When they came first, on the wall clock.
    answered_at: float = 0.0

    @property
    def tags(self) -> list[str]:
        return [job.labels["tag"] for job in self.jobs]


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator asked for one job, and the answer: `done`, `unknown`, or the name of a refusal."""

    wall: float
    what: str
    job: str
    answer: str

    def __str__(self) -> str:
        return f"{self.wall:.3f} caller: {self.what} → {self.answer}"


@dataclass
class Ledger:
    """Everything that was asked and answered."""

    requests: list[Request] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: Ids that operators may choose from.
    pool: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[str, str]:
        """Job id → its tag."""
        return {
            job_id: tag
            for request in self.requests
            if request.ids is not None
            for job_id, tag in zip(request.ids, request.tags, strict=True)
        }

    @property
    def told(self) -> dict[str, list[float]]:
        """Job id → when a caller was told that it is stored, or pending again; in no order."""
        told: dict[str, list[float]] = {}
        for request in self.requests:
            for job_id in request.ids or ():
                told.setdefault(job_id, []).append(request.answered_at)
        for act in self.acts:
            if (act.what, act.answer) == ("retry", "done"):
                told.setdefault(act.job, []).append(act.wall)
        return told


class Callers:
    """Three producers and three operators, each with random numbers of its own."""

    def __init__(self, house: House, seed: int, jobs_per_second: float) -> None:
        self._house = house
        self._seed = seed
        self._pause = 3 * sum(_SIZES) / len(_SIZES) / jobs_per_second
        self.ledger = Ledger()

    async def work(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(self._produce(number))
                group.create_task(self._operate(number))
            group.create_task(self._pause_queues())

    async def finish(self) -> None:
        """After the faults: whoever did not get an answer and may repeat the call asks again; queues are resumed."""
        async with self._house.client() as client:
            for request in self.ledger.requests:
                if request.ids is None and request.style != "plain":
                    await insist(lambda request=request: store(client, request, self.ledger), self.ledger)
            for queue in QUEUES:
                await insist(lambda queue=queue: client.resume_queue(queue), self.ledger)

    # ---- producers ----------------------------------------------------------------------------------------------

    async def _produce(self, producer: int) -> None:
        rng = random.Random(f"producer {self._seed} {producer}")
        number = 0
        async with self._house.client() as client:
            while True:
                style = rng.choice(("plain", "keyed", "request_id"))
                jobs = []
                for _ in range(rng.choice(_SIZES)):
                    number += 1
                    tag = f"{producer}-{number}"
                    jobs.append(new_job(QUEUES, rng, tag, f"key-{tag}" if style == "keyed" else ""))
                request = Request(style, jobs, str(uuid_utils.uuid7()))
                self.ledger.requests.append(request)
                await self._send(client, request, twice=rng.random() < 0.3)
                await asyncio.sleep(rng.expovariate(1 / self._pause))

    async def _send(self, client: AsyncJoblineClient, request: Request, *, twice: bool) -> None:
        try:
            await store(client, request, self.ledger)
            if twice and request.style != "plain":
                await store(client, request, self.ledger)
            if twice and request.style == "keyed":
                await self._contradict(client, request.jobs[0])
        except OUTAGE:
            return
        except JoblineError as error:
            self.ledger.problems.append(f"enqueue {request.tags[0]}: {type(error).__name__}: {error}")
            return
        self.ledger.pool += request.ids or []

    async def _contradict(self, client: AsyncJoblineClient, job: NewJob) -> None:
        """I14: the same key with another payload is refused, and nothing is stored."""
        with contextlib.suppress(Conflict):
            stored = await client.enqueue_many([replace(job, payload={"ms": -1, "trouble": []})])
            self.ledger.problems.append(f"I14 {job.idempotency_key} was taken with another payload: {stored}")

    # ---- operators ----------------------------------------------------------------------------------------------

    async def _operate(self, operator: int) -> None:
        rng = random.Random(f"operator {self._seed} {operator}")
        cancelled: list[str] = []
        async with self._house.client(deadline=5.0) as client:
            while True:
                await asyncio.sleep(rng.expovariate(2.0))
                if not self.ledger.pool:
                    continue
                what = rng.choices(("cancel", "retry", "delete", "get"), (40, 25, 8, 27))[0]
                recent = self.ledger.pool[-200:]
                job_id = rng.choice(cancelled[-20:] if what == "retry" and cancelled else recent)
                answer = await self._act(client, what, job_id)
                if what == "cancel" and answer == "done":
                    cancelled.append(job_id)

    async def _act(self, client: AsyncJoblineClient, what: str, job_id: str) -> str:
        answer = "unknown"  # also for a call that is under way when the load ends
        try:
            await getattr(client, what)(job_id)
            answer = "done"
        except OUTAGE:
            pass
        except (NotFound, WrongState) as error:
            answer = type(error).__name__
        except JoblineError as error:
            self.ledger.problems.append(f"{what} {job_id}: {type(error).__name__}: {error}")
        finally:
            self.ledger.acts.append(Act(time.time(), what, job_id, answer))
        return answer

    async def _pause_queues(self) -> None:
        rng = random.Random(f"pauses {self._seed}")
        async with self._house.client(deadline=5.0) as client:
            while True:
                await asyncio.sleep(rng.expovariate(0.3))
                queue = rng.choice(list(QUEUES))
                try:
                    await client.pause_queue(queue, "chaos")
                    await asyncio.sleep(rng.uniform(0.1, 1.5))
                    await client.resume_queue(queue)
                except OUTAGE:
                    continue
                except JoblineError as error:
                    self.ledger.problems.append(f"pause {queue}: {type(error).__name__}: {error}")


async def store(client: AsyncJoblineClient, request: Request, ledger: Ledger) -> None:
    """Makes the call, or makes it again; its ids must not change. Raises JoblineError."""
    if request.style == "request_id":
        ids = await _by_request_id(client, request)
    elif len(request.jobs) == 1:
        ids = [await _alone(client, request.jobs[0])]
    else:
        ids = [stored.id for stored in await client.enqueue_many(request.jobs)]
    if request.ids not in (None, ids):
        ledger.problems.append(f"I14 the same call gave {request.ids}, then {ids}")
    if request.ids is None:
        request.answered_at = time.time()
    request.ids = ids


async def insist(act: Callable[[], Awaitable[object]], ledger: Ledger) -> None:
    """Asks until there is an answer."""
    deadline = time.monotonic() + _ANSWER_WITHIN
    while True:
        try:
            await act()
            return
        except OUTAGE as error:
            if time.monotonic() > deadline:
                ledger.problems.append(f"I13 no answer within {_ANSWER_WITHIN:.0f} s: {error}")
                return


async def _alone(client: AsyncJoblineClient, job: NewJob) -> str:
    stored = await client.enqueue(
        job.queue,
        job.kind,
        job.payload,
        owner=job.owner,
        priority=job.priority,
        run_at=job.run_at,
        concurrency_key=job.concurrency_key,
        idempotency_key=job.idempotency_key,
        labels=job.labels,
    )
    return stored.id


async def _by_request_id(client: AsyncJoblineClient, request: Request) -> list[str]:
    """The client makes up request ids of its own, so the call is made below it."""
    message = job_service_pb2.EnqueueJobsRequest(jobs=map(to_message, request.jobs), request_id=request.request_id)
    answer = await client._calls.unary(
        lambda channel: JobServiceStub(channel).EnqueueJobs, message, idempotent=True, deadline=10.0
    )
    return [job.id for job in answer.jobs]
