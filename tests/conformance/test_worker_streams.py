"""Streams that break, double, stall or speak a newer dialect: the session survives them, and every outcome counts once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from conformance.scene import LEASE, Scene
from conformance.stream_proxy import Cut, Frame, Rule
from jobline.v1 import work_service_pb2 as pb
from support.queue_calls import RawWorker

RETRY, INVALID = pb.OUTCOME_STATUS_RETRY, pb.OUTCOME_STATUS_INVALID


def holding(scene: Scene, name: str = "gate") -> str:
    """A job that runs until `scene.file(name)` is there; returns once its handler has begun and its lease is confirmed."""
    job = scene.enqueue("wait", gate=str(scene.file(name)))
    scene.await_entry("start", job)
    scene.await_confirmed(job)
    return job


def cut_before(chosen: Callable[[Any], bool]) -> Rule:
    """Breaks the first stream at the first of its messages that is `chosen`, which nobody receives."""

    def rule(frame: Frame) -> Iterator[Message]:
        if frame.stream.number == 0 and chosen(frame.message):
            raise Cut
        yield frame.message

    return rule


def hellos(scene: Scene) -> list[pb.Hello]:
    return [frame.message.hello for frame in scene.proxy.requests if frame.message.HasField("hello")]


# ---- streams that end ---------------------------------------------------------------------------------------------------


def test_a_stream_killed_after_the_outcome_was_stored_changes_nothing(scene: Scene) -> None:
    """C2, F5: the answer dies with the stream. The worker learns LOST, or sends again and learns ALREADY_COMMITTED."""
    scene.proxy.on_response = cut_before(lambda message: message.HasField("outcome_acks"))
    scene.start()
    first = scene.enqueue("echo")
    scene.await_ended(first)
    second = scene.enqueue("echo")
    scene.await_ended(second)
    again = hellos(scene)[1]
    assert [list(held.job_ids) for held in again.held] == [[first]], "an unanswered outcome's job is still held"
    assert set(scene.answers(first)) <= {"COMMITTED", "ALREADY_COMMITTED"}
    assert len(scene.entries(event="start", job=first)) == 1


def test_an_outcome_that_never_arrived_is_sent_again(scene: Scene) -> None:
    """F5, the other way: the stream dies before the service reads the outcome."""
    scene.proxy.on_request = cut_before(lambda message: message.HasField("outcomes"))
    scene.start()
    job = scene.enqueue("echo")
    scene.await_ended(job)
    assert [frame.stream.number for frame, _ in scene.outcomes(job)] == [0, 1]
    assert scene.await_answers(job) == ["COMMITTED"]
    assert len(scene.entries(event="start", job=job)) == 1


def test_a_step_report_that_was_not_answered_is_sent_again(scene_long: Scene) -> None:
    scene = scene_long
    scene.proxy.on_request = cut_before(lambda message: bool(message.reports.steps))
    scene.start()
    job = scene.enqueue("steps")
    scene.await_ended(job)
    assert [entry.detail for entry in scene.entries(event="step")] == ["one", "two", "three"]


def test_a_broken_stream_costs_a_run_nothing(scene: Scene) -> None:
    """The session resumes its leases: the same session id, every job in `held`, and a heartbeat at once."""
    scene.start()
    job = holding(scene)
    for broken in range(1, 4):
        scene.proxy.cut()
        scene.until(lambda broken=broken: len(hellos(scene)) > broken, "it has connected again")
        scene.until(lambda: len(scene.proxy.streams[-1].requests) > 1, "it has said more than Hello")
    scene.file("gate").touch()
    scene.await_ended(job)
    assert len({hello.session_id for hello in hellos(scene)}) == 1
    assert [[list(held.job_ids) for held in hello.held] for hello in hellos(scene)] == [[]] + [[[job]]] * 3
    assert scene.runs(job) == ["succeeded"]


def test_the_lease_outlives_half_its_time_without_a_network(scene: Scene) -> None:
    """No job that is held is begun by another while the worker may still come back."""
    scene.start()
    job = holding(scene)
    scene.proxy.refuse(grpc.StatusCode.UNAVAILABLE)
    scene.proxy.cut()
    cut_at = time.time()
    scene.until(lambda: time.time() - cut_at > LEASE / 2, "half a lease has passed")
    scene.proxy.refuse(None)
    scene.until(lambda: len(hellos(scene)) == 2, "it has connected again")
    scene.file("gate").touch()
    assert scene.await_ended(job).attempt == 1


def test_it_does_not_hammer_a_service_that_refuses(scene: Scene) -> None:
    """C10, F11: full jitter under a ceiling that doubles. Nothing is held, so the waits grow."""
    scene.start()
    scene.proxy.refuse(grpc.StatusCode.UNAVAILABLE)
    scene.proxy.cut()
    began = time.time()
    scene.until(lambda: time.time() - began > 3.0, "three seconds have passed")
    tries = list(scene.proxy.refused_at)
    assert 2 <= len(tries) <= 20
    gaps = [later - earlier for earlier, later in zip([began, *tries], tries, strict=False)]
    assert len({round(gap, 2) for gap in gaps}) > 1, "the waits vary"
    scene.proxy.refuse(None)
    scene.await_ended(scene.enqueue("echo"))


@pytest.mark.parametrize(
    ("token", "refusal"),
    [("no-such-token", grpc.StatusCode.UNAUTHENTICATED), ("", grpc.StatusCode.PERMISSION_DENIED)],
    ids=["a wrong token", "a producer's token"],
)
def test_a_token_that_will_never_do_ends_the_worker(scene: Scene, token: str, refusal: grpc.StatusCode) -> None:
    worker = scene.spawn(token=token or scene.service.producer_token)
    assert worker.wait(15) != 0
    told = [stream.status[0] for stream in scene.proxy.streams if stream.status]
    # grpc.aio may find its first write refused before it has read why, and then tells INTERNAL in place of the status:
    # to the proxy, which passes it on, or to the worker. Only a worker that has not heard why may ask again. What the
    # proxy hid, a worker of ours has in its log too; another's log may say anything.
    hidden = max(told.count(grpc.StatusCode.INTERNAL), scene.log(worker).count("Internal error from Core"))
    assert len(scene.proxy.streams) == 1 + hidden, f"nothing gets better by asking again: {told}\n{scene.log(worker)}"
    assert told[-1] is refusal
    assert set(told) <= {refusal, grpc.StatusCode.INTERNAL}


def test_a_newer_stream_takes_over_from_one_that_is_dead_and_does_not_know(scene: Scene) -> None:
    """C4: the network changes under the worker; the service still has the old stream. No lease is lost."""
    scene.start()
    job = holding(scene)
    scene.proxy.orphan()
    scene.until(lambda: len(hellos(scene)) == 2, "it has connected again")
    old, new = scene.proxy.streams
    scene.until(lambda: old.status is not None, "the old stream has ended")
    assert old.status is not None
    assert old.status[0] is grpc.StatusCode.ABORTED
    scene.file("gate").touch()
    scene.await_ended(job)
    assert scene.runs(job) == ["succeeded"]
    assert not new.over


def test_a_superseded_worker_comes_back_and_goes_on(scene: Scene) -> None:
    """C4: somebody else used its session id for a moment. The run that it holds is still its own."""
    scene.start()
    job = holding(scene)
    (hello,) = hellos(scene)
    thief = RawWorker(scene.worker_calls, scene.queue, kinds=["conform.echo"], session=hello.session_id, held=[])
    # The worker may be back, and supersede it in its turn, before it has read its Welcome.
    scene.until(lambda: thief.messages or thief.refusal, "the other stream is there")
    thief.cut()
    scene.until(lambda: len(hellos(scene)) >= 2, "it has connected again")
    scene.file("gate").touch()
    scene.await_ended(job)
    assert scene.calls.job(job).attempt <= 2


# ---- streams that stall -------------------------------------------------------------------------------------------------


def test_a_worker_that_hears_nothing_stops_its_run_before_another_may_begin_it(scene: Scene) -> None:
    """It gives the lease up by itself, a tenth of it before the service may; and says nothing about the run."""
    scene.start()
    job = holding(scene)
    scene.proxy.stall()
    scene.proxy.refuse(grpc.StatusCode.UNAVAILABLE)
    stopped = scene.await_entry("cancel", job, "lost", within=3 * LEASE)
    scene.file("gate").touch()
    scene.start_elsewhere("two")
    assert scene.await_ended(job).attempt == 2
    _, second = scene.entries(event="start", job=job)
    assert stopped.at < second.at
    scene.proxy.refuse(None)
    scene.proxy.stall(False)
    scene.proxy.cut()
    scene.await_ended(scene.enqueue("echo"))
    assert [stream.number for stream, _ in scene.outcomes(job)] == []


def ended_after_a_deaf_stream(scene: Scene, *, within: float) -> str:
    """A job whose stream went deaf: what its worker said arrived, what the service said did not; ended on the next one."""

    def deaf(frame: Frame) -> Iterator[Message]:
        if frame.stream.number or not scene.file("deaf").exists():
            yield frame.message

    scene.proxy.on_response = deaf
    scene.start()
    job = holding(scene)
    scene.file("deaf").touch()
    scene.until(lambda: len(hellos(scene)) == 2, "it has connected again", within=within)
    scene.file("gate").touch()
    scene.await_ended(job)
    return job


def test_a_stream_on_which_nothing_is_answered_is_cut_and_the_run_goes_on(scene_long: Scene) -> None:
    job = ended_after_a_deaf_stream(scene_long, within=15)
    assert scene_long.runs(job) == ["succeeded"]


def test_a_stream_on_which_a_lease_lapsed_is_opened_anew(scene: Scene) -> None:
    """The same with a lease so short that it ends first: the worker must not stay on a stream that has died."""
    ended_after_a_deaf_stream(scene, within=4 * LEASE)


# ---- answers ------------------------------------------------------------------------------------------------------------


def answered_instead(scene: Scene, status: pb.OutcomeStatus.ValueType, times: int) -> Rule:
    """Keeps the first outcomes from the service and answers them with `status`."""
    left = [times]

    def rule(frame: Frame) -> Iterator[Message]:
        outcomes = list(frame.message.outcomes.outcomes)
        if outcomes and left[0]:
            left[0] -= 1
            acks = [
                pb.OutcomeAck(job_ids=each.job_ids, lease_token=each.lease_token, status=status, detail="by the test")
                for each in outcomes
            ]
            frame.stream.answer(pb.WorkResponse(outcome_acks=pb.OutcomeAcks(acks=acks)))
            frame.message.ClearField("outcomes")
        yield frame.message

    return rule


def test_an_outcome_that_was_not_stored_is_sent_again_after_a_wait(scene: Scene) -> None:
    scene.proxy.on_request = answered_instead(scene, RETRY, 2)
    scene.start()
    job = scene.enqueue("echo")
    scene.await_ended(job)
    first, second, third = [frame.at for frame, _ in scene.outcomes(job)]
    # 0.2 and 0.5 seconds; a wait that a busy machine makes longer says nothing of the other.
    assert 0.15 < second - first < 1.5
    assert 0.4 < third - second < 2.5


def test_an_outcome_that_is_bad_is_replaced_by_another(scene: Scene) -> None:
    """INVALID: the run still holds its lease; the job must not stay running for ever."""
    scene.proxy.on_request = answered_instead(scene, INVALID, 1)
    scene.start()
    job = scene.enqueue("echo")
    scene.await_ended(job, "failed")
    kinds = [outcome.WhichOneof("result") for _, outcome in scene.outcomes(job)]
    assert kinds == ["completed", "failed"]


def retry_for(jobs: Sequence[str]) -> Rule:
    """Keeps the first outcomes of these jobs of one lease from the service; one RETRY answers them once all have come."""
    kept: list[str] = []

    def rule(frame: Frame) -> Iterator[Message]:
        for outcome in frame.message.outcomes.outcomes:
            new = [job for job in outcome.job_ids if job in jobs and job not in kept]
            outcome.job_ids[:] = [job for job in outcome.job_ids if job not in new]
            kept.extend(new)
            if new and len(kept) == len(jobs):
                ack = pb.OutcomeAck(job_ids=kept, lease_token=outcome.lease_token, status=RETRY)
                frame.stream.answer(pb.WorkResponse(outcome_acks=pb.OutcomeAcks(acks=[ack])))
        left = pb.Outcomes(outcomes=[outcome for outcome in frame.message.outcomes.outcomes if outcome.job_ids])
        frame.message.ClearField("outcomes")
        if left.outcomes:
            frame.message.outcomes.CopyFrom(left)
        yield frame.message

    return rule


@pytest.mark.parametrize("count", [3, 1], ids=["all jobs of a lease", "one of them"])
def test_an_answer_is_one_for_each_job_that_it_names_and_for_no_other(scene: Scene, count: int) -> None:
    """The service may join the answers of a lease, and answer an outcome that several jobs share part by part."""
    jobs = [scene.enqueue("echo") for _ in range(3)]
    again = jobs[:count]
    scene.proxy.on_request = retry_for(again)
    worker = scene.start(slots=3)
    for job in jobs:
        scene.await_ended(job)
    said = [scene.outcomes(job) for job in jobs]
    assert len({outcome.lease_token for of_job in said for _, outcome in of_job}) == 1, "they were handed out together"
    assert [len(of_job) for of_job in said] == [2 if job in again else 1 for job in jobs]
    assert [scene.await_answers(job) for job in jobs] == [["COMMITTED"]] * 3
    worker.terminate()
    assert worker.wait(15) == 0
    (stream,) = scene.proxy.streams
    assert stream.status == (grpc.StatusCode.OK, ""), "it leaves in good order, since each of its outcomes is answered"


def test_a_step_that_was_not_stored_is_sent_again_after_a_wait(scene: Scene) -> None:
    refused: list[Frame] = []

    def rule(frame: Frame) -> Iterator[Message]:
        if frame.message.reports.steps and not refused:
            refused.append(frame)
            acks = [
                pb.StepAck(job_id=step.job_id, step=step.step.name, status=pb.STEP_STATUS_RETRY)
                for step in frame.message.reports.steps
            ]
            frame.stream.answer(pb.WorkResponse(report_acks=pb.ReportAcks(steps=acks)))
            frame.message.reports.ClearField("steps")
        yield frame.message

    scene.proxy.on_request = rule
    scene.start()
    job = scene.enqueue("steps")
    scene.await_ended(job)
    assert [entry.detail for entry in scene.entries(event="step")] == ["one", "two", "three"]


def test_a_cancel_whose_push_is_lost_is_learnt_from_the_heartbeat(scene: Scene) -> None:
    """C1: the push is an optimisation, the heartbeat is the guarantee."""

    def lose_pushes(frame: Frame) -> Iterator[Message]:
        frame.message.ClearField("cancel")
        if frame.message.ByteSize():
            yield frame.message

    scene.proxy.on_response = lose_pushes
    scene.start()
    job = holding(scene)
    scene.calls.cancel(job)
    scene.await_ended(job, "cancelled", within=3 * LEASE)
    assert scene.entries(event="cancel", job=job)[0].detail == "requested"


# ---- messages that are odd ----------------------------------------------------------------------------------------------


def test_messages_that_come_twice_count_once(scene: Scene) -> None:
    """F7: gRPC delivers once; a worker whose state does not mind is easier to trust."""

    def twice(frame: Frame) -> Iterator[Message]:
        yield frame.message
        if not frame.message.HasField("welcome"):
            yield frame.message

    scene.proxy.on_response = twice
    scene.start(slots=3)
    jobs = [scene.enqueue("echo"), scene.enqueue("steps"), scene.enqueue("fail", until=2, retryable=True)]
    for job in jobs:
        scene.await_ended(job)
    assert [len(scene.entries(event="start", job=job)) for job in jobs] == [1, 1, 2]
    assert scene.proxy.streams[0].status is None, "the stream goes on"


def test_fields_and_messages_of_a_newer_service_are_ignored(scene: Scene) -> None:
    def newer(frame: Frame) -> Iterator[Message]:
        # Field 31 as bytes, and field 31 as a number, which the contract does not have.
        unknown = b"\xfa\x01\x03abc" + b"\xf8\x02\x01"
        yield pb.WorkResponse.FromString(frame.message.SerializeToString() + unknown)
        yield pb.WorkResponse.FromString(unknown)

    scene.proxy.on_response = newer
    scene.start(slots=2)
    for job in [scene.enqueue("echo"), scene.enqueue("steps")]:
        scene.await_ended(job)
    assert len(scene.proxy.streams) == 1


def test_a_lease_that_it_never_had_does_not_disturb_it(scene: Scene) -> None:
    """Answers about jobs and leases that it does not know."""

    def strange(frame: Frame) -> Iterator[Message]:
        yield frame.message
        status = pb.LeaseStatus(lease_token="0" * 36, job_id="1" * 36, state=pb.LEASE_STATE_LOST)
        newer = pb.LeaseStatus(lease_token="0" * 36, job_id="1" * 36, state=77)
        ack = pb.OutcomeAck(job_ids=["1" * 36], lease_token="0" * 36, status=pb.OUTCOME_STATUS_STALE)
        yield pb.WorkResponse(
            cancel=pb.Cancel(leases=[status, newer]),
            outcome_acks=pb.OutcomeAcks(acks=[ack]),
            report_acks=pb.ReportAcks(steps=[pb.StepAck(job_id="1" * 36, step="none", status=pb.STEP_STATUS_LOST)]),
        )

    scene.proxy.on_response = strange
    scene.start()
    scene.await_ended(scene.enqueue("steps"))
    assert len(scene.proxy.streams) == 1
