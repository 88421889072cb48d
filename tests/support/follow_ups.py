"""Jobs whose end enqueues the next one; and a process that is killed while it stores such an end.

JOBLINE_FAILPOINTS=finish.before_commit=kill python -m support.follow_ups DATABASE_URL
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from psycopg import AsyncConnection

from jobline import failpoints
from jobline.runtime import Settings
from jobline_queue.core.ending import RunEnd
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from support.hooked_core import accept, hooked_core
from support.processes import ProgramUnderTest, clean_environ

_TESTS = Path(__file__).parents[1]


async def _with_next(_connection: AsyncConnection, job: LiveJob, _policy: QueuePolicy, end: RunEnd) -> RunEnd:
    payload = f'{{"after":{job.payload}}}'
    follow_up = NewJob(job.queue, "next", "user:ada", 7, concurrency_key=job.key, payload=payload)
    return replace(end, follow_ups=(follow_up,))


#: Every end of a job of the kind `first` stores one of the kind `next`. The rows of its runs are marked with the claim, so
#: that a flush of the finisher is an end and nothing else.
FIRST = KindHooks("first", accept, marks_claims=True, on_end=_with_next)


def killed_at(point: str, database_url: str, folder: Path) -> int:
    """The exit code of a service that meets its end while it stores that of a run."""
    paths = os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH", ""))))
    program = ("-m", "support.follow_ups", database_url)
    environ = clean_environ(PYTHONPATH=paths, JOBLINE_FAILPOINTS=f"{point}=kill")
    return ProgramUnderTest(program, environ, folder, "killed").wait(30)


async def _main(database_url: str) -> None:
    async with hooked_core(database_url, FIRST) as core:
        await core.enqueue(NewJob("q", "first", payload="1"))
        (run,) = await core.claim("q", ["first"])
        failpoints.arm(Settings())
        await core.complete(run)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
