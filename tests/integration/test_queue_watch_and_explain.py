"""Watching jobs, and asking why one does not run, against the real service."""

from __future__ import annotations

from jobline.v1 import job_pb2
from support.queue_calls import Calls, new_job
from support.queue_watch import Watch


def test_a_watch_of_named_jobs_tells_their_state_then_every_change_and_ends_with_them(calls: Calls, queue: str):
    one, two = calls.enqueue(new_job(queue), new_job(queue))
    watch = Watch(calls, ids=[one, two])
    watch.await_messages(2)
    run = calls.claim_one(queue)
    calls.report(run, "first")
    calls.complete(run, {"answer": 1})
    calls.cancel(two)
    assert watch.await_end() is None
    assert watch.states(one) == ["pending", "running", "succeeded"]
    assert watch.states(two) == ["pending", "cancelled"]
    last = [message.job for message in watch.messages if message.job.id == one][-1]
    assert (last.result_json, last.payload_json) == ('{"answer": 1}', "")
    assert any(message.job.progress.step == "first" for message in watch.messages)


def test_a_watch_of_jobs_that_have_ended_tells_their_end_and_is_over(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    calls.cancel(job_id)
    watch = Watch(calls, ids=[job_id])
    assert watch.await_end() is None
    assert watch.states(job_id) == ["cancelled"]


def test_a_watch_of_a_queue_tells_new_jobs_and_removals_and_nothing_of_others(calls: Calls, queue: str):
    (before,) = calls.enqueue(new_job(queue))
    watch = Watch(calls, queues=[queue])
    watch.await_messages(1)
    (other,) = calls.enqueue(new_job(f"{queue}-other"))
    (new,) = calls.enqueue(new_job(queue))
    calls.delete(before)
    watch.await_states(new, "pending")
    watch.await_states(before, "pending", "removed")
    assert watch.states(other) == []
    watch.cancel()


def test_a_watch_of_a_queue_tells_the_removal_of_a_job_that_had_ended(calls: Calls, queue: str):
    watch = Watch(calls, queues=[queue])
    (job_id,) = calls.enqueue(new_job(queue))
    watch.await_states(job_id, "pending")
    calls.complete(calls.claim_one(queue))
    # The end is read from the row: of one that is gone by then, only the removal is told.
    watch.await_states(job_id, "pending", "running", "succeeded")
    calls.delete(job_id)
    watch.await_states(job_id, "pending", "running", "succeeded", "removed")
    watch.cancel()


def test_a_watch_of_an_owner_is_the_owners_alone(calls: Calls, queue: str):
    watch = Watch(calls, owner=f"user:{queue}")
    (theirs,) = calls.enqueue(new_job(queue, owner="user:else"))
    (mine,) = calls.enqueue(new_job(queue, owner=f"user:{queue}"))
    watch.await_states(mine, "pending")
    assert watch.states(theirs) == []
    watch.cancel()


def test_a_watch_resumes_without_a_gap_and_repeats_nothing(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    first = Watch(calls, ids=[job_id])
    first.await_messages(1)
    last = first.messages[-1].change_id
    first.cancel()
    run = calls.claim_one(queue)
    calls.release(run)
    calls.complete(calls.claim_one(queue))
    second = Watch(calls, ids=[job_id], resume_after=last)
    assert second.await_end() is None
    assert second.states(job_id) == ["running", "pending", "running", "succeeded"]
    assert not any(message.resync for message in second.messages)
    numbers = [int(message.change_id.split("-")[1]) for message in second.messages]
    assert numbers == sorted(set(numbers))


def test_a_watch_that_is_cut_off_within_the_present_state_is_told_all_of_it_again(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, n) for n in range(3)))
    calls.cancel(ids[0])
    whole = Watch(calls, ids=ids)
    whole.await_messages(3)
    assert [bool(message.change_id) for message in whole.messages] == [False, False, True]
    whole.cancel()
    known = Watch(calls, queues=[queue], resume_after="0-17")
    known.await_messages(2)
    assert [(message.resync, bool(message.change_id)) for message in known.messages] == [(True, False), (False, True)]
    known.cancel()


def test_a_watch_that_resumes_behind_the_end_of_its_jobs_is_over(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    first = Watch(calls, ids=[job_id])
    first.await_messages(1)
    calls.cancel(job_id)
    assert first.await_end() is None
    second = Watch(calls, ids=[job_id], resume_after=first.messages[-1].change_id)
    assert second.await_end() is None
    assert second.messages == []


def test_a_number_of_another_epoch_is_answered_by_resync_and_the_present_state(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    watch = Watch(calls, queues=[queue], resume_after="0-17")
    watch.await_states(job_id, "pending")
    assert [message.resync for message in watch.messages] == [True]
    empty = Watch(calls, queues=[f"{queue}-empty"], resume_after="0-17")
    empty.await_messages(1)
    assert (empty.messages[0].resync, empty.messages[0].HasField("job")) == (True, False)
    watch.cancel()
    empty.cancel()


# ---- explain ------------------------------------------------------------------------------------------------------------


def test_the_story_of_a_job_has_its_runs_and_its_acts(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    calls.fail(calls.claim_one(queue), retryable=False)
    calls.retry(job_id)
    calls.release(calls.claim_one(queue), "shutdown")
    calls.complete(calls.claim_one(queue))
    story = calls.explain(job_id)
    outcomes = [job_pb2.AttemptOutcome.Name(each.outcome) for each in story.attempts]
    assert outcomes == [f"ATTEMPT_OUTCOME_{word}" for word in ("FAILED", "RELEASED", "SUCCEEDED")]
    assert [(event.name, event.actor) for event in story.events] == [
        ("retried", "service:operator"),
        ("released", "system"),
    ]
    assert (story.events[0].from_state, story.events[0].to_state) == (
        job_pb2.JOB_STATE_FAILED,
        job_pb2.JOB_STATE_PENDING,
    )
