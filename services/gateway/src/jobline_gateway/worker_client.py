"""The gateway's way to the worker service, for what cannot wait until a worker's stream gets to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jobline.v1.worker_control_service_pb2_grpc import WorkerControlServiceStub
from jobline_gateway.service_client import ServiceClient, open_channel

__all__ = ["WorkerClient", "WorkerLink"]


class WorkerLink:
    """The channel to one worker service."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = open_channel(address)
        self.control = WorkerControlServiceStub(self.channel)


class WorkerClient(ServiceClient[WorkerLink]):
    """Calls the worker services in `addresses`; any one serves. A call takes as long as the work that it asks for:
    a service that died is found out by the channel's keepalive, not by a deadline."""

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        super().__init__("worker", WorkerLink, addresses, token, deadline=math.inf)
