"""The work stream, message by message: who may begin it, what survives its end, and that every outcome is answered."""

from __future__ import annotations

import uuid

import pytest

from jobline.v1 import job_pb2, queue_service_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest


def worker_with_jobs(calls: Calls, queue: str, count: int) -> tuple[RawWorker, list[work_service_pb2.Assignment]]:
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(count)
    calls.enqueue(*(new_job(queue, n) for n in range(count)))
    return worker, worker.await_jobs(count)


def test_the_welcome_tells_the_terms_of_each_queue(calls: Calls):
    worker = RawWorker(calls, "fast", "slow")
    welcome = worker.await_welcome()
    assert welcome.heartbeat_interval.seconds == 1
    fast, slow = sorted(welcome.queues, key=lambda terms: terms.queue)
    assert (fast.queue, fast.lease.seconds, fast.timeout.seconds, fast.step_tries) == ("fast", 3, 5, 4)
    assert [wait.nanos for wait in fast.step_backoff] == [250_000_000]
    assert (slow.queue, slow.lease.seconds, slow.HasField("timeout")) == ("slow", 30, False)
    worker.cut()


@pytest.mark.parametrize(
    "first",
    [
        work_service_pb2.WorkRequest(),
        work_service_pb2.WorkRequest(capacity=work_service_pb2.Capacity()),
        work_service_pb2.WorkRequest(
            hello=work_service_pb2.Hello(session_id="me", name="n", queues=["q"], kinds=["k"])
        ),
        work_service_pb2.WorkRequest(hello=work_service_pb2.Hello(session_id=str(uuid.uuid4()), kinds=["k"])),
        work_service_pb2.WorkRequest(hello=work_service_pb2.Hello(session_id=str(uuid.uuid4()), queues=["q"])),
        work_service_pb2.WorkRequest(
            hello=work_service_pb2.Hello(session_id=str(uuid.uuid4()), queues=["Q q"], kinds=["k"])
        ),
    ],
    ids=["nothing", "no hello", "no UUID", "no queue", "no kind", "a bad queue"],
)
def test_a_stream_begins_with_a_good_hello_or_not_at_all(calls: Calls, first: work_service_pb2.WorkRequest):
    worker = RawWorker(calls, hello=False)
    worker.send(first)
    refusal = worker.await_end()
    assert refusal is not None
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "PROTOCOL_VIOLATION")


def test_a_second_hello_ends_the_stream_and_releases_nothing(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    worker.send(hello=worker.hello([queue], ["test"]))
    refusal = worker.await_end()
    assert refusal is not None
    assert refusal.reason == "PROTOCOL_VIOLATION"
    assert calls.state(run.job_id) == "running"
    assert calls.complete(run) == work_service_pb2.OUTCOME_STATUS_COMMITTED


def test_a_session_belongs_to_the_token_that_began_it(service: QueueServiceUnderTest, calls: Calls, queue: str):
    with (
        Calls(service.address, service.worker_token) as one,
        Calls(service.address, service.other_worker_token) as other,
    ):
        worker = RawWorker(one, queue)
        worker.await_welcome()
        thief = RawWorker(other, queue, session=worker.session)
        refusal = thief.await_end()
        assert refusal is not None
        assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "FORBIDDEN")
        worker.heartbeat()
        eventually_blocking(lambda: any(message.HasField("heartbeat_ack") for message in worker.messages))
        worker.cut()


def test_fields_and_messages_that_the_service_does_not_know_are_ignored(calls: Calls, queue: str):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    unknown = work_service_pb2.WorkRequest.FromString(b"\xfa\x01\x03abc" + b"\xf8\x02\x01")
    assert not unknown.ListFields()
    worker.send(unknown)
    worker.capacity(1, queue, "not-mine")
    (job_id,) = calls.enqueue(new_job(queue))
    assert worker.await_jobs(1)[0].job_id == job_id
    worker.cut()


def test_one_message_may_set_several_fields_and_they_are_done_in_their_order(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    held = work_service_pb2.HeldLeases(lease_token=run.lease_token, job_ids=[run.job_id])
    outcome = work_service_pb2.Outcome(
        job_ids=[run.job_id], lease_token=run.lease_token, completed=work_service_pb2.Completed(result_json="1")
    )
    worker.send(
        outcomes=work_service_pb2.Outcomes(outcomes=[outcome]), heartbeat=work_service_pb2.Heartbeat(held=[held])
    )
    assert worker.await_ack(run) == "COMMITTED"
    assert worker.lease_states == [(run.job_id, "HELD")]
    worker.cut()


def test_capacity_is_absolute_and_lowering_it_revokes_nothing(calls: Calls, queue: str):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    calls.enqueue(*(new_job(queue, n) for n in range(30)))
    worker.capacity(10)
    runs = worker.await_jobs(10)
    worker.capacity(0)
    worker.complete(*runs[:8])
    eventually_blocking(lambda: len(worker.acks) == 8)
    worker.capacity(3)
    assert len(worker.await_jobs(11)) == 11, "two are held, so there is room for one"
    worker.heartbeat(*runs[8:])
    eventually_blocking(lambda: len(worker.lease_states) == 2)
    assert [state for _, state in worker.lease_states] == ["HELD", "HELD"]
    assert len(worker.assignments) == 11
    worker.cut()


@pytest.mark.parametrize("capacity", [-1, -(2**31)])
def test_a_capacity_below_0_is_0(calls: Calls, queue: str, capacity: int):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(capacity)
    (job_id,) = calls.enqueue(new_job(queue))
    assert calls.claim_one(queue).job_id == job_id
    worker.cut()


def test_a_bad_item_is_answered_in_its_place_and_the_stream_goes_on(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    bad = [
        {"completed": work_service_pb2.Completed(result_json="{")},
        {"failed": work_service_pb2.Failed(error=job_pb2.JobError(code="not a code"))},
        {"snoozed": work_service_pb2.Snoozed(delay={"seconds": 31 * 86400})},
        {"released": work_service_pb2.Released(reason="r" * 256)},
        {"cancelled": work_service_pb2.Cancelled()},
        {},
    ]
    for result in bad:
        before = len(answers(worker))
        worker.outcome(run, **result)
        eventually_blocking(lambda before=before: len(answers(worker)) > before)
        status, detail = answers(worker)[-1]
        assert status == work_service_pb2.OUTCOME_STATUS_INVALID
        assert "expected" in detail
    forged = work_service_pb2.Assignment(job_id="nobody", lease_token="'; DROP TABLE jobs")
    worker.complete(forged)
    assert worker.await_ack(forged) == "INVALID"
    worker.heartbeat(forged)
    eventually_blocking(lambda: ("nobody", "LOST") in worker.lease_states)
    worker.complete(run)
    eventually_blocking(lambda: worker.acks[run.job_id] == "COMMITTED")
    worker.cut()


def answers(worker: RawWorker) -> list[tuple[int, str]]:
    return [(ack.status, ack.detail) for message in list(worker.messages) for ack in message.outcome_acks.acks]


def test_an_outcome_that_names_nobody_or_a_job_twice_harms_nothing(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    names = [[], [run.job_id, run.job_id, "nobody"]]
    worker.send(
        outcomes=work_service_pb2.Outcomes(
            outcomes=[
                work_service_pb2.Outcome(
                    job_ids=job_ids, lease_token=run.lease_token, completed=work_service_pb2.Completed()
                )
                for job_ids in names
            ]
        )
    )
    eventually_blocking(lambda: len(told(worker)) == 4)
    assert sorted(told(worker)) == [
        ("", "INVALID"),
        (run.job_id, "ALREADY_COMMITTED"),
        (run.job_id, "COMMITTED"),
        ("nobody", "INVALID"),
    ]
    assert calls.state(run.job_id) == "succeeded"
    worker.cut()


def told(worker: RawWorker) -> list[tuple[str, str]]:
    """(job id, status) of every answer; an empty id where an answer names no job."""
    acks = [ack for message in list(worker.messages) for ack in message.outcome_acks.acks]
    return [
        (job_id, work_service_pb2.OutcomeStatus.Name(ack.status).removeprefix("OUTCOME_STATUS_"))
        for ack in acks
        for job_id in ack.job_ids or ("",)
    ]


def test_steps_are_answered_one_by_one(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    other = str(uuid.uuid4())
    steps = [(run.lease_token, "one", "1"), (run.lease_token, "bad", "{"), (other, "stale", "1"), ("", "forged", "1")]
    reports = [
        work_service_pb2.StepReport(
            job_id=run.job_id, lease_token=token, step=job_pb2.StepOutput(name=name, output_json=text)
        )
        for token, name, text in steps
    ]
    worker.send(reports=work_service_pb2.Reports(steps=reports))

    def answered() -> dict[str, str]:
        acks = [ack for message in list(worker.messages) for ack in message.report_acks.steps]
        return {ack.step: work_service_pb2.StepStatus.Name(ack.status).removeprefix("STEP_STATUS_") for ack in acks}

    eventually_blocking(lambda: len(answered()) == 4)
    assert answered() == {"one": "STORED", "bad": "INVALID", "stale": "LOST", "forged": "LOST"}
    assert [step.name for step in calls.get(run.job_id).steps] == ["one"]
    worker.cut()


def test_progress_on_the_stream_is_a_receipt_and_the_last_one_wins(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    assert not calls.job(run.job_id).lease.received
    reports = [
        work_service_pb2.ProgressReport(
            job_id=run.job_id,
            lease_token=run.lease_token,
            progress=job_pb2.Progress(step="s", current=current, total=9, message=f"{current} of 9"),
        )
        for current in (3, 4, 12, 5)
    ]
    worker.send(reports=work_service_pb2.Reports(progress=reports))
    found = eventually_blocking(lambda: (job := calls.job(run.job_id)).HasField("progress") and job)
    assert (found.progress.current, found.progress.message, found.lease.received) == (5, "5 of 9", True)
    worker.cut()


def test_a_cut_stream_releases_nothing_and_the_session_resumes_its_leases(calls: Calls, queue: str):
    """Covers F5."""
    worker, (kept, ended) = worker_with_jobs(calls, queue, 2)
    worker.heartbeat(kept, ended)
    worker.complete(ended)
    worker.await_ack(ended)
    worker.cut()
    assert calls.state(kept.job_id) == "running"
    again = RawWorker(calls, queue, session=worker.session, held=[kept, ended])
    states = {lease.job_id: work_service_pb2.LeaseState.Name(lease.state) for lease in again.await_welcome().leases}
    assert states == {kept.job_id: "LEASE_STATE_HELD", ended.job_id: "LEASE_STATE_LOST"}
    again.complete(ended, kept)
    assert (again.await_ack(ended), again.await_ack(kept)) == ("ALREADY_COMMITTED", "COMMITTED")
    assert len(calls.get(ended.job_id).attempts) == 1
    again.cut()


def test_deliveries_that_died_on_the_way_return_at_once_without_an_attempt(calls: Calls, queue: str):
    """Covers F6."""
    worker, (arrived, lost) = worker_with_jobs(calls, queue, 2)
    worker.heartbeat(arrived)
    eventually_blocking(lambda: worker.lease_states)
    worker.cut()
    again = RawWorker(calls, queue, session=worker.session, held=[arrived])
    again.await_welcome()
    found = calls.await_state(lost.job_id, "pending", within=3)
    assert (found.attempt, found.position) == (0, 1)
    assert calls.state(arrived.job_id) == "running"
    again.capacity(2)
    (redelivered,) = again.await_jobs(1)
    assert (redelivered.job_id, redelivered.attempt) == (lost.job_id, 1)
    assert redelivered.lease_token != lost.lease_token
    again.cut()


def test_a_restarted_worker_of_the_same_name_keeps_no_leases_of_the_dead_one_alive(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    worker.cut()
    namesake = RawWorker(calls, queue, held=[run])
    namesake.await_welcome()
    forged = work_service_pb2.Assignment(job_id=run.job_id, lease_token=str(uuid.uuid4()))
    namesake.heartbeat(forged)
    eventually_blocking(lambda: (run.job_id, "LOST") in namesake.lease_states)
    namesake.cut()


def test_a_newer_stream_of_the_session_supersedes_the_older_and_loses_no_lease(calls: Calls, queue: str):
    older, (run,) = worker_with_jobs(calls, queue, 1)
    newer = RawWorker(calls, queue, session=older.session, held=[run])
    assert newer.await_welcome().leases[0].state == work_service_pb2.LEASE_STATE_HELD
    refusal = older.await_end()
    assert refusal is not None
    assert (refusal.status, refusal.reason) == ("ABORTED", "SUPERSEDED")
    newer.complete(run)
    assert newer.await_ack(run) == "COMMITTED"
    newer.capacity(1)
    calls.enqueue(new_job(queue))
    assert len(newer.await_jobs(1)) == 1
    newer.cut()


@pytest.mark.parametrize("attempt", range(5))
def test_goodbye_and_half_close_get_every_answer_then_ok(calls: Calls, queue: str, attempt: int):
    worker, runs = worker_with_jobs(calls, queue, 40)
    calls.enqueue(new_job(queue))
    worker.send(goodbye=work_service_pb2.Goodbye(reason="done"))
    worker.complete(*runs)
    worker.half_close()
    assert worker.await_end() is None, "the stream ends with OK"
    assert [worker.acks.get(run.job_id) for run in runs] == ["COMMITTED"] * 40
    assert len(worker.assignments) == 40, "nothing is handed to one who says goodbye"


def test_a_drained_worker_is_told_and_gets_no_more_jobs_but_its_outcomes_count(calls: Calls, queue: str):
    worker, (run,) = worker_with_jobs(calls, queue, 1)
    told = calls.queues.DrainWorker(queue_service_pb2.DrainWorkerRequest(worker=worker.session)).workers
    assert [(each.session_id, each.draining) for each in told] == [(worker.session, True)]
    eventually_blocking(lambda: any(message.drain.reason == "operator" for message in worker.messages))
    (waiting,) = calls.enqueue(new_job(queue))
    worker.capacity(5)
    worker.complete(run)
    assert worker.await_ack(run) == "COMMITTED"
    assert calls.claim_one(queue).job_id == waiting
    assert len(worker.assignments) == 1
    worker.cut()


def test_connected_workers_are_listed_with_what_they_hold(calls: Calls, queue: str):
    worker, _ = worker_with_jobs(calls, queue, 3)
    worker.capacity(5)

    def me() -> queue_service_pb2.ListWorkersResponse:
        return calls.queues.ListWorkers(queue_service_pb2.ListWorkersRequest())

    def mine() -> tuple[str, int, int, bool]:
        (info,) = [each for each in me().workers if each.session_id == worker.session]
        return (info.name, info.capacity, info.running, info.draining)

    eventually_blocking(lambda: mine() == ("raw", 5, 3, False))
    worker.cut()
    eventually_blocking(lambda: all(each.session_id != worker.session for each in me().workers))


def test_a_worker_that_stops_in_the_middle_of_a_message_harms_nobody(calls: Calls, queue: str):
    """A stream that never reads holds back nobody else."""
    deaf = RawWorker(calls, queue, hello=False)
    deaf.send(hello=deaf.hello([queue], ["test"]))
    deaf.cut()
    (job_id,) = calls.enqueue(new_job(queue))
    assert calls.claim_one(queue).job_id == job_id


def test_jobs_too_large_for_one_message_come_in_several(calls: Calls, queue: str):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    text = "x" * 900_000
    for _ in range(3):
        calls.enqueue(*(new_job(queue, text) for _ in range(3)))
    worker.capacity(9)
    runs = worker.await_jobs(9)
    assert {len(run.payload_json) for run in runs} == {900_002}
    worker.complete(*runs)
    assert all(worker.await_ack(run) == "COMMITTED" for run in runs)
    worker.cut()
