"""The worker services, asked to attempt at once what is due: the pipelines are theirs."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from jobline.channel import bearer, open_channel
from jobline.server_calls import CORRELATION_KEY
from jobline.v1 import worker_control_service_pb2 as pb
from jobline.v1.worker_control_service_pb2_grpc import WorkerControlServiceStub
from jobline_queue.core.errors import WorkerUnavailable
from jobline_queue.modules.communications.job import QUEUE, owner
from jobline_queue.rpc.principal import correlation_id


class Workers:
    """Worker services at `addresses`, asked in turn until one does it; with the token of a role that may ask."""

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        self._addresses = tuple(addresses)
        self._token = token

    async def process(self, business_id: str) -> pb.ProcessNowResponse:
        """Returns when every due job of the business was attempted once. Raises WorkerUnavailable.

        It takes as long as the work; a service that died is found out by the channel's keepalive.
        """
        request = pb.ProcessNowRequest(queue=QUEUE, owner=owner(business_id))
        metadata = (*bearer(self._token), (CORRELATION_KEY, correlation_id.get()))
        why = "JOBLINE_WORKER_ADDRESS names none"
        for address in self._addresses:
            async with open_channel(address) as channel:
                try:
                    return await WorkerControlServiceStub(channel).ProcessNow(request, metadata=metadata)
                except grpc.aio.AioRpcError as error:
                    why = f"{address} answers {error.code().name}: {error.details()}"
        raise WorkerUnavailable(why)
