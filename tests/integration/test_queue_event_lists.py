"""ListEvents: what was done to jobs and queues and by whom, page by page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from jobline.v1 import job_pb2
from jobline.v1 import queue_service_pb2 as pb
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest


def events(calls: Calls, page_size: int = 500, **wanted: object) -> list[job_pb2.JobEvent]:
    """Every page, one after the other."""
    request = pb.ListEventsRequest(page_size=page_size, **wanted)
    found: list[job_pb2.JobEvent] = []
    while True:
        page = calls.queues.ListEvents(request)
        found += page.events
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def test_pages_hold_every_act_once_newest_first_with_its_job_and_queue(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue) for _ in range(5)))
    for job_id in ids:
        calls.cancel(job_id, "no longer needed")
    calls.retry(ids[0])
    found = events(calls, page_size=2, queue=queue)
    assert [(event.name, event.job_id) for event in found] == [
        ("retried", ids[0]),
        *(("cancelled", job_id) for job_id in reversed(ids)),
    ]
    assert {event.queue for event in found} == {queue}
    assert {event.detail for event in found[1:]} == {"no longer needed"}
    assert {event.actor for event in found} == {"service:operator"}


def test_acts_are_found_by_name_and_actor(service: QueueServiceUnderTest, calls: Calls, queue: str):
    with Calls(service.address, service.producer_token) as producer:
        (job_id,) = producer.enqueue(new_job(queue))
        producer.cancel(job_id)
    calls.retry(job_id)
    assert [event.name for event in events(calls, queue=queue, actor="service:producer")] == ["cancelled"]
    assert [event.actor for event in events(calls, queue=queue, name="retried")] == ["service:operator"]
    assert events(calls, queue=queue, name="retried", actor="service:producer") == []


def test_what_happens_by_itself_is_told_to_those_who_ask_for_it(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    calls.release(calls.claim_one(queue), "not now")
    calls.cancel(job_id)
    assert [event.name for event in events(calls, queue=queue)] == ["cancelled"]
    assert [event.name for event in events(calls, queue=queue, with_system=True)] == ["cancelled", "released"]
    assert [event.name for event in events(calls, queue=queue, name="released")] == ["released"]


def test_acts_on_queues_have_no_job(calls: Calls, queue: str):
    calls.enqueue(new_job(queue))
    calls.queues.PauseQueue(pb.PauseQueueRequest(queue=queue, reason="deploy"))
    calls.queues.ResumeQueue(pb.ResumeQueueRequest(queue=queue))
    assert [(event.name, event.job_id, event.detail) for event in events(calls, queue=queue)] == [
        ("resumed", "", ""),
        ("paused", "", "deploy"),
    ]


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("page_size", {"page_size": 501}),
        ("page_size", {"page_size": -1}),
        ("page_token", {"page_token": "7"}),
        ("queue", {"queue": "q" * 65}),
        ("actor", {"actor": "a\0b"}),
        ("name", {"name": "n" * 65}),
    ],
)
def test_what_is_no_filter_is_refused_by_name(calls: Calls, field: str, wanted: dict[str, object]):
    with refused("INVALID_FIELD") as seen:
        calls.queues.ListEvents(pb.ListEventsRequest(**wanted))
    assert seen[0].fields == (field,)


def test_a_search_that_takes_too_long_is_too_broad_and_keeps_nobody_from_reading(
    service: QueueServiceUnderTest, calls: Calls, queue: str
):
    (job_id,) = calls.enqueue(new_job(queue))
    with psycopg.connect(service.database_url) as stranger, ThreadPoolExecutor(4) as callers:
        stranger.execute("LOCK TABLE jobline.events IN ACCESS EXCLUSIVE MODE")
        searches = [callers.submit(events, calls) for _ in range(4)]
        assert calls.job(job_id).id == job_id
        for search in searches:
            with refused("TOO_BROAD") as seen:
                search.result()
            assert seen[0].status == "RESOURCE_EXHAUSTED"
