"""Lists of jobs: every order, every filter, pages that neither skip nor repeat, counts, and searches that take too long."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest

PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    job_pb2.JOB_STATE_PENDING,
    job_pb2.JOB_STATE_RUNNING,
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
)
ORDERS = [
    pb.JOB_ORDER_CREATED,
    pb.JOB_ORDER_UPDATED,
    pb.JOB_ORDER_FINISHED,
    pb.JOB_ORDER_RUN_AT,
    pb.JOB_ORDER_PRIORITY,
    pb.JOB_ORDER_ATTEMPT,
]
#: Later than any job's end.
_NEVER = 2**62


@pytest.fixture(scope="module")
def service(shared_queue: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return shared_queue


@pytest.fixture(scope="module")
def reader(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.operator_token) as calls:
        yield calls


@pytest.fixture(scope="module")
def mixed(service: QueueServiceUnderTest, reader: Calls) -> list[job_pb2.Job]:
    """Forty jobs of one queue in every state, with few priorities, so that orders have ties. As GetJob tells them."""
    queue = "job_lists_mixed"
    jobs = [new_job(queue, priority=number % 3, max_attempts=1, owner=f"user:{number % 2}") for number in range(40)]
    ids = reader.enqueue(*jobs)
    for number, run in enumerate(reader.claim(queue, most=24)):
        match number % 4:
            case 0:
                reader.complete(run)
            case 1:
                reader.fail(run, code="EVEN_WORSE", message=f"the 100% broken _thing_ of {run.job_id[-2:]}")
            case 2:
                reader.snooze(run, 3600)
    waiting = [job_id for job_id in ids if reader.state(job_id) == "pending"]
    for job_id in waiting[::5]:
        reader.cancel(job_id)
    # A run gets its mark once it is 100 ms old, which updates its row.
    marked = "SELECT count(*) FROM jobline.jobs WHERE queue = %s AND state = 'running'"
    eventually_blocking(lambda: service.execute(marked, queue) == [(6,)], what="the rows of the six runs are marked")
    return [reader.job(job_id) for job_id in ids]


def pages(calls: Calls, size: int, where: pb.JobFilter, **order: Any) -> list[job_pb2.Job]:
    """Every page of a list, one after the other."""
    request = pb.ListJobsRequest(filter=where, page_size=size, **order)
    found: list[job_pb2.Job] = []
    while True:
        page = calls.jobs.ListJobs(request)
        assert len(page.jobs) <= size
        found += page.jobs
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def _key(order: int) -> Callable[[job_pb2.Job], Any]:
    """What a list is ordered by; attempts are compared by what rows say, in which a run under way may not count yet."""
    match order:
        case pb.JOB_ORDER_UPDATED:
            return lambda job: (job.updated_at.ToNanoseconds(), job.id)
        case pb.JOB_ORDER_FINISHED:
            return lambda job: (job.finished_at.ToNanoseconds() if job.HasField("finished_at") else _NEVER, job.id)
        case pb.JOB_ORDER_RUN_AT:
            return lambda job: (job.run_at.ToNanoseconds(), job.id)
        case pb.JOB_ORDER_PRIORITY:
            return lambda job: (job.priority, job.id)
        case _:
            return lambda job: job.id


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("order", [order for order in ORDERS if order != pb.JOB_ORDER_ATTEMPT])
def test_pages_hold_every_job_once_in_every_order(reader: Calls, mixed: list[job_pb2.Job], order: int, ascending: bool):
    where = pb.JobFilter(queues=["job_lists_mixed"])
    found = pages(reader, 7, where, order=order, ascending=ascending)
    assert [job.id for job in found] == [job.id for job in sorted(mixed, key=_key(order), reverse=not ascending)]


def test_the_order_by_attempts_has_those_of_runs_that_have_ended(reader: Calls, mixed: list[job_pb2.Job]):
    ended = pb.JobFilter(queues=["job_lists_mixed"], states=[SUCCEEDED, FAILED, CANCELLED])
    found = pages(reader, 4, ended, order=pb.JOB_ORDER_ATTEMPT)
    assert [job.id for job in found] == [
        job.id for job in sorted(found, key=lambda job: (job.attempt, job.id), reverse=True)
    ]
    assert {job.attempt for job in found} == {0, 1}


@pytest.mark.parametrize("states", [[PENDING], [RUNNING], [FAILED], [PENDING, RUNNING], [RUNNING, CANCELLED], []])
def test_states_are_those_of_the_moment(reader: Calls, mixed: list[job_pb2.Job], states: list[Any]):
    where = pb.JobFilter(queues=["job_lists_mixed"], states=states)
    expected = {job.id: job.state for job in mixed if not states or job.state in states}
    found = pages(reader, 9, where)
    assert {job.id: job.state for job in found} == expected
    counted = reader.jobs.CountJobs(pb.CountJobsRequest(filter=where))
    assert counted.count == len(expected)
    assert {each.state: each.count for each in counted.states} == {
        state: list(expected.values()).count(state) for state in set(expected.values())
    }


@pytest.mark.parametrize(
    ("error", "found"),
    [
        ("EVEN_WORSE", True),
        ("even_worse", True),
        ("EVEN", False),
        ("100% BROKEN _thing_", True),
        ("100_ broken", False),
        ("100%thing", False),
        ("\\", False),
        ("no such", False),
    ],
)
def test_an_error_is_found_by_its_code_or_a_part_of_its_message(
    reader: Calls, mixed: list[job_pb2.Job], error: str, found: bool
):
    where = pb.JobFilter(queues=["job_lists_mixed"], error=error)
    expected = [job.id for job in mixed if job.HasField("error")] if found else []
    assert sorted(job.id for job in pages(reader, 500, where)) == expected
    assert reader.jobs.CountJobs(pb.CountJobsRequest(filter=where)).count == len(expected)


def test_an_error_of_an_earlier_run_is_not_found_once_the_job_runs_again(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue, max_attempts=3))
    calls.fail(calls.claim_one(queue), code="FLAKY")
    where = pb.JobFilter(queues=[queue], error="FLAKY")
    assert [job.id for job in pages(calls, 10, where)] == [job_id]
    calls.cancel(job_id)
    assert pages(calls, 10, where) == []


def test_several_queues_and_an_owner_are_chosen_together(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(f"{queue}-{number}", owner=f"user:{number}") for number in range(3)))
    assert [job.id for job in calls.list_jobs(f"{queue}-0", f"{queue}-2")] == [ids[2], ids[0]]
    where = pb.JobFilter(queues=[f"{queue}-0", f"{queue}-2"], owner="user:2")
    assert [job.id for job in pages(calls, 10, where)] == [ids[2]]


def test_a_job_in_a_lease_is_running_before_its_row_says_so(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(3)))
    worker = RawWorker(calls, queue)
    worker.capacity(2)
    worker.await_jobs(2)
    for states, count in (([RUNNING], 2), ([PENDING], 1), ([PENDING, RUNNING], 3)):
        assert len(pages(calls, 10, pb.JobFilter(queues=[queue], states=states))) == count


def test_pages_go_on_where_they_were_while_jobs_come_and_go(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, priority=number % 2) for number in range(12)))
    where = pb.JobFilter(queues=[queue])
    request = pb.ListJobsRequest(filter=where, page_size=4, order=pb.JOB_ORDER_PRIORITY)
    first = calls.jobs.ListJobs(request)
    calls.delete(first.jobs[-1].id)
    calls.enqueue(new_job(queue, priority=1))
    request.page_token = first.next_page_token
    request.page_size = 500
    rest = calls.jobs.ListJobs(request)
    assert sorted([job.id for job in (*first.jobs, *rest.jobs)]) == ids


def test_a_token_of_another_order_is_refused(reader: Calls, mixed: list[job_pb2.Job]):
    where = pb.JobFilter(queues=["job_lists_mixed"])
    token = reader.jobs.ListJobs(pb.ListJobsRequest(filter=where, page_size=1)).next_page_token
    for other in ({"order": pb.JOB_ORDER_UPDATED}, {"ascending": True}):
        with refused("INVALID_FIELD"):
            reader.jobs.ListJobs(pb.ListJobsRequest(filter=where, page_token=token, **other))


def test_the_steps_of_a_job_say_when_and_in_which_run_they_ended(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue, max_attempts=3))
    run = calls.claim_one(queue)
    calls.report(run, first={"a": 1})
    calls.release(run)
    run = calls.claim_one(queue)
    calls.report(run, second=2)
    steps = calls.get(job_id).steps
    assert [(step.name, json.loads(step.output_json), step.attempt) for step in steps] == [
        ("first", {"a": 1}, 1),
        ("second", 2, 1),
    ]
    assert steps[0].finished_at.ToNanoseconds() <= steps[1].finished_at.ToNanoseconds()
