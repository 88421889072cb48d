"""The `jobline` command as a user runs it, and a queue service of the test's own to run it against."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobline.client import JoblineClient
from jobline.errors import JoblineError
from jobline.runtime import Endpoints
from jobline_local.ports import free_port
from support.eventually import eventually_blocking
from support.processes import ProgramUnderTest, clean_environ

COMMAND = Path(sys.executable).with_name("jobline")


@dataclass(frozen=True)
class CommandLine:
    """`jobline` in an environment where only `settings` are set."""

    folder: Path
    settings: dict[str, str]

    def run(self, *arguments: str, answer: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """`answer` is typed in."""
        environ = clean_environ(**self.settings, **settings)
        return subprocess.run(
            [COMMAND, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environ,
            input=answer,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """What a command that succeeds prints with --json."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@dataclass(frozen=True)
class QueueServiceUnderTest:
    """A queue service that serves, with a token for each role."""

    endpoints: Endpoints
    process: ProgramUnderTest

    def client(self) -> JoblineClient:
        return JoblineClient(self.endpoints.queue, self.endpoints.operator_token)


@contextlib.contextmanager
def running_queue_service(
    database_url: str, redis_url: str, folder: Path, **settings: str
) -> Iterator[QueueServiceUnderTest]:
    """A queue service on a free port, from the moment it serves; its output goes to files in `folder`."""
    port = free_port()
    endpoints = Endpoints(
        queue=f"127.0.0.1:{port}",
        gateway_token="gateway-token-of-the-test",
        operator_token="operator-token-of-the-test",
        producer_token="producer-token-of-the-test",
        worker_token="worker-token-of-the-test",
    )
    environ = clean_environ(
        JOBLINE_DATABASE_URL=database_url,
        JOBLINE_REDIS_URL=redis_url,
        JOBLINE_QUEUE_PORT=str(port),
        JOBLINE_CRON="off",
        JOBLINE_SERVICE_TOKENS=",".join(
            f"{role}:{role}:{getattr(endpoints, f'{role}_token')}"
            for role in ("gateway", "operator", "producer", "worker")
        ),
        **settings,
    )
    process = ProgramUnderTest(("-m", "jobline_queue", "serve"), environ, folder, "queue")
    service = QueueServiceUnderTest(endpoints, process)
    try:
        eventually_blocking(lambda: _serves(service), within=60, what="the queue service serves")
        yield service
    finally:
        if process.returncode is None:
            process.kill()


def _serves(service: QueueServiceUnderTest) -> bool:
    if service.process.returncode is not None:
        raise RuntimeError(f"the queue service ended:\n{service.process.errors.read_text()}")
    try:
        with JoblineClient(service.endpoints.queue, service.endpoints.operator_token, deadline=1) as client:
            client.list_queues()
    except JoblineError:
        return False
    return True
