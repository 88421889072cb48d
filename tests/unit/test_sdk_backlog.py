"""Jobs that wait in a worker, and how many it asks for."""

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.backlog import Backlog
from jobline.worker.run import Delivery, Terms


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def put(backlog: Backlog, clock: Clock, count: int) -> list[Delivery]:
    deliveries = [Delivery(pb.Assignment(job_id=str(n)), Terms(), clock.now) for n in range(count)]
    for delivery in deliveries:
        backlog.put(delivery)
    return deliveries


def test_a_worker_asks_for_its_slots_and_what_may_wait():
    assert Backlog("q", 2, 8, Clock()).capacity() == 10


def test_jobs_leave_in_the_order_they_came():
    clock = Clock()
    backlog = Backlog("q", 1, 9, clock)
    deliveries = put(backlog, clock, 3)
    assert [backlog.take() for _ in range(4)] == [*deliveries, None]


def test_jobs_that_wait_while_others_begin_are_kept():
    clock = Clock()
    backlog = Backlog("q", 1, 9, clock)
    put(backlog, clock, 3)
    clock.now += 0.9
    backlog.take()
    clock.now += 0.9
    assert backlog.give_back(clock.now) == []
    assert len(backlog) == 2


def test_when_nothing_begins_for_a_second_what_waits_is_given_back_and_no_more_is_asked_for():
    clock = Clock()
    backlog = Backlog("q", 1, 9, clock)
    deliveries = put(backlog, clock, 3)
    backlog.take()
    backlog.running = 1
    clock.now += 1.0
    assert backlog.give_back(clock.now) == [deliveries[2], deliveries[1]]
    assert backlog.capacity() == 1
    assert backlog.give_back(clock.now + 5) == []


def test_a_stuck_worker_whose_runs_have_all_ended_still_asks_for_one_job_or_nothing_would_ever_begin_again():
    clock = Clock()
    backlog = Backlog("q", 4, 9, clock)
    put(backlog, clock, 3)
    backlog.take()
    backlog.running = 1
    clock.now += 1.0
    backlog.give_back(clock.now)
    backlog.running = 0
    assert backlog.capacity() == 1


def test_once_something_begins_again_the_worker_asks_for_everything_again():
    clock = Clock()
    backlog = Backlog("q", 1, 9, clock)
    put(backlog, clock, 2)
    clock.now += 1.0
    assert len(backlog.give_back(clock.now)) == 2
    assert backlog.capacity() == 1
    clock.now += 0.1
    put(backlog, clock, 1)
    backlog.take()
    assert backlog.capacity() == 10
