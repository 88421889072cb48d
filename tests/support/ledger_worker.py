"""A worker process for fault tests: three durable steps that write a journal, and a kind that ends its process.

    python -m support.ledger_worker ADDRESS TOKEN JOURNAL NAME QUEUE…

The failpoints of JOBLINE_FAILPOINTS hold in it. SIGTERM drains it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from jobline import failpoints
from jobline.runtime import Settings, configure_logging
from jobline.worker import Json, Run, Worker, pipeline, step
from support.journal import Journal
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest

__all__ = ["start_ledger_worker"]

_TESTS = Path(__file__).parents[1]


def start_ledger_worker(
    service: QueueServiceUnderTest, folder: Path, name: str, *queues: str, armed: str = ""
) -> ProgramUnderTest:
    """A process of it; the journals of all lie in `folder`, one a process, as `NAME.journal`."""
    arguments = ("-m", "support.ledger_worker", service.address, service.worker_token)
    arguments += (str(folder / f"{name}.journal"), name, *queues)
    paths = os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH", ""))))
    environ = clean_environ(PYTHONPATH=paths, JOBLINE_FAILPOINTS=armed)
    return ProgramUnderTest(arguments, environ, folder, name)


def _pipelines(journal: Journal) -> list[object]:
    def note(run: Run, name: str) -> Json:
        journal.write("step", run.id, run.number, name)
        return name

    @pipeline("ledger")
    class Ledger:
        @step
        async def one(self, run: Run) -> Json:
            journal.write("begin", run.id, run.number)
            return note(run, "one")

        @step
        async def two(self, run: Run) -> Json:
            return note(run, "two")

        @step
        async def three(self, run: Run) -> Json:
            return note(run, "three")

    @pipeline("abort")
    async def abort(run: Run) -> Json:
        journal.write("begin", run.id, run.number)
        # The runtime says that it holds the job only after a second: an end before that is no lost run but a lost delivery.
        run.progress(message="about to abort")
        await asyncio.sleep(0.3)
        os.abort()

    return [Ledger(), abort]


async def _main(address: str, token: str, journal: str, name: str, *queues: str) -> None:
    configure_logging("worker")
    failpoints.arm(Settings())
    pipelines = _pipelines(Journal(Path(journal), name))
    worker = Worker(address, token, queues=dict.fromkeys(queues, 1), pipelines=pipelines, name=name)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
