"""Where jobs are: asked for many at once, and pushed to who watches."""

from __future__ import annotations

import time

import pytest

from jobline.client import AsyncJoblineClient
from jobline.v1 import account_service_pb2, job_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest
from support.queue_watch import Watch


def located(calls: Calls, *ids: str) -> list[tuple[str, int]]:
    found = calls.jobs.LocateJobs(job_service_pb2.LocateJobsRequest(ids=ids)).places
    return [(place.id, place.position) for place in found]


def moved(watch: Watch) -> list[tuple[str, int]]:
    return [(place.id, place.position) for message in list(watch.messages) for place in message.places]


def test_places_come_in_the_order_of_the_request_without_those_that_have_ended(calls: Calls, queue: str):
    first, second, third = calls.enqueue(*(new_job(queue, n) for n in range(3)))
    assert located(calls, third, first, second) == [(third, 3), (first, 1), (second, 2)]
    run = calls.claim_one(queue)
    assert located(calls, second, first) == [(second, 1), (first, 0)]
    calls.complete(run)
    assert located(calls, first, third) == [(third, 2)]
    assert located(calls, third, third) == [(third, 2)] * 2


def test_a_place_says_why_there_is_no_estimate(calls: Calls, queue: str):
    (job,) = calls.enqueue(new_job(queue))
    (place,) = calls.jobs.LocateJobs(job_service_pb2.LocateJobsRequest(ids=[job])).places
    assert (place.eta.HasField("p50"), place.eta.reason) == (False, "NO_WORKER")


def test_users_find_their_own_and_the_gateway_itself_finds_all(
    service: QueueServiceUnderTest, calls: Calls, queue: str
):
    mine, other = calls.enqueue(new_job(queue, owner="user:ann"), new_job(queue, owner="user:bob"))
    with Calls(service.address, service.gateway_token, account_service_pb2.Caller(sub="ann")) as ann:
        assert located(ann, other, mine) == [(mine, 1)]
    with Calls(service.address, service.gateway_token) as gateway:
        assert located(gateway, other, mine) == [(other, 2), (mine, 1)]
    with Calls(service.address, service.producer_token) as producer:
        assert located(producer, other, mine) == []


@pytest.mark.parametrize("ids", [[], ["no-id"], ["00000000-0000-7000-8000-000000000000"] * 10_001], ids=len)
def test_a_bad_request_is_refused(calls: Calls, ids: list[str]):
    with refused("INVALID_FIELD"):
        located(calls, *ids)


def test_a_watch_is_told_of_places_that_move_and_of_nothing_else(calls: Calls, queue: str):
    first, second, third = calls.enqueue(*(new_job(queue, n) for n in range(3)))
    watch = Watch(calls, queues=[queue], places=True)
    eventually_blocking(lambda: moved(watch) == [(first, 1), (second, 2), (third, 3)], what="the places as they are")
    calls.delete(second)
    eventually_blocking(lambda: moved(watch)[3:] == [(third, 2)], what="the place that has moved")
    assert all(not message.change_id for message in watch.messages if message.places)
    (fourth,) = calls.enqueue(new_job(queue))
    eventually_blocking(lambda: moved(watch)[4:] == [(fourth, 3)], what="the place of a new job")
    watch.cancel()


def test_a_watch_that_goes_on_is_told_all_places_once(calls: Calls, queue: str):
    first, second = calls.enqueue(*(new_job(queue, n) for n in range(2)))
    before = Watch(calls, queues=[queue])
    before.await_messages(2)
    before.cancel()
    watch = Watch(calls, ids=[second], resume_after=before.messages[-1].change_id, places=True)
    eventually_blocking(lambda: moved(watch) == [(second, 2)], what="the place as it is")
    calls.delete(first)
    eventually_blocking(lambda: moved(watch)[1:] == [(second, 1)], what="the place that has moved")
    watch.cancel()


def test_a_storm_of_changes_is_told_by_two_looks_a_second(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, n) for n in range(200)))
    watch = Watch(calls, ids=ids[150:], places=True)
    eventually_blocking(lambda: len(moved(watch)) == 50, what="all places")
    began = time.monotonic()
    for job_id in ids[:150]:
        calls.delete(job_id)
    eventually_blocking(lambda: moved(watch)[-1:] == [(ids[-1], 50)], what="the last place is the right one")
    told = sum(bool(message.places) for message in list(watch.messages))
    assert told <= 3 + 2 * (time.monotonic() - began)
    watch.cancel()


def test_a_removal_says_whose_job_it_was(calls: Calls, queue: str):
    living, ended = calls.enqueue(new_job(queue, owner="user:ann"), new_job(queue, owner="user:bob"))
    calls.cancel(ended)
    watch = Watch(calls, ids=[living])
    watch.await_messages(1)
    both = Watch(calls, queues=[queue])
    both.await_messages(1)
    for job_id in (living, ended):
        calls.delete(job_id)
    both.await_messages(3)
    removed = [(each.removed_id, each.removed_queue, each.removed_owner) for each in both.messages[1:]]
    assert removed == [(living, queue, "user:ann"), (ended, queue, "user:bob")]
    assert watch.await_end() is None
    both.cancel()


async def test_the_client_gives_places(client: AsyncJoblineClient, queue: str):
    stored = await client.enqueue(queue, "test")
    async for change in client.watch(queues=[queue], places=True):
        if change.places:
            break
    (place,) = change.places
    assert (place.id, place.position, change.job, change.change_id) == (stored.id, 1, None, "")
    assert place.eta is not None
    assert (place.eta.p50, place.eta.reason) == (None, "NO_WORKER")
