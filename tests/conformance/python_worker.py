"""The worker under test that is ours: the conformance kinds on the SDK's runtime. See README.md for what each must do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobline.errors import JoblineError
from jobline.worker import Json, PermanentError, Run, RunStopped, Snooze, TransientError, Worker, pipeline, step

_JOURNAL = Path(os.environ["CONFORMANCE_JOURNAL"])
_POLL = 0.02


def write(run: Run, event: str, detail: str = "") -> None:
    line = {"event": event, "job": run.id, "attempt": run.number, "kind": run.kind, "at": time.time(), "detail": detail}
    with _JOURNAL.open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(line) + "\n")


@contextlib.contextmanager
def journaled(run: Run) -> Iterator[None]:
    """Tells the journal when the handler begins and how it ends."""
    write(run, "start")
    try:
        yield
    except (RunStopped, asyncio.CancelledError):
        _stopped(run)
        raise
    except Snooze:
        write(run, "finish", "snoozed")
        raise
    except (TransientError, PermanentError):
        write(run, "finish", "failed")
        raise
    write(run, "finish", "completed")


def _stopped(run: Run) -> None:
    reason = run.cancelled.reason
    write(run, "cancel", reason.name.lower() if reason else "interrupted")


def is_open(path: str) -> bool:
    return not path or Path(path).exists()


async def gate(run: Run, path: str) -> None:
    """Returns once the file is there; stops when the run should."""
    while not is_open(path):
        run.cancelled.raise_if_set()
        await asyncio.sleep(_POLL)


def settings(run: Run) -> dict[str, Any]:
    return run.payload if isinstance(run.payload, dict) else {}


@pipeline("conform.echo")
async def echo(run: Run) -> Json:
    with journaled(run):
        return {"echo": run.payload, "attempt": run.number}


@pipeline("conform.fail")
async def fail(run: Run) -> Json:
    with journaled(run):
        want = settings(run)
        if run.number >= want.get("until", 1_000_000):
            return {"attempt": run.number}
        error = TransientError if want.get("retryable") else PermanentError
        raise error("told to fail", code=want.get("code", "TOLD_TO"))


@pipeline("conform.snooze")
async def snooze(run: Run) -> Json:
    with journaled(run):
        if not is_open(settings(run)["gate"]):
            raise Snooze(settings(run)["delay"])
        return {"attempt": run.number}


@pipeline("conform.wait")
async def wait(run: Run) -> Json:
    with journaled(run):
        await gate(run, settings(run).get("gate", ""))
        return {"attempt": run.number}


@pipeline("conform.block")
async def block(run: Run) -> Json:
    with journaled(run):
        time.sleep(settings(run)["seconds"])  # noqa: ASYNC251, TID251 - it is to block the loop
        return {"attempt": run.number}


@pipeline("conform.result")
async def result(run: Run) -> Json:
    with journaled(run):
        want = settings(run)
        return "\0" if want.get("nul") else "x" * int(want["bytes"])


@pipeline("conform.steps")
class Steps:
    @step
    async def one(self, run: Run) -> Json:
        write(run, "start")
        return await self._do(run)

    @step
    async def two(self, run: Run) -> Json:
        return await self._do(run)

    @step
    async def three(self, run: Run) -> Json:
        output = await self._do(run)
        write(run, "finish", "completed")
        return output

    async def _do(self, run: Run) -> Json:
        write(run, "step", run.step)
        try:
            await gate(run, settings(run).get("gates", {}).get(run.step, ""))
        except (RunStopped, asyncio.CancelledError):
            _stopped(run)
            raise
        return {"step": run.step, "attempt": run.number}

    def result(self, run: Run) -> Json:
        return {"steps": {name: run.outputs[name] for name in ("one", "two", "three")}}


async def main() -> int:
    queues = dict(pair.split("=") for pair in os.environ["CONFORMANCE_QUEUES"].split(","))
    worker = Worker(
        os.environ["CONFORMANCE_ADDRESSES"].split(","),
        os.environ["CONFORMANCE_TOKEN"],
        queues={queue: int(slots) for queue, slots in queues.items()},
        pipelines=[echo, fail, snooze, wait, block, result, Steps()],
        name=os.environ["CONFORMANCE_NAME"],
        drain_timeout=float(os.environ["CONFORMANCE_DRAIN_SECONDS"]),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    try:
        await worker.run()
    except JoblineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(asyncio.run(main()))
