"""The slots of a queue: as many at once as there are, and an interrupt that hits only its own run."""

import asyncio
from collections.abc import Awaitable, Callable

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.backlog import Backlog
from jobline.worker.cancel import CancelReason
from jobline.worker.lanes import Lanes
from jobline.worker.results import GivenBack, RunResult, Succeeded
from jobline.worker.run import Delivery, Terms
from support.eventually import eventually


class World:
    """Lanes whose handler is the test's."""

    def __init__(self, handler: Callable[[Delivery], Awaitable[RunResult]], slots: int = 1) -> None:
        self.backlog = Backlog("q", slots, 100, lambda: 0.0)
        self.reported: list[tuple[str, RunResult]] = []
        self.lanes = Lanes(self.backlog, handler, lambda d, result: self.reported.append((d.assignment.job_id, result)))

    async def __aenter__(self) -> "World":
        self.lanes.start()
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *raised: object) -> None:
        await asyncio.wait_for(self.lanes.close(), 5)

    def put(self, *job_ids: str) -> list[Delivery]:
        deliveries = [Delivery(pb.Assignment(job_id=job_id), Terms()) for job_id in job_ids]
        for delivery in deliveries:
            self.backlog.put(delivery)
        self.lanes.wake()
        return deliveries


async def test_no_more_jobs_run_at_once_than_there_are_slots():
    gate = asyncio.Event()

    async def handler(delivery: Delivery) -> RunResult:
        await gate.wait()
        return Succeeded("null")

    async with World(handler, slots=2) as world:
        world.put("a", "b", "c")
        await eventually(lambda: len(world.lanes.running()) == 2)
        assert world.backlog.running == 2
        gate.set()
        await eventually(lambda: len(world.reported) == 3)
        await asyncio.wait_for(world.lanes.at_rest(), 5)
        assert world.backlog.running == 0


async def test_a_lane_that_runs_many_short_jobs_lets_the_loop_turn():
    turns: list[int] = []

    async def handler(delivery: Delivery) -> RunResult:
        return Succeeded("null")

    async with World(handler) as world:
        world.put(*(str(n) for n in range(200)))

        async def count() -> None:
            while len(world.reported) < 200:
                turns.append(len(world.reported))
                await asyncio.sleep(0)

        await asyncio.wait_for(count(), 5)
    assert any(0 < turn < 200 for turn in turns)


async def test_an_interrupt_ends_its_run_and_not_the_lane():
    async def handler(delivery: Delivery) -> RunResult:
        if delivery.assignment.job_id == "quick":
            return Succeeded("null")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return GivenBack("interrupted")

    async with World(handler) as world:
        (slow, _) = world.put("slow", "quick")
        await eventually(lambda: world.lanes.running() == [slow])
        slow.cancel.fire(CancelReason.LOST)
        world.lanes.interrupt(slow)
        await eventually(lambda: len(world.reported) == 2)
    assert world.reported == [("slow", GivenBack("interrupted")), ("quick", Succeeded("null"))]


async def test_an_interrupt_that_comes_as_its_run_ends_does_not_hit_the_next_job():
    interrupted: list[str] = []
    running: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handler(delivery: Delivery) -> RunResult:
        try:
            if delivery.assignment.job_id == "first":
                await running
                # The interrupt arrives when nothing is left to await in this run.
                world.lanes.interrupt(delivery)
            else:
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            interrupted.append(delivery.assignment.job_id)
            raise
        return Succeeded("null")

    async with World(handler) as world:
        world.put("first", "second")
        await asyncio.sleep(0)
        running.set_result(None)
        await eventually(lambda: len(world.reported) == 2)
    assert interrupted == []


async def test_an_interrupt_of_a_run_that_is_over_does_nothing():
    async def handler(delivery: Delivery) -> RunResult:
        return Succeeded("null")

    async with World(handler) as world:
        (first,) = world.put("first")
        await eventually(lambda: len(world.reported) == 1)
        world.lanes.interrupt(first)
        world.put("second")
        await eventually(lambda: len(world.reported) == 2)


async def test_a_step_that_nothing_interrupts_goes_on_to_its_end_when_time_is_up():
    began, end = asyncio.Event(), asyncio.Event()

    async def handler(delivery: Delivery) -> RunResult:
        delivery.uninterrupted = True
        began.set()
        await end.wait()
        return Succeeded("null")

    async with World(handler) as world:
        (delivery,) = world.put("a")
        await began.wait()
        world.lanes.interrupt(delivery)
        world.lanes.stop_all()
        assert delivery.cancel.reason is CancelReason.SHUTDOWN
        await asyncio.sleep(0)
        assert world.reported == []
        end.set()
        await eventually(lambda: world.reported == [("a", Succeeded("null"))])
