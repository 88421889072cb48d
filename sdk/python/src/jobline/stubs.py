"""The services' stubs, one a channel.

Each is imported with its first use: a worker needs one of the seven, and starts sooner without the others.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

import grpc

if TYPE_CHECKING:
    from jobline.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from jobline.v1.content_service_pb2_grpc import ContentServiceAsyncStub
    from jobline.v1.ingestion_service_pb2_grpc import IngestionServiceAsyncStub
    from jobline.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from jobline.v1.queue_service_pb2_grpc import QueueServiceAsyncStub
    from jobline.v1.work_service_pb2_grpc import WorkServiceAsyncStub
    from jobline.v1.worker_control_service_pb2_grpc import WorkerControlServiceAsyncStub

__all__ = [
    "account_stub",
    "content_stub",
    "control_stub",
    "ingestion_stub",
    "job_stub",
    "queue_stub",
    "work_stub",
]

Stub = TypeVar("Stub")


class _PerChannel(Generic[Stub]):
    """The stub of a service of each channel. Making one makes an object for each method, so one a channel is kept."""

    def __init__(self, service: str, module: str) -> None:
        self._service = service
        self._module = module
        self._made: WeakKeyDictionary[grpc.aio.Channel, Stub] = WeakKeyDictionary()

    def __call__(self, channel: grpc.aio.Channel) -> Stub:
        if (stub := self._made.get(channel)) is None:
            stub = self._made[channel] = self._make(channel)
        return stub

    def _make(self, channel: grpc.aio.Channel) -> Stub:
        module = importlib.import_module(f"jobline.v1.{self._module}_pb2_grpc")
        return cast("Stub", getattr(module, f"{self._service}Stub")(channel))


account_stub: _PerChannel[AccountServiceAsyncStub] = _PerChannel("AccountService", "account_service")
content_stub: _PerChannel[ContentServiceAsyncStub] = _PerChannel("ContentService", "content_service")
control_stub: _PerChannel[WorkerControlServiceAsyncStub] = _PerChannel("WorkerControlService", "worker_control_service")
ingestion_stub: _PerChannel[IngestionServiceAsyncStub] = _PerChannel("IngestionService", "ingestion_service")
job_stub: _PerChannel[JobServiceAsyncStub] = _PerChannel("JobService", "job_service")
queue_stub: _PerChannel[QueueServiceAsyncStub] = _PerChannel("QueueService", "queue_service")
work_stub: _PerChannel[WorkServiceAsyncStub] = _PerChannel("WorkService", "work_service")
