"""Runs that ask whether they hold their lease, and runs that nothing interrupts, message by message."""

import asyncio

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.cancel import CancelReason
from jobline.worker.results import NO_RESULT, Ending
from jobline.worker.run import Delivery
from support.session_world import World, outcomes


def beats(requests: list[pb.WorkRequest]) -> list[list[str]]:
    """The jobs that each heartbeat lists."""
    return [
        [job_id for held in request.heartbeat.held for job_id in held.job_ids]
        for request in requests
        if request.HasField("heartbeat")
    ]


async def asking(world: World, delivery: Delivery) -> asyncio.Task[None]:
    """A run that waits for word about its lease."""
    question = asyncio.create_task(world.session.reports.confirm(delivery))
    await asyncio.sleep(0)
    return question


async def is_answered(question: asyncio.Task[None]) -> bool:
    for _ in range(3):  # the answer takes a turn of the loop to arrive
        await asyncio.sleep(0)
    return question.done()


async def test_a_question_goes_out_at_once_as_a_heartbeat_for_its_lease_alone():
    world = World()
    world.connect()
    delivery = world.begin("a")
    world.assign("b", token="other")
    question = await asking(world, delivery)
    assert beats(world.messages()) == [["a"]]
    assert not await is_answered(question)
    world.lease_says("a", pb.LEASE_STATE_HELD)
    assert await is_answered(question)
    assert not delivery.cancel.is_set()
    assert world.messages() == []


async def test_an_answer_to_an_earlier_heartbeat_is_none_to_the_question():
    world = World()
    world.connect()
    delivery = world.begin("a")
    world.wait(1.0)
    assert beats(world.messages()) == [["a"]]
    question = await asking(world, delivery)
    assert beats(world.messages()) == [["a"]]
    world.lease_says("a", pb.LEASE_STATE_HELD)
    assert not await is_answered(question)
    world.lease_says("a", pb.LEASE_STATE_LOST)
    assert await is_answered(question)
    assert delivery.cancel.reason is CancelReason.LOST


async def test_a_question_about_a_run_that_should_stop_fires_its_token_before_it_is_answered():
    world = World()
    world.connect()
    delivery = world.begin("a")
    question = await asking(world, delivery)
    world.messages()
    world.lease_says("a", pb.LEASE_STATE_CANCEL_REQUESTED)
    assert await is_answered(question)
    assert delivery.cancel.reason is CancelReason.REQUESTED


async def test_a_question_is_put_again_on_the_next_stream():
    world = World()
    world.connect()
    delivery = world.begin("a")
    question = await asking(world, delivery)
    world.messages()
    world.session.stream_ended()
    assert not await is_answered(question)
    assert beats([world.connect()]) == [["a"]]
    world.lease_says("a", pb.LEASE_STATE_HELD)
    assert await is_answered(question)


async def test_a_question_that_nobody_answers_ends_with_the_trust_in_the_lease():
    world = World()
    world.connect()
    delivery = world.begin("a")
    delivery.uninterrupted = True
    question = await asking(world, delivery)
    world.session.stream_ended()
    world.wait(8.9)
    assert not await is_answered(question)
    world.wait(0.2)
    assert await is_answered(question)
    assert delivery.cancel.reason is CancelReason.LOST
    assert not world.session.leases


async def test_a_question_about_a_lease_that_is_lost_is_answered_without_asking():
    world = World()
    world.connect()
    delivery = world.begin("a")
    world.lease_says("a", pb.LEASE_STATE_LOST)
    question = await asking(world, delivery)
    assert await is_answered(question)
    assert beats(world.messages()) == []


def test_the_outcome_of_a_step_that_nothing_interrupts_is_told_although_the_lease_is_lost():
    world = World()
    world.connect()
    delivery = world.begin("a")
    delivery.uninterrupted = True
    world.lease_says("a", pb.LEASE_STATE_LOST)
    assert delivery.cancel.reason is CancelReason.LOST
    assert list(world.session.hello().hello.held) == []
    world.session.ended_regardless(Ending("t", "a", NO_RESULT))
    assert [outcomes(request) for request in world.messages()] == [["a"]]
    world.session.stream_ended()
    again = world.connect().outcomes
    assert list(again.outcomes) == [
        pb.Outcome(job_ids=["a"], lease_token="t", completed=pb.Completed(result_json="null"))
    ]
    world.session.finish()
    assert not world.session.done
    world.answer("a", status=pb.OUTCOME_STATUS_STALE)
    assert world.session.done
    assert world.messages() == []


def test_the_outcome_of_a_step_that_nothing_interrupts_outlives_the_loss_of_its_lease():
    world = World()
    world.connect()
    delivery = world.begin("a")
    delivery.uninterrupted = delivery.ended = True
    world.session.ended_regardless(Ending("t", "a", NO_RESULT))
    world.messages()
    world.session.stream_ended()
    lost = pb.LeaseStatus(lease_token="t", job_id="a", state=pb.LEASE_STATE_LOST)
    assert outcomes(world.connect(lost)) == ["a"]


def test_a_run_that_nothing_interrupts_stays_listed_when_its_lease_is_not_confirmed_in_time():
    world = World()
    world.connect()
    delivery = world.begin("a")
    delivery.uninterrupted = True
    world.session.stream_ended()
    world.wait(60.0)
    assert not delivery.cancel.is_set()
    assert [list(held.job_ids) for held in world.session.hello().hello.held] == [["a"]]
    delivery.uninterrupted = False
    world.wait(0.1)
    assert delivery.cancel.reason is CancelReason.LOST
    assert list(world.session.hello().hello.held) == []
