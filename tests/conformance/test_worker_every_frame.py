"""C1, F5, F6: each message of the service is lost in turn, and the stream is cut before each in turn.

A scenario of three jobs (one that completes, one with steps, one that fails once) is run once undisturbed to count the
messages of the service, and then once for each of them and each fault. Many runs go on at the same time, each with a
worker, a queue and a proxy of its own. Nothing may be lost, run twice at the same time, or cost an attempt that no handler
used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import Message

from conformance.scene import Scene, part_names, scene_of
from conformance.stream_proxy import Cut, Frame, Rule
from conformance.workers import WorkerKind
from support.queue_service import QueueServiceUnderTest

#: Attempts that each job of the scenario needs, whatever happens to the messages.
ATTEMPTS = {"echo": 1, "steps": 1, "fail": 2}
LATE_PARTS = ("report_acks", "outcome_acks")
#: More than the welcome is waited for (10 s), and what follows.
WITHIN = 30.0


def begin(scene: Scene) -> dict[str, str]:
    """Enqueues the scenario's jobs and starts a worker; the kinds and ids."""
    jobs = {
        "echo": scene.enqueue("echo"),
        "steps": scene.enqueue("steps"),
        "fail": scene.enqueue("fail", until=2, retryable=True),
    }
    scene.spawn(slots=3)
    return jobs


def finish(scene: Scene, jobs: dict[str, str], what: str) -> None:
    for kind, job in jobs.items():
        found = scene.await_ended(job, within=WITHIN)
        assert found.attempt == ATTEMPTS[kind], f"{what}: the job {kind} took {scene.runs(job)}"


def disturbed(chosen: Callable[[Frame], bool], seen: set[str], faults: Callable[[Frame], Iterator[Message]]) -> Rule:
    """`faults` decides about the first message of the first stream that is `chosen`; the rest passes."""
    done: list[Frame] = []

    def rule(frame: Frame) -> Iterator[Message]:
        if done or frame.stream.number or not chosen(frame):
            yield frame.message
            return
        done.append(frame)
        seen.update(part_names(frame.message))
        yield from faults(frame)

    return rule


def lose(frame: Frame) -> Iterator[Message]:
    yield from ()


def cut_before(frame: Frame) -> Iterator[Message]:
    yield from ()
    raise Cut


def cut_after(frame: Frame) -> Iterator[Message]:
    yield frame.message
    raise Cut


@dataclass
class Disturbance:
    """The scenario once for each message of the service, all at the same time, each time with a fault at that message."""

    fault: Rule
    scenes: list[tuple[str, Scene, dict[str, str]]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def begin(self, open_scene: Callable[[], Scene], messages: int) -> None:
        # By their numbers; and those that come late by what they are, since a busy machine has more messages before them.
        by_number = [(str(index), lambda frame, index=index: frame.index == index) for index in range(messages)]
        by_part = [(part, lambda frame, part=part: frame.message.HasField(part)) for part in LATE_PARTS]
        for name, chosen in [*by_number, *by_part]:
            scene = open_scene()
            scene.proxy.on_response = disturbed(chosen, self.seen, self.fault)
            self.scenes.append((name, scene, begin(scene)))

    def finish(self) -> None:
        for name, scene, jobs in self.scenes:
            finish(scene, jobs, f"{self.fault.__name__} message {name}")
        assert self.seen >= {"welcome", "heartbeat_ack", "assignments", "report_acks", "outcome_acks"}


def test_no_message_of_the_service_is_one_too_many_to_lose(
    conformance_service: QueueServiceUnderTest, worker_kind: WorkerKind, tmp_path: Path
) -> None:
    def opener(stack: contextlib.ExitStack) -> Callable[[], Scene]:
        return lambda: stack.enter_context(scene_of(conformance_service, worker_kind, tmp_path, terms="long"))

    with scene_of(conformance_service, worker_kind, tmp_path, terms="long") as scene:
        finish(scene, begin(scene), "undisturbed")
        messages = len(scene.proxy.responses)
    assert messages >= 5
    with contextlib.ExitStack() as patient:
        # A worker waits long for a welcome that is lost; the streams are cut meanwhile.
        losses = Disturbance(lose)
        losses.begin(opener(patient), messages)
        for fault in (cut_before, cut_after):
            with contextlib.ExitStack() as stack:
                cuts = Disturbance(fault)
                cuts.begin(opener(stack), messages)
                cuts.finish()
        losses.finish()
