"""An operator's limit: in force at once, over restarts, and until it is reset; under load nothing runs beyond it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from jobline.v1 import queue_pb2
from jobline.v1 import queue_service_pb2 as pb
from jobline_queue.core.ending import Completed, RunEnd
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.acts import EndRun
from jobline_queue.dispatch.claimer import LOST_WAKE_UP
from jobline_queue.dispatch.session import Session
from jobline_queue.rpc.queue_acts import store_limit
from support.eventually import eventually, eventually_blocking
from support.hooked_core import HookedCore, hooked_core
from support.queue_calls import Calls, RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases


def limit(calls: Calls, queue: str, most: int | None) -> queue_pb2.Queue:
    changed: pb.SetQueueLimitResponse = calls.queues.SetQueueLimit(
        pb.SetQueueLimitRequest(queue=queue, max_running=most)
    )
    return changed.queue


def shown(calls: Calls, queue: str) -> tuple[int, bool]:
    """The limit in force, and whether an operator has set it."""
    found = calls.queues.GetQueue(pb.GetQueueRequest(queue=queue)).queue
    return found.policy.max_running, found.limit_overridden


def worker_of(calls: Calls, queue: str, room: int = 100) -> RawWorker:
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(room)
    return worker


def test_a_limit_holds_at_once_and_a_higher_one_wakes_the_claimer(service: QueueServiceUnderTest, queue: str):
    with Calls(service.address, service.operator_token) as calls:
        calls.enqueue(*(new_job(queue) for _ in range(20)))
        limited = limit(calls, queue, 3)
        assert (limited.policy.max_running, limited.limit_overridden) == (3, True)
        worker = worker_of(calls, queue)
        assert len(worker.await_jobs(3)) == 3
        limit(calls, queue, 8)
        runs = worker.await_jobs(8, within=4)
        limit(calls, queue, 5)
        worker.complete(*runs[:3])
        worker.await_ack(runs[2])
        assert calls.queues.GetQueue(pb.GetQueueRequest(queue=queue)).queue.stats.running == 5
        assert len(worker.assignments) == 8, "three ends make no room where eight ran and five may"
        worker.complete(runs[3])
        worker.await_jobs(9, within=4)
        assert limit(calls, queue, None).limit_overridden is False
        worker.await_jobs(20, within=4)
    assert f"{LOST_WAKE_UP}: {queue}" not in service.log


def test_a_reset_limit_is_the_policys(service: QueueServiceUnderTest):
    with Calls(service.address, service.operator_token) as calls:
        assert shown(calls, "limit_set") == (2, False)
        limit(calls, "limit_set", 4)
        assert shown(calls, "limit_set") == (4, True)
        calls.enqueue(*(new_job("limit_set") for _ in range(5)))
        assert len(calls.claim("limit_set", most=5)) == 4
        limit(calls, "limit_set", None)
        assert shown(calls, "limit_set") == (2, False)
        events = service.execute(
            "SELECT name, actor, detail FROM jobline.events WHERE queue = 'limit_set' AND job_id IS NULL ORDER BY id"
        )
    assert events == [
        ("limit_changed", "service:operator", "2 → 4"),
        ("limit_changed", "service:operator", "4 → 2 (the policy's)"),
    ]


def test_a_limit_is_kept_over_a_kill_and_so_is_its_reset(lent_service: QueueServiceUnderTest):
    with Calls(lent_service.address, lent_service.operator_token) as calls:
        calls.enqueue(*(new_job("kept_limit") for _ in range(3)))
        limit(calls, "kept_limit", 2)
        lent_service.restart()
        calls.channel_ready()
        assert shown(calls, "kept_limit") == (2, True)
        paused = calls.queues.GetQueue(pb.GetQueueRequest(queue="kept_limit")).queue.paused
        assert not paused, "a limit is no pause"
        assert len(calls.claim("kept_limit", most=3)) == 2
        limit(calls, "kept_limit", None)
        lent_service.restart()
        calls.channel_ready()
        assert shown(calls, "kept_limit") == (0, False)


def test_a_successor_that_waits_for_its_forerunners_end_is_not_shown_as_running(databases: Databases, tmp_path: Path):
    """One transaction ends the one and claims the other; until its commit a limit of 1 must not look exceeded."""
    gate = tmp_path / "gate"
    armed = f"finish.before_commit=wait:{gate}"
    with (
        databases.fresh() as url,
        queue_service(url, tmp_path, JOBLINE_FAILPOINTS=armed) as service,
        Calls(service.address, service.operator_token) as calls,
    ):
        first, second = calls.enqueue(new_job("one"), new_job("one"))
        limit(calls, "one", 1)
        worker = worker_of(calls, "one")
        worker.complete(*worker.await_jobs(1))
        eventually_blocking(lambda: "failpoint finish.before_commit" in service.log, what="the claim is decided")
        stats = calls.queues.GetQueue(pb.GetQueueRequest(queue="one")).queue.stats
        assert (stats.ready, stats.running) == (1, 1)
        assert (calls.state(first), calls.state(second)) == ("running", "pending")
        gate.touch()
        worker.await_jobs(2)
        stats = calls.queues.GetQueue(pb.GetQueueRequest(queue="one")).queue.stats
        assert (stats.ready, stats.running) == (0, 1)


@pytest.mark.parametrize("most", [0, -1, 100_001])
def test_a_limit_is_1_to_100_000(calls: Calls, queue: str, most: int):
    calls.enqueue(new_job(queue))
    with refused("INVALID_FIELD") as seen:
        limit(calls, queue, most)
    assert seen[0].fields == ("max_running",)


def test_only_a_known_queue_has_a_limit(calls: Calls, queue: str):
    with refused("QUEUE_NOT_FOUND"):
        limit(calls, queue, 1)


def test_limits_that_many_set_at_once_follow_one_another(service: QueueServiceUnderTest, calls: Calls, queue: str):
    calls.enqueue(new_job(queue))
    with ThreadPoolExecutor(8) as admins:
        list(admins.map(lambda most: limit(calls, queue, most), range(1, 21)))
    stored = service.execute("SELECT max_running FROM jobline.queues WHERE name = %s", queue)
    details = service.execute(
        "SELECT detail FROM jobline.events WHERE queue = %s AND job_id IS NULL ORDER BY id", queue
    )
    steps = [detail.split(" → ") for (detail,) in details]
    assert len(steps) == 20
    assert all(before[1] == after[0] for before, after in pairwise(steps))
    assert [(shown(calls, queue)[0],)] == stored == [(int(steps[-1][1]),)]


# ---- under load -------------------------------------------------------------------------------------------------------


class Overseer:
    """A RunObserver that looks at every start: how many run then, and how many the workers hold."""

    def __init__(self, core: HookedCore, sessions: Sequence[Session]) -> None:
        self._dispatcher = core.active.dispatcher
        #: What each worker has room for: it has said how the others ended.
        self.room = {session.id: session.capacity["q"] for session in sessions}
        #: What must hold now; None: a change is under way, or there is no limit.
        self.limit: int | None = None
        self.done = 0
        self.complaints: list[str] = []

    def granted(self, lease: Lease) -> None:
        running = sum(len(each.jobs) for each in self._dispatcher.leases.values())
        if self.limit is not None and running > self.limit:
            self.complaints.append(f"{running} run where {self.limit} may")
        self.room[lease.session_id] -= len(lease.jobs)
        if self.room[lease.session_id] < 0:
            self.complaints.append(f"a worker holds {-self.room[lease.session_id]} jobs more than it has room for")

    def succeeded(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        self.done += len(jobs)

    def enqueued(self, queue: str, count: int) -> None: ...

    def ended(self, job: LiveJob, lease: Lease, end: RunEnd | None, at: float) -> None: ...

    def cancelled(self, job: LiveJob) -> None: ...


async def work(core: HookedCore, session: Session, overseer: Overseer) -> None:
    """Ends every job as soon as it comes."""
    while True:
        await session.wake.wait()
        for item in session.take().assignments:
            overseer.room[session.id] += 1
            act = EndRun(item.job.id, item.lease_token, Completed("null"), session.answer_outcome)
            core.active.desk.session_outcomes(session, [(item.job, act)])
        await asyncio.sleep(0)


async def feed(core: HookedCore) -> None:
    """Keeps some jobs waiting."""
    while True:
        if len(core.active.dispatcher.queue("q").order) < 500:
            await core.enqueue(*(NewJob("q", "k") for _ in range(500)))
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def load(core: HookedCore, rooms: Sequence[int]) -> AsyncIterator[Overseer]:
    """Workers with room for so many jobs each, and enough to do."""
    sessions = [core.stream("q", ["k"], room) for room in rooms]
    overseer = Overseer(core, sessions)
    core.active.dispatcher.observers.append(overseer)
    tasks = [asyncio.create_task(feed(core)), *(asyncio.create_task(work(core, each, overseer)) for each in sessions)]
    try:
        yield overseer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_limits_that_come_and_go_under_load_are_never_exceeded(fresh_database: str):
    async with (
        hooked_core(fresh_database, policies={"q": QueuePolicy("q")}) as core,
        load(core, rooms=(40, 40, 3)) as overseer,
    ):
        for most in (None, 5, 60, 1, None, 1000, 30, None, 1000, 2, None, 1000, 7):
            overseer.limit = None
            await store_limit(core.active, "q", most, "service:tests")
            overseer.limit, before = most, overseer.done
            await eventually(
                lambda before=before: overseer.done > before + 150, what=f"jobs run with a limit of {most}"
            )
    assert overseer.complaints == []
