"""A service that asks its callers to wait (google.rpc.RetryInfo) is not called again before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from jobline.client import JoblineClient
from jobline.errors import Unavailable
from jobline.v1 import queue_service_pb2 as pb
from jobline.v1.queue_service_pb2_grpc import QueueServiceServicer, add_QueueServiceServicer_to_server


class Overloaded(QueueServiceServicer):
    """Refuses the first calls, each with the wish not to be called again for a while."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.asks_for = 0.4
        self.called_at: list[float] = []

    def ListQueues(self, request: pb.ListQueuesRequest, context: grpc.ServicerContext) -> pb.ListQueuesResponse:
        self.called_at.append(time.monotonic())
        if len(self.called_at) > self.refusals:
            return pb.ListQueuesResponse()
        detail = AnyMessage()
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(self.asks_for * 1000))
        detail.Pack(retry)
        status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="busy", details=[detail])
        context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError("unreachable")


@pytest.fixture
def served() -> Iterator[tuple[Overloaded, str]]:
    servicer = Overloaded(2)
    server = grpc.server(ThreadPoolExecutor(2))
    add_QueueServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer, address
    server.stop(None).wait()


def test_a_client_waits_as_long_as_it_was_asked_to(served: tuple[Overloaded, str]):
    servicer, address = served
    with JoblineClient(address, "token") as client:
        assert not client.list_queues()
    assert len(servicer.called_at) == 3
    assert min(later - earlier for earlier, later in pairwise(servicer.called_at)) >= servicer.asks_for


def test_a_client_whose_deadline_comes_first_gives_up_at_once(served: tuple[Overloaded, str]):
    servicer, address = served
    servicer.asks_for = 3600.0
    with JoblineClient(address, "token") as client, pytest.raises(Unavailable):
        client.list_queues()
    assert len(servicer.called_at) == 1
