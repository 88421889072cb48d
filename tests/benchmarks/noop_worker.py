"""A worker process: the real runtime with one pipeline that does next to nothing.

    python -m benchmarks.noop_worker ADDRESS QUEUE SLOTS PREFETCH

The service token is in JOBLINE_TOKEN, the name of the log of starts in BENCH_LOG. Ends in order on SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.start_log import StartLog
from benchmarks.workload import KIND
from jobline.event_loop import run
from jobline.runtime import configure_logging
from jobline.worker import Run, Worker, pipeline


def noop(log: StartLog, prefetch: int) -> Callable[[Run], Awaitable[None]]:
    """The pipeline: it notes when it began. A job that is to hold never ends."""

    @pipeline(KIND, prefetch=prefetch)
    async def note_start(run: Run) -> None:
        log.record(run.payload["sent"], time.monotonic())
        if run.payload.get("hold"):
            await asyncio.Event().wait()

    return note_start


async def serve(address: str, queue: str, slots: int, prefetch: int, log: Path) -> None:
    pipelines = [noop(StartLog(log), prefetch)]
    worker = Worker(address, os.environ["JOBLINE_TOKEN"], queues={queue: slots}, pipelines=pipelines, drain_timeout=1.0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


if __name__ == "__main__":
    configure_logging("bench-worker")
    address, queue, slots, prefetch = sys.argv[1:]
    run(serve(address, queue, int(slots), int(prefetch), Path(os.environ["BENCH_LOG"])))
