"""The work stream's client side, message by message, on a clock of the test's."""

import asyncio

from jobline.v1 import job_pb2
from jobline.v1 import work_service_pb2 as pb
from jobline.worker.cancel import CancelReason
from support.session_world import World, outcomes


def test_nothing_is_said_before_the_welcome():
    world = World()
    hello = world.session.hello().hello
    assert (hello.name, list(hello.queues), list(hello.kinds)) == ("worker", ["q"], ["noop"])
    assert world.compose() is None


def test_capacity_is_told_once_and_absolutely():
    world = World()
    first = world.connect()
    assert [(c.queue, c.jobs) for c in first.capacity.queues] == [("q", 10)]
    assert world.messages() == []


def test_capacity_is_told_again_on_a_new_stream():
    world = World()
    world.connect()
    world.session.stream_ended()
    assert [c.jobs for c in world.connect().capacity.queues] == [10]


def test_a_full_heartbeat_goes_every_interval_with_a_fifth_of_jitter():
    world = World()
    world.connect()
    gaps = []
    last = world.now
    while len(gaps) < 30:
        world.wait(0.1)
        if any(request.HasField("heartbeat") for request in world.messages()):
            gaps.append(world.now - last)
            last = world.now
    assert min(gaps) >= 7.9
    assert max(gaps) <= 12.2
    assert max(gaps) - min(gaps) > 1


def test_a_job_without_an_outcome_gets_its_receipt_after_a_second():
    world = World()
    world.connect()
    world.assign("a")
    world.backlog.take()
    world.wait(0.9)
    assert world.messages() == []
    world.wait(0.2)
    (receipt,) = world.messages()
    assert [list(held.job_ids) for held in receipt.heartbeat.held] == [["a"]]
    world.wait(1.0)
    assert world.messages() == []


def test_everything_that_ended_since_the_last_message_goes_into_one():
    world = World()
    world.connect()
    world.assign("a", "b", "c")
    world.end("a")
    world.end("b", "c")
    assert [outcomes(request) for request in world.messages()] == [["a", "b", "c"]]


def test_a_job_is_held_until_its_outcome_is_answered():
    world = World()
    world.connect()
    world.assign("a")
    world.end("a")
    world.messages()
    assert world.session.leases
    world.answer("a")
    assert not world.session.leases


def test_after_a_reconnect_the_hello_lists_what_is_held_and_unanswered_outcomes_go_again():
    world = World()
    world.connect()
    world.assign("a", "b")
    world.end("a")
    world.messages()
    world.session.stream_ended()
    held = world.session.hello().hello.held
    assert [(entry.lease_token, sorted(entry.job_ids)) for entry in held] == [("t", ["a", "b"])]
    assert outcomes(world.connect()) == ["a"]


def test_a_lease_that_was_lost_while_away_stops_its_run_and_its_outcome_is_not_sent():
    world = World()
    world.connect()
    world.assign("a", "b")
    world.end("a")
    world.messages()
    world.session.stream_ended()
    first = world.connect(*(pb.LeaseStatus(lease_token="t", job_id=j, state=pb.LEASE_STATE_LOST) for j in "ab"))
    assert outcomes(first) == []
    assert [delivery.cancel.reason for delivery in world.lost] == [CancelReason.LOST] * 2


def test_what_a_lost_run_says_afterwards_is_not_sent():
    world = World()
    world.connect()
    world.assign("a")
    world.lease_says("a", pb.LEASE_STATE_LOST)
    world.end("a")
    assert world.messages() == []


def test_a_cancel_request_fires_the_token_and_leaves_the_run_alone():
    world = World()
    world.connect()
    delivery = world.begin("a")
    cancel = pb.Cancel(leases=[pb.LeaseStatus(lease_token="t", job_id="a", state=pb.LEASE_STATE_CANCEL_REQUESTED)])
    world.session.receive(pb.WorkResponse(cancel=cancel), world.now)
    assert delivery.cancel.reason is CancelReason.REQUESTED
    assert world.lost == []


def test_a_worker_that_hears_nothing_for_a_lease_gives_its_runs_up():
    world = World()
    world.connect()
    delivery = world.begin("a")
    world.wait(1.0)
    world.messages()
    world.lease_says("a", pb.LEASE_STATE_HELD)
    world.session.stream_ended()
    world.wait(26.9)
    assert world.lost == []
    world.wait(0.2)
    assert world.lost == [delivery]


def test_a_service_that_leaves_a_heartbeat_unanswered_for_an_interval_is_given_up():
    world = World()
    world.connect()
    world.assign("a")
    world.backlog.take()
    world.wait(1.0)
    world.messages()
    world.lease_says("a", pb.LEASE_STATE_HELD)
    while not any(request.HasField("heartbeat") for request in world.messages()):
        world.wait(0.1)
    world.wait(9.9)
    assert not world.session.deaf.is_set()
    world.wait(0.2)
    assert world.session.deaf.is_set()
    world.session.stream_ended()
    assert not world.session.deaf.is_set()


def test_a_stream_on_which_a_lease_lapsed_is_given_up_and_the_next_one_is_not():
    world = World()
    world.connect()
    world.assign("a")
    world.backlog.take()
    world.wait(9.1)
    assert world.session.deaf.is_set(), "nothing was answered within the receipt deadline"
    world.session.stream_ended()
    world.connect()
    world.assign("b", token="u")
    world.backlog.take()
    world.session.stream_ended()
    world.wait(9.1)
    assert [delivery.assignment.job_id for delivery in world.lost] == ["a", "b"]
    assert not world.session.deaf.is_set(), "it lapsed between two streams"


def test_an_assignment_that_comes_twice_is_one_run():
    world = World()
    world.connect()
    world.assign("a")
    world.assign("a")
    assert len(world.backlog) == 1


def test_jobs_that_do_not_begin_for_a_second_are_released_and_the_capacity_follows():
    world = World()
    world.connect()
    world.assign("a", "b", "c")
    world.backlog.take()
    world.backlog.running = 1
    world.wait(1.0)
    (request,) = world.messages()
    assert sorted(outcomes(request)) == ["b", "c"]
    assert all(outcome.WhichOneof("result") == "released" for outcome in request.outcomes.outcomes)
    assert [c.jobs for c in request.capacity.queues] == [
        2
    ]  # the one that runs, and one that shows whether jobs begin again


def test_leaving_says_capacity_zero_and_goodbye_in_one_message_on_every_stream():
    world = World()
    world.connect()
    world.session.leave("stopped")
    (request,) = world.messages()
    assert [c.jobs for c in request.capacity.queues] == [0]
    assert request.goodbye.reason == "stopped"
    world.session.stream_ended()
    again = world.connect()
    assert again.goodbye.reason == "stopped"
    assert not again.HasField("capacity")


def test_jobs_that_arrive_after_leaving_are_released_at_once():
    world = World()
    world.connect()
    world.session.leave("stopped")
    world.assign("a")
    assert [job_id for request in world.messages() for job_id in outcomes(request)] == ["a"]
    assert len(world.backlog) == 0


def test_a_session_is_done_when_it_should_finish_and_every_outcome_is_answered():
    world = World()
    world.connect()
    world.assign("a")
    world.end("a")
    world.session.finish()
    world.messages()
    assert not world.session.done
    world.answer("a", status=pb.OUTCOME_STATUS_RETRY)
    assert not world.session.done
    world.wait(0.3)
    world.messages()
    world.answer("a", status=pb.OUTCOME_STATUS_ALREADY_COMMITTED)
    assert world.session.done
    assert world.session.settled.is_set()


def test_a_drain_of_the_service_moves_the_session_once_nothing_is_held():
    world = World()
    world.connect()
    world.assign("a")
    world.session.receive(pb.WorkResponse(drain=pb.Drain(reason="shutdown")), world.now)
    (request,) = world.messages()
    assert [c.jobs for c in request.capacity.queues] == [0]
    assert not world.session.may_move
    world.end("a")
    world.messages()
    world.answer("a")
    assert world.session.may_move
    assert world.drains == 0
    world.session.stream_ended()
    assert [c.jobs for c in world.connect().capacity.queues] == [10]


def test_a_drain_by_an_operator_stops_the_worker():
    world = World()
    world.connect()
    world.session.receive(pb.WorkResponse(drain=pb.Drain(reason="operator")), world.now)
    assert world.drains == 1


def test_progress_is_coalesced_and_the_first_of_a_step_goes_at_once():
    world = World()
    world.connect()
    delivery = world.begin("a")
    reports = world.session.reports
    reports.progress(delivery, job_pb2.Progress(step="one"), at_once=True)
    assert [p.progress.step for p in world.messages()[0].reports.progress] == ["one"]
    for current in range(5):
        reports.progress(delivery, job_pb2.Progress(step="one", current=current, total=9), at_once=False)
    assert world.messages() == []
    world.wait(0.1)
    (request,) = world.messages()
    assert [p.progress.current for p in request.reports.progress] == [4]


async def reporting_a_step() -> tuple[World, asyncio.Task[pb.StepStatus.ValueType]]:
    """Job "a" has finished its step "one"; the task ends when the service's answer is known."""
    world = World()
    world.connect()
    delivery = world.begin("a")
    output = job_pb2.StepOutput(name="one", output_json="1")
    stored = asyncio.create_task(world.session.reports.step(delivery, output))
    await asyncio.sleep(0)
    return world, stored


async def test_a_finished_step_is_reported_again_after_a_reconnect_and_after_retry():
    world, stored = await reporting_a_step()
    assert [s.step.name for s in world.messages()[0].reports.steps] == ["one"]
    world.session.stream_ended()
    assert [s.step.name for s in world.connect().reports.steps] == ["one"]

    def ack(status: pb.StepStatus.ValueType) -> None:
        steps = [pb.StepAck(job_id="a", step="one", status=status)]
        world.session.receive(pb.WorkResponse(report_acks=pb.ReportAcks(steps=steps)), world.now)

    ack(pb.STEP_STATUS_RETRY)
    assert world.messages() == []
    world.wait(0.5)
    assert [s.step.name for s in world.messages()[0].reports.steps] == ["one"]
    ack(pb.STEP_STATUS_STORED)
    assert await asyncio.wait_for(stored, 5) == pb.STEP_STATUS_STORED


async def test_a_step_that_is_not_answered_for_an_interval_is_reported_again():
    world, stored = await reporting_a_step()
    assert [s.step.name for s in world.messages()[0].reports.steps] == ["one"]
    world.wait(1.0)
    world.messages()
    world.lease_says("a", pb.LEASE_STATE_HELD)
    world.wait(8.9)
    assert not any(request.reports.steps for request in world.messages())
    world.wait(0.2)
    assert [s.step.name for request in world.messages() for s in request.reports.steps] == ["one"]
    stored.cancel()


async def test_a_step_of_a_lost_lease_is_answered_lost():
    world, stored = await reporting_a_step()
    world.lease_says("a", pb.LEASE_STATE_LOST)
    assert await asyncio.wait_for(stored, 5) == pb.STEP_STATUS_LOST
