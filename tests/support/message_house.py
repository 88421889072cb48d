"""The communication queue as an operator deploys it: a queue service, workers that can be killed, and a gateway.

    with message_house(fresh_database, tmp_path) as house:
        house.start_worker("communications")
        house.submit(messages)

Messages go to the outbox, so what was sent, and how often, can be read from the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1.communication_service_pb2_grpc import CommunicationServiceStub
from jobline_local.ports import free_port
from support.eventually import eventually_blocking
from support.gateway import bearer, gateway_process
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest

__all__ = ["BUSINESS", "MessageHouse", "Worker", "message_house"]

BUSINESS = "acme"
_MOST_WORKERS = 4
#: A lost worker is noticed within a test, and its jobs are tried again at once.
_POLICIES = """
[queues.communications]
lease = "4s"
receipt = "4s"
backoff = ["0s"]
"""


@dataclass(frozen=True)
class Worker:
    """A worker service; `address` is where it takes control calls."""

    process: ProgramUnderTest
    address: str

    @property
    def is_connected(self) -> bool:
        return "is connected to" in self.process.errors.read_text()


class MessageHouse:
    """The running processes."""

    def __init__(self, queue: QueueServiceUnderTest, folder: Path, ports: Sequence[int]) -> None:
        self.queue = queue
        self._ports = list(ports)
        self._folder = folder
        self._workers: list[Worker] = []
        self._channel = grpc.insecure_channel(queue.address)
        self._stub = CommunicationServiceStub(self._channel)

    def start_worker(self, *queues: str) -> Worker:
        """A worker that is connected, and whose stream pulls these queues."""
        port = self._ports.pop(0)
        environ = clean_environ(
            JOBLINE_DATA_DIR=str(self._folder),
            JOBLINE_QUEUE_ADDRESS=self.queue.address,
            JOBLINE_TOKEN=self.queue.worker_token,
            JOBLINE_SERVICE_TOKENS=",".join(
                (f"gateway:gateway:{self.queue.gateway_token}", f"operator:operator:{self.queue.operator_token}")
            ),
            JOBLINE_WORKER_PORT=str(port),
            JOBLINE_WORKER_QUEUES=",".join(queues),
        )
        name = f"worker-{len(self._workers)}"
        process = ProgramUnderTest(("-m", "jobline_worker", "serve"), environ, self._folder, name)
        worker = Worker(process, f"127.0.0.1:{port}")
        self._workers.append(worker)
        eventually_blocking(lambda: worker.is_connected, within=60, what=f"{name} is connected")
        return worker

    @contextlib.contextmanager
    def gateway(self, worker: Worker) -> Iterator[httpx.Client]:
        """A client with the rights of an Admin of the business, at a gateway that asks `worker` to process."""
        settings = {
            "JOBLINE_QUEUE_ADDRESS": self.queue.address,
            "JOBLINE_TOKEN": self.queue.gateway_token,
            "JOBLINE_WORKER_ADDRESS": worker.address,
        }
        folder = self._folder / worker.address.rpartition(":")[2]
        folder.mkdir()
        with gateway_process(folder, **settings) as (_, address):
            path = f"{address}/api/businesses/{BUSINESS}/communication-queue"
            headers = bearer("boss", app_metadata={"businesses": {BUSINESS: "Admin"}})
            with httpx.Client(base_url=path, headers=headers, timeout=120, trust_env=False) as client:
                yield client

    def submit(self, messages: Sequence[pb.NewMessage]) -> list[pb.Message]:
        """Stores messages of the business, a hundred a call."""
        stored: list[pb.Message] = []
        for first in range(0, len(messages), 100):
            part = pb.SubmitMessagesRequest(business_id=BUSINESS, messages=messages[first : first + 100])
            metadata = (("authorization", f"Bearer {self.queue.producer_token}"),)
            stored += self._stub.SubmitMessages(part, metadata=metadata, timeout=30).messages
        return stored

    def process(self) -> pb.ProcessMessagesResponse:
        """Has what is due attempted now, as an internal caller."""
        metadata = (("authorization", f"Bearer {self.queue.operator_token}"),)
        request = pb.ProcessMessagesRequest(business_id=BUSINESS)
        return self._stub.ProcessMessages(request, metadata=metadata, timeout=60)

    def sent(self) -> int:
        """How many entries the outbox has."""
        return int(self.queue.execute("SELECT count(*) FROM communication_outbox")[0][0])

    def wait_until_sent(self, count: int, within: float = 120) -> None:
        eventually_blocking(lambda: self.sent() >= count, within=within, what=f"{count} messages are sent")

    def close(self) -> None:
        self._channel.close()
        for worker in self._workers:
            if worker.process.returncode is None:
                worker.process.kill()


@contextlib.contextmanager
def message_house(database_url: str, folder: Path) -> Iterator[MessageHouse]:
    """A queue service with the business stored, and no worker yet."""
    ports = [free_port() for _ in range(_MOST_WORKERS)]
    settings = {
        "JOBLINE_WORKER_ADDRESS": ",".join(f"127.0.0.1:{port}" for port in ports),
        "JOBLINE_TOKEN": QueueServiceUnderTest.operator_token,
    }
    queue = QueueServiceUnderTest(database_url, folder, _POLICIES, **settings)
    queue.start()
    queue.execute("INSERT INTO businesses (id, name) VALUES (%s, '')", BUSINESS)
    house = MessageHouse(queue, folder, ports)
    try:
        yield house
    finally:
        house.close()
        queue.kill()
