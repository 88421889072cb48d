"""What a worker does with a job: each outcome, steps, cancels, leaving. The least that any implementation must do."""

from __future__ import annotations

import json

from conformance.scene import LEASE, Scene, part_names
from jobline.v1 import work_service_pb2 as pb


def result_of(scene: Scene, job_id: str) -> object:
    return json.loads(scene.await_ended(job_id).result_json)


def test_each_outcome_means_what_it_says(scene: Scene) -> None:
    scene.start(slots=4)
    gate = scene.file("gate")
    echoed = scene.enqueue("echo", word="hé", list=[1, 2.5, None])
    again = scene.enqueue("fail", until=2, retryable=True)
    never = scene.enqueue("fail", retryable=False, code="NOT_TODAY")
    later = scene.enqueue("snooze", gate=str(gate), delay=0.1)
    assert result_of(scene, echoed) == {"echo": {"word": "hé", "list": [1, 2.5, None]}, "attempt": 1}
    assert (result_of(scene, again), scene.runs(again)) == ({"attempt": 2}, ["failed", "succeeded"])
    failed = scene.await_ended(never, "failed")
    assert (failed.error.code, failed.error.retryable, failed.attempt) == ("NOT_TODAY", False, 1)
    scene.await_entry("finish", later, "snoozed", count=2)
    gate.touch()
    assert result_of(scene, later) == {"attempt": 1}, "a run that was put off counts no attempt"


def test_steps_are_stored_one_by_one_and_the_current_one_is_told_at_once(scene: Scene) -> None:
    scene.start()
    gate = scene.file("gate")
    job = scene.enqueue("steps", gates={"two": str(gate)})
    scene.until(lambda: scene.calls.job(job).progress.step == "two", "the current step is visible")
    assert [step.name for step in scene.calls.get(job).steps] == ["one"]
    gate.touch()
    output = {name: {"step": name, "attempt": 1} for name in ("one", "two", "three")}
    assert result_of(scene, job) == {"steps": output}
    assert [entry.detail for entry in scene.entries(event="step")] == ["one", "two", "three"]


def test_a_run_begins_after_the_steps_that_earlier_runs_stored(scene: Scene) -> None:
    """F1: a worker killed between two steps; the finished one is not done again."""
    gate = scene.file("gate")
    worker = scene.start()
    job = scene.enqueue("steps", gates={"two": str(gate)})
    scene.await_entry("step", job, "two")
    worker.kill()
    gate.touch()
    scene.start("two")
    assert result_of(scene, job) == {
        "steps": {
            "one": {"step": "one", "attempt": 1},
            "two": {"step": "two", "attempt": 2},
            "three": {"step": "three", "attempt": 2},
        }
    }
    assert [entry.detail for entry in scene.entries(event="step")] == ["one", "two", "two", "three"]
    assert scene.runs(job) == ["lost", "succeeded"]


def test_a_cancel_request_stops_the_run_at_its_next_boundary(scene: Scene) -> None:
    scene.start()
    job = scene.enqueue("wait", gate=str(scene.file("never")))
    scene.await_entry("start", job)
    scene.calls.cancel(job)
    scene.await_ended(job, "cancelled")
    assert scene.await_entry("cancel", job).detail == "requested"
    assert scene.await_answers(job) == ["COMMITTED"]


def test_a_run_that_is_revoked_stops_and_says_nothing_more(scene_now: Scene) -> None:
    """C7: a queue that cancels at once; the worker learns it by LOST."""
    scene = scene_now
    scene.start()
    job = scene.enqueue("wait", gate=str(scene.file("never")))
    scene.await_entry("start", job)
    scene.calls.cancel(job)
    scene.await_ended(job, "cancelled")
    assert scene.await_entry("cancel", job).detail == "lost"
    after = scene.enqueue("echo")
    scene.await_ended(after)
    assert scene.outcomes(job) == []


def heartbeats_of(scene: Scene, job: str) -> list[float]:
    """When the worker said that it holds the job; Unix time."""
    held = [(frame.at, group) for frame in scene.proxy.requests for group in frame.message.heartbeat.held]
    return [at for at, group in held if job in group.job_ids]


def test_a_job_that_is_not_over_in_a_second_gets_its_receipt_then(scene_long: Scene) -> None:
    """F6: one second after the assignment, long before the next heartbeat of all leases, and at no other time."""
    scene = scene_long
    gate = scene.file("gate")
    scene.start()
    job = scene.enqueue("wait", gate=str(gate))
    scene.until(lambda: heartbeats_of(scene, job), "the receipt")
    gate.touch()
    scene.await_ended(job)
    (assigned,) = [frame.at for frame in scene.proxy.responses if frame.message.HasField("assignments")]
    assert 0.8 < heartbeats_of(scene, job)[0] - assigned < 2.0


def test_the_heartbeat_keeps_the_lease(scene: Scene) -> None:
    """Every lease in every interval, give or take 20 %."""
    gate = scene.file("gate")
    scene.start()
    job = scene.enqueue("wait", gate=str(gate))

    def heard() -> list[float]:
        return heartbeats_of(scene, job)

    scene.until(lambda: len(heard()) >= 4, "four heartbeats")
    gate.touch()
    scene.await_ended(job)
    gaps = [later - earlier for earlier, later in zip(heard(), heard()[1:], strict=False)]
    assert max(gaps) < LEASE / 3 * 1.2 + 0.5
    assert scene.runs(job) == ["succeeded"]


def test_a_handler_that_blocks_for_longer_than_the_lease_keeps_it(scene: Scene) -> None:
    """F39: the heartbeats do not depend on the handlers."""
    scene.start()
    job = scene.enqueue("block", seconds=2 * LEASE)
    assert scene.await_ended(job).attempt == 1
    assert scene.runs(job) == ["succeeded"]


def test_a_result_that_cannot_be_stored_fails_the_job_and_not_the_worker(scene: Scene) -> None:
    """A bad item is answered in band: INVALID, or found by the worker itself; the stream goes on."""
    scene.start(slots=3)
    large, nul = scene.enqueue("result", bytes=1_100_000), scene.enqueue("result", nul=True)
    for job in (large, nul):
        assert not scene.await_ended(job, "failed").error.retryable
    scene.await_ended(scene.enqueue("result", bytes=1_000_000))
    assert len(scene.proxy.streams) == 1


def test_sigterm_lets_what_runs_finish_and_uses_up_no_attempt(scene: Scene) -> None:
    """F21: capacity 0 and Goodbye in one message; the outcome is answered; then half-close, OK, exit 0."""
    gate = scene.file("gate")
    worker = scene.start(slots=2)
    job = scene.enqueue("wait", gate=str(gate))
    scene.await_entry("start", job)
    worker.terminate()
    (goodbye,) = scene.until(lambda: [f for f in scene.proxy.requests if f.message.HasField("goodbye")], "Goodbye")
    assert [(queue.queue, queue.jobs) for queue in goodbye.message.capacity.queues] == [(scene.queue, 0)]
    waiting = scene.enqueue("echo")
    gate.touch()
    scene.await_ended(job)
    assert worker.wait(15) == 0
    (stream,) = scene.proxy.streams
    assert (stream.half_closed, stream.status and stream.status[0].name) == (True, "OK")
    assert scene.calls.state(waiting) == "pending", "nothing is taken after Goodbye"


def test_what_cannot_finish_in_time_is_given_back_at_its_old_place(scene: Scene) -> None:
    """F21: at the end of the drain time the runs are interrupted and released."""
    worker = scene.start(slots=2, drain=0.3)
    jobs = [scene.enqueue("wait", gate=str(scene.file("never"))) for _ in range(2)]
    scene.await_entry("start", count=2)
    worker.terminate()
    assert worker.wait(15) == 0
    for job in jobs:
        found = scene.calls.job(job)
        assert (scene.calls.state(job), found.attempt, scene.runs(job)) == ("pending", 0, ["released"])
    assert {entry.detail for entry in scene.entries(event="cancel")} == {"shutdown"}


def test_a_second_sigterm_gives_back_at_once(scene: Scene) -> None:
    worker = scene.start(drain=60)
    job = scene.enqueue("wait", gate=str(scene.file("never")))
    scene.await_entry("start", job)
    worker.terminate()
    scene.until(lambda: [f for f in scene.proxy.requests if f.message.HasField("goodbye")], "Goodbye")
    worker.terminate()
    assert worker.wait(10) == 0
    assert (scene.calls.state(job), scene.runs(job)) == ("pending", ["released"])


def test_an_operators_drain_ends_the_worker_in_order(scene: Scene) -> None:
    gate = scene.file("gate")
    worker = scene.start()
    job = scene.enqueue("wait", gate=str(gate))
    scene.await_entry("start", job)
    hello = scene.proxy.streams[0].requests[0].message.hello
    scene.drain(hello.session_id)
    scene.until(lambda: [f for f in scene.proxy.requests if f.message.HasField("goodbye")], "Goodbye")
    gate.touch()
    scene.await_ended(job)
    assert worker.wait(15) == 0


def test_it_holds_no_more_than_it_asked_for_and_asks_in_absolute_numbers(scene: Scene) -> None:
    """C6 and I7: 60 jobs through three slots."""
    scene.start(slots=3)
    jobs = scene.enqueue_many(60)
    for job in jobs:
        scene.await_ended(job)
    running, most, told = 0, 0, 0
    for entry in scene.entries():
        running += {"start": 1, "finish": -1}.get(entry.event, 0)
        most = max(most, running)
    for frame in scene.proxy.requests:
        told = max([told, *(queue.jobs for queue in frame.message.capacity.queues)])
    assert most <= 3
    assert told >= 3


def test_it_speaks_once_at_the_beginning_and_lists_what_it_can_do(scene: Scene) -> None:
    """The first message is the Hello; a session id that is a fresh UUID; nothing is held that was never handed out."""
    scene.start()
    first, *rest = scene.proxy.streams[0].requests
    assert "hello" in part_names(first.message)
    assert all("hello" not in part_names(frame.message) for frame in rest)
    hello: pb.Hello = first.message.hello
    assert (list(hello.queues), list(hello.held), hello.name) == ([scene.queue], [], "one")
    assert len(hello.session_id) == 36
    assert {"conform.echo", "conform.steps"} <= set(hello.kinds)
