"""Workers and services that are frozen, killed, restarted or moved: who holds what afterwards."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import uuid_utils

from conformance.scene import LEASE, POLICIES, Scene, scene_of
from conformance.workers import WorkerKind
from jobline_local.ports import free_port
from support.eventually import eventually_blocking
from support.queue_calls import Calls, Refusal
from support.queue_service import QueueServiceUnderTest, queue_service


def test_a_zombie_says_nothing_about_its_old_run(scene: Scene) -> None:
    """C3, F1: frozen for three leases. Another worker runs the job meanwhile; the thawed one learns that it lost it."""
    zombie = scene.start("zombie")
    job = scene.enqueue("wait", gate=str(scene.file("gate")))
    scene.await_entry("start", job)
    scene.await_confirmed(job)
    zombie.freeze()
    frozen_at = time.time()
    scene.start("heir")
    scene.await_entry("start", job, count=2)
    scene.until(lambda: time.time() - frozen_at > 3 * LEASE, "three leases have passed", within=4 * LEASE)
    zombie.thaw()
    assert scene.await_entry("cancel", job, "lost").attempt == 1
    scene.file("gate").touch()
    assert scene.await_ended(job).attempt == 2
    assert scene.runs(job) == ["lost", "succeeded"]
    assert {scene.name_of(frame.stream) for frame, _ in scene.outcomes(job)} == {"heir"}
    assert [entry.attempt for entry in scene.entries(event="finish", job=job)] == [2]


def test_a_restarted_worker_of_the_same_name_keeps_nothing_of_the_dead_one_alive(scene: Scene) -> None:
    """C5: the name is a label. The new process has a session of its own, and holds nothing."""
    dead = scene.start("pod-0")
    job = scene.enqueue("wait", gate=str(scene.file("gate")))
    scene.await_entry("start", job)
    scene.await_confirmed(job)
    dead.send(signal.SIGKILL)
    scene.start("pod-0")
    scene.await_entry("start", job, count=2, within=3 * LEASE)
    scene.file("gate").touch()
    assert scene.await_ended(job).attempt == 2
    first, second = [frame.message.hello for frame in scene.proxy.requests if frame.message.HasField("hello")]
    assert first.session_id != second.session_id
    assert (first.name, second.name, list(second.held)) == ("pod-0", "pod-0", [])
    assert scene.runs(job) == ["lost", "succeeded"]


def test_a_service_that_is_killed_and_comes_back_finds_the_run_still_held(
    fresh_database: str, worker_kind: WorkerKind, tmp_path: Path
) -> None:
    """F2: no lease is taken before its worker had a lease's time to come back."""
    with (
        queue_service(fresh_database, tmp_path, POLICIES) as service,
        scene_of(service, worker_kind, tmp_path, terms="long") as scene,
    ):
        scene.start()
        job = scene.enqueue("steps", gates={"two": str(scene.file("gate"))})
        scene.await_entry("step", job, "two")
        scene.await_confirmed(job)
        service.restart()
        scene.file("gate").touch()
        scene.await_ended(job)
        assert scene.runs(job) == ["succeeded"]
        assert [entry.detail for entry in scene.entries(event="step")] == ["one", "two", "three"]
        scene.expect_a_new_watch()


def enqueued(calls: Calls, scene: Scene) -> str:
    """The id of a further job, asked for as a client does: again with the same request id when the answer is `try again`."""
    request_id = str(uuid_utils.uuid7())

    def enqueue() -> str:
        try:
            return calls.enqueue(scene.new_job("echo"), request_id=request_id)[0]
        except grpc.RpcError as error:
            if Refusal.of(error).status != "UNAVAILABLE":
                raise
            return ""

    return eventually_blocking(enqueue, within=15, what="a job is accepted")


@contextlib.contextmanager
def pair(database_url: str, folder: Path) -> Iterator[tuple[QueueServiceUnderTest, QueueServiceUnderTest]]:
    """An active service and its standby."""
    with queue_service(database_url, folder, POLICIES) as active:
        standby = QueueServiceUnderTest(database_url, folder, POLICIES)
        standby.start(wait=False)
        try:
            eventually_blocking(lambda: "listening on" in standby.log, within=20, what="the standby listens")
            yield active, standby
        finally:
            standby.kill()


@pytest.mark.parametrize("how", ["handed over", "killed"])
def test_of_several_addresses_the_active_one_is_found_before_and_after_a_take_over(
    fresh_database: str, worker_kind: WorkerKind, tmp_path: Path, how: str
) -> None:
    """C10, F2: an address where nobody listens, a standby, and the active one, which goes. No attempt is used up."""
    with (
        pair(fresh_database, tmp_path) as (active, standby),
        scene_of(active, worker_kind, tmp_path, terms="long") as scene,
    ):
        nobody = f"127.0.0.1:{free_port()}"
        worker = scene.spawn(slots=2, addresses=",".join([nobody, standby.address, scene.proxy.address]))
        scene.await_capacity(worker)
        jobs = [scene.enqueue("wait", gate=str(scene.file("gate"))) for _ in range(2)]
        scene.await_entry("start", count=2)
        for job in jobs:
            scene.await_confirmed(job)
        active.stop() if how == "handed over" else active.kill()
        with Calls(standby.address, standby.operator_token) as calls:
            eventually_blocking(standby.is_active, within=15, what="the standby has taken over")
            after = enqueued(calls, scene)
            scene.file("gate").touch()
            for job in [*jobs, after]:
                eventually_blocking(
                    lambda job=job: calls.state(job) == "succeeded", within=15, what="the job succeeded"
                )
                assert calls.job(job).attempt == 1
                assert len(calls.get(job).attempts) == 1
        scene.expect_a_new_watch()
        assert len(scene.entries(event="start")) == 3
