"""A worker process of a chaos run: the real runtime, pipelines that do what the payload says, and a journal.

    python -m chaos.worker NAME JOURNAL ADDRESS,ADDRESS WORKLOAD

The service token is in JOBLINE_TOKEN. Ends in order on SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.journal import Journal
from chaos.workload import WORKLOADS, QueueRules
from jobline.runtime import configure_logging
from jobline.worker import PermanentError, Run, Snooze, TransientError, Worker, pipeline, step

#: Seconds after which the service has heard that a job arrived; one that crashes sooner looks like one that never came.
_RECEIVED = 1.5


class _Diary:
    """Writes the journal of a run, and does what its payload says."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun: set[tuple[str, str]] = set()

    def note(self, run: Run, event: str, detail: str = "") -> None:
        self._journal.write(event, run.id, _token(run), run.number, detail)

    async def work(self, run: Run) -> None:
        """A whole handler but its beginning and its end."""
        self.begin(run)
        try:
            await asyncio.sleep(run.payload["ms"] / 1000)
        except BaseException:
            self.note(run, "stop", str(run.cancelled.reason))
            raise
        await self.misbehave(run)

    def begin(self, run: Run) -> None:
        """Notes the start of a run, once: a run that goes on after stored steps enters in the middle."""
        if (run.id, _token(run)) not in self._begun:
            self._begun.add((run.id, _token(run)))
            self.note(run, "start")

    def end(self, run: Run) -> dict[str, Any]:
        self.begin(run)
        self.note(run, "finish")
        return {"token": _token(run), "number": run.number}

    async def misbehave(self, run: Run) -> None:
        troubles = run.payload["trouble"]
        match troubles[run.number - 1] if run.number <= len(troubles) else "":
            case "fail":
                self.note(run, "fail", "transient")
                raise TransientError("the payload says so")
            case "raise":
                self.note(run, "fail", "unexpected")
                raise ValueError("the payload says so")
            case "fatal":
                self.note(run, "fail", "permanent")
                raise PermanentError("the payload says so")
            case "snooze" if random.random() < 0.5:
                self.note(run, "snooze")
                raise Snooze(0.2)
            case "crash":
                await asyncio.sleep(random.choice((0.0, _RECEIVED)))
                self.note(run, "fail", "crash")
                os.kill(os.getpid(), signal.SIGKILL)


def _token(run: Run) -> str:
    return run._delivery.assignment.lease_token


def quick(diary: _Diary, queues: tuple[str, ...]) -> object:
    """Short jobs, of which the worker holds more than it runs."""

    @pipeline("quick", prefetch=40, queues=queues)
    async def handle(run: Run) -> dict[str, Any]:
        await diary.work(run)
        return diary.end(run)

    return handle


def work(diary: _Diary, queues: tuple[str, ...]) -> object:
    @pipeline("work", queues=queues)
    async def handle(run: Run) -> dict[str, Any]:
        await diary.work(run)
        return diary.end(run)

    return handle


def blocking(diary: _Diary, queues: tuple[str, ...]) -> object:
    """A handler that nobody can interrupt."""

    @pipeline("blocking", queues=queues)
    def handle(run: Run) -> dict[str, Any]:
        diary.begin(run)
        time.sleep(run.payload["ms"] / 1000)  # noqa: TID251 - the thread is what is blocked here
        return diary.end(run)

    return handle


@pipeline("stepping", queues=("stepping", "forgetful"))
class Stepping:
    """Three durable steps; the second is the one that fails."""

    def __init__(self, diary: _Diary) -> None:
        self._diary = diary

    @step
    async def first(self, run: Run) -> str:
        return await self._step(run, "first")

    @step
    async def second(self, run: Run) -> str:
        output = await self._step(run, "second")
        await self._diary.misbehave(run)
        return output

    @step
    async def third(self, run: Run) -> str:
        return await self._step(run, "third")

    def result(self, run: Run) -> dict[str, Any]:
        return self._diary.end(run)

    async def _step(self, run: Run, name: str) -> str:
        """Whoever is in a step has had the outputs of all earlier ones stored."""
        self._diary.begin(run)
        self._diary.note(run, "step", name)
        try:
            await asyncio.sleep(run.payload["ms"] / 3000)
        except BaseException:
            self._diary.note(run, "stop", str(run.cancelled.reason))
            raise
        return f"{name} of {run.number}"


async def serve(name: str, journal: Path, addresses: list[str], queues: Mapping[str, QueueRules]) -> None:
    diary = _Diary(Journal(journal))
    functions = {"quick": quick, "work": work, "blocking": blocking}
    pipelines = [declare(diary, _queues_of(queues, kind)) for kind, declare in functions.items()]
    worker = Worker(
        addresses,
        os.environ["JOBLINE_TOKEN"],
        queues={queue: rules.slots for queue, rules in queues.items()},
        pipelines=[*pipelines, Stepping(diary)],
        name=name,
        drain_timeout=3.0,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


def _queues_of(queues: Mapping[str, QueueRules], kind: str) -> tuple[str, ...]:
    """Named outright: a pipeline that may serve any queue would decide how much all of them prefetch."""
    return tuple(name for name, rules in queues.items() if rules.kind == kind) or ("none",)


if __name__ == "__main__":
    configure_logging("chaos-worker")
    name, journal, addresses, workload = sys.argv[1:]
    asyncio.run(serve(name, Path(journal), addresses.split(","), WORKLOADS[workload]))
