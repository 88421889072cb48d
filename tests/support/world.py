"""The product as an operator deploys it: a queue service, some workers and a gateway, each a real process of its own.

    with world(fresh_database, tmp_path) as w:
        ids = w.desk.user().submit("Ada Lovelace")
        w.holder().kill()

Every process can be killed, frozen and started again; the providers' answers are let through by the test.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from jobline.client import JoblineClient
from support.email_desk import EmailDesk
from support.eventually import eventually_blocking
from support.gated_providers import GatedProviders, gated_providers
from support.gateway import gateway_process
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest

__all__ = ["World", "world"]

#: A lost worker is noticed within a test; long enough that a busy machine does not lose a living one.
QUICK = {"lease": '"4s"', "receipt": '"4s"', "step_backoff": '["50ms"]'}


class World:
    """The running processes."""

    def __init__(self, queue: QueueServiceUnderTest, providers: GatedProviders, folder: Path) -> None:
        self.queue = queue
        self.providers = providers
        self.workers: list[ProgramUnderTest] = []
        self._folder = folder
        self.desk: EmailDesk

    def spawn_worker(self) -> ProgramUnderTest:
        """A further worker; it may still be starting."""
        environ = clean_environ(
            JOBLINE_DATA_DIR=str(self._folder),
            JOBLINE_QUEUE_ADDRESS=self.queue.address,
            JOBLINE_TOKEN=self.queue.worker_token,
            JOBLINE_WORKER_PORT="0",
            JOBLINE_WORKER_QUEUES="email_default",
            **self.providers.settings,
        )
        arguments = ("-m", "jobline_worker", "serve")
        worker = ProgramUnderTest(arguments, environ, self._folder, f"worker-{len(self.workers)}")
        self.workers.append(worker)
        return worker

    def start_worker(self) -> ProgramUnderTest:
        """A further worker that is connected."""
        worker = self.spawn_worker()
        self.wait_connected(worker)
        return worker

    def wait_connected(self, worker: ProgramUnderTest) -> None:
        eventually_blocking(lambda: "is connected to" in worker.errors.read_text(), within=60, what="worker connected")

    def wait_in_step(self, item_id: str, recipient: str, step: str) -> None:
        """Returns once the item is `processing` in this step, for its provider and in its row."""
        self.providers.wait_for(step, recipient)
        where = "SELECT status, current_step FROM queue_items WHERE id = %s"
        eventually_blocking(
            lambda: self.desk.rows(where, item_id) == [("processing", step)],
            within=30,
            what=f"{recipient} is in {step}",
        )

    def holder(self, item_id: str) -> ProgramUnderTest:
        """The worker that has this item, and has shown the queue service that it received it."""
        with JoblineClient(self.queue.address, self.queue.operator_token) as client:

            def worker() -> str | None:
                lease = client.get(item_id).job.lease
                return lease.worker if lease and lease.received else None

            name = eventually_blocking(worker, within=30, what="a worker has shown that it received the item")
        assert name
        return next(worker for worker in self.workers if name.endswith(f":{worker.pid}"))

    def ask_to_leave(self, worker: ProgramUnderTest) -> None:
        """Sends SIGTERM; returns once the queue service knows that this worker takes nothing more."""
        worker.send(signal.SIGTERM)
        with JoblineClient(self.queue.address, self.queue.operator_token) as client:

            def draining() -> bool:
                return any(one.draining and one.name.endswith(f":{worker.pid}") for one in client.list_workers())

            eventually_blocking(draining, within=30, what="the worker has said goodbye")

    def kill(self) -> None:
        for worker in self.workers:
            if worker.returncode is None:
                worker.kill()


def policies(**settings: str) -> str:
    """A policy file for the e-mail queue; values are written as TOML has them."""
    lines = [f"{name} = {value}" for name, value in {**QUICK, **settings}.items()]
    return "\n".join(["[queues.email_default]", *lines])


@contextlib.contextmanager
def world(database_url: str, folder: Path, workers: int = 1, **policy: str) -> Iterator[World]:
    """All of it, connected and serving. `policy` is laid over the quick one."""
    with contextlib.ExitStack() as stack:
        providers = stack.enter_context(gated_providers())
        queue = QueueServiceUnderTest(database_url, folder, policies(**policy))
        stack.callback(queue.kill)
        the_world = World(queue, providers, folder)
        stack.callback(the_world.kill)
        for _ in range(workers):
            the_world.spawn_worker()
        queue.start()
        settings = {"JOBLINE_QUEUE_ADDRESS": queue.address, "JOBLINE_TOKEN": queue.gateway_token}
        gateway, address = stack.enter_context(gateway_process(folder, **settings))
        the_world.desk = EmailDesk(address, database_url)
        stack.callback(the_world.desk.close)
        for worker in the_world.workers:
            the_world.wait_connected(worker)
        yield the_world
        assert gateway.returncode is None
