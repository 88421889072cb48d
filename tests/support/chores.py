"""The chores as a process, in production's settings, and a Valkey that can be killed and comes back at its address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from jobline_local.child import Child
from jobline_local.secrets import load_or_create
from jobline_local.servers import embedded_servers
from jobline_local.valkey import Valkey
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest
from support.stack import scratch_data_dir

__all__ = ["OFTEN", "MortalValkey", "chores", "mortal_valkey"]

#: Every two seconds; the sixth field of a cron string is the second.
OFTEN = "* * * * * */2"


class MortalValkey:
    """A Valkey of the test's own."""

    def __init__(self, server: Valkey) -> None:
        self._server = server
        self._child: Child | None = None
        self.url = server.url

    def start(self) -> None:
        asyncio.run(self._server.prepare())
        self._child = Child(self._server.program())
        asyncio.run(asyncio.wait_for(self._server.ready(), 60))

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill_group()
            asyncio.run(self._child.exited())
            self._child = None


@contextlib.contextmanager
def mortal_valkey() -> Iterator[MortalValkey]:
    with scratch_data_dir() as data:
        data.create()
        server = embedded_servers(data, load_or_create(data.secrets_file), postgres=False, valkey=True).valkey
        assert server is not None
        valkey = MortalValkey(server)
        try:
            valkey.start()
            yield valkey
        finally:
            valkey.kill()


@contextlib.contextmanager
def chores(
    service: QueueServiceUnderTest, redis_url: str, folder: Path, name: str = "chores", **settings: str
) -> Iterator[ProgramUnderTest]:
    """A scheduler with its worker, which cleans up all the time; killed at the end if the test left it running."""
    wanted = {
        "JOBLINE_ENV": "production",
        "JOBLINE_REDIS_URL": redis_url,
        "JOBLINE_QUEUE_ADDRESS": service.address,
        "JOBLINE_TOKEN": service.operator_token,
        "JOBLINE_CLEANUP_CRON": OFTEN,
    }
    program = ProgramUnderTest(("-m", "jobline_queue", "chores"), clean_environ(**{**wanted, **settings}), folder, name)
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
