"""The gateway's way to the queue service."""

from __future__ import annotations

from collections.abc import Sequence

from jobline.v1.account_service_pb2_grpc import AccountServiceStub
from jobline.v1.communication_service_pb2_grpc import CommunicationServiceStub
from jobline.v1.content_service_pb2_grpc import ContentServiceStub
from jobline.v1.email_service_pb2_grpc import EmailServiceStub
from jobline.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from jobline.v1.job_service_pb2_grpc import JobServiceStub
from jobline.v1.queue_service_pb2_grpc import QueueServiceStub
from jobline_gateway.service_client import CALL_DEADLINE, ServiceClient, open_channel

__all__ = ["SEARCH_DEADLINE", "QueueClient", "QueueLink"]

#: Seconds for one try of a search: the queue service cuts it off after 5 s, and its word about that is to arrive.
SEARCH_DEADLINE = 7.0


class QueueLink:
    """The channel to one queue service with the services that are called through it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = open_channel(address)
        self.accounts = AccountServiceStub(self.channel)
        self.email = EmailServiceStub(self.channel)
        self.communications = CommunicationServiceStub(self.channel)
        self.content = ContentServiceStub(self.channel)
        self.ingestion = IngestionServiceStub(self.channel)
        self.jobs = JobServiceStub(self.channel)
        self.queues = QueueServiceStub(self.channel)


class QueueClient(ServiceClient[QueueLink]):
    """Calls the queue services in `addresses`, tried in turn."""

    def __init__(self, addresses: Sequence[str], token: str, *, deadline: float = CALL_DEADLINE) -> None:
        super().__init__("queue", QueueLink, addresses, token, deadline=deadline)
