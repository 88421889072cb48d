"""The real queue service as a process: on a database of the test's, with queue policies of the test's."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc

from jobline_local.ports import free_port
from support.eventually import eventually_blocking
from support.processes import ProgramUnderTest, clean_environ

__all__ = ["POLICIES", "QueueServiceUnderTest", "execute", "queue_service"]

#: Short enough that a lost lease is found out within a test, long enough for a busy machine.
POLICIES = """
[queues.test]
lease = "6s"
receipt = "3s"
max_attempts = 3
backoff = ["100ms"]
step_tries = 3
step_backoff = ["10ms"]
cancel = "boundary"
retry_resumes = true

[queues.now]
lease = "6s"
cancel = "now"

# For tests that wait until a lease lapses, or hold one for longer than it lasts.
[queues.brief]
lease = "2500ms"
receipt = "1500ms"
max_attempts = 3
backoff = ["100ms"]
retry_resumes = true

# For tests that restart the service while a run goes on, which takes a busy machine a while.
[queues.patient]
lease = "2m"
receipt = "1m"
"""


def execute(database_url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, on a connection of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


class QueueServiceUnderTest:
    """Starts, stops, freezes and kills the service on one port and database, any number of times."""

    operator_token, worker_token, producer_token, gateway_token = (
        f"{role}-token-of-a-test" for role in ("operator", "worker", "producer", "gateway")
    )
    #: A second caller of a role, to see what one keeps from the other.
    other_producer_token, other_worker_token = "second-producer-of-a-test", "second-worker-of-a-test"

    def __init__(self, database_url: str, folder: Path, policies: str = POLICIES, **settings: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.database_url = database_url
        policy_file = folder / f"queues-{self.port}.toml"
        policy_file.write_text(policies)
        self._folder = folder
        self._environ = clean_environ(
            JOBLINE_DATABASE_URL=database_url,
            JOBLINE_QUEUE_PORT=str(self.port),
            JOBLINE_QUEUES_FILE=str(policy_file),
            JOBLINE_SERVICE_TOKENS=",".join(self._tokens()),
            **settings,
        )
        self.process: ProgramUnderTest | None = None

    def _tokens(self) -> list[str]:
        roles = ("operator", "worker", "producer", "gateway")
        first = [f"{role}:{role}:{getattr(self, f'{role}_token')}" for role in roles]
        others = {"producer": self.other_producer_token, "worker": self.other_worker_token}
        return [*first, *(f"other-{role}:{role}:{token}" for role, token in others.items())]

    def start(self, *, wait: bool = True, **settings: str) -> None:
        """Returns once it is the active one; without `wait` at once. The settings are this life's alone."""
        self.process = ProgramUnderTest(
            ("-m", "jobline_queue", "serve"), {**self._environ, **settings}, self._folder, f"queue-{self.port}"
        )
        if wait:
            self.await_active()

    def await_active(self, within: float = 30.0) -> None:
        eventually_blocking(self.is_active, within=within, what="the queue service is active")

    def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.stop()

    def kill(self) -> None:
        """SIGKILL, also to one that is frozen."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    def restart(self) -> None:
        """As after a crash: killed, and started again on the same port."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        self._running().send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running().send(signal.SIGCONT)

    @property
    def log(self) -> str:
        return (self._folder / f"queue-{self.port}.err").read_text()

    @property
    def faults(self) -> list[str]:
        """What the service logged as an error of its own: in answering a call, or in what it asked of the database."""
        errors = [line for line in self.log.splitlines() if " ERROR " in line]
        return [
            line
            for line in errors
            if any(name in line for name in ("jobline_queue.rpc", "jobline_queue.dispatch", "grpc"))
        ]

    def health(self, service: str = "") -> str:
        """The word of the health service; the empty name is the process itself."""
        with grpc.insecure_channel(self.address) as channel:
            check = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(check, timeout=2)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def is_active(self) -> bool:
        process = self._running()
        if process.returncode is not None:
            raise RuntimeError(f"the queue service ended:\n{self.log}")
        try:
            return self.health("jobline.v1.JobService") == "SERVING"
        except grpc.RpcError:
            return False

    def _running(self) -> ProgramUnderTest:
        assert self.process is not None
        return self.process

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement on the service's database, past the service."""
        return execute(self.database_url, statement, *parameters)


@contextlib.contextmanager
def queue_service(
    database_url: str, folder: Path, policies: str = POLICIES, **settings: str
) -> Iterator[QueueServiceUnderTest]:
    """A service that is active; killed at the end if the test left it running."""
    service = QueueServiceUnderTest(database_url, folder, policies, **settings)
    try:
        service.start()
        yield service
    finally:
        service.kill()
