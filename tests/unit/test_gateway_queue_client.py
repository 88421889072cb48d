"""Calls to the queue service over real channels: fail-over, repetition, deadlines, what travels along."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from google.protobuf.message import Message

from jobline.v1 import email_service_pb2 as pb
from jobline.v1.account_service_pb2 import Caller
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext, ServiceError
from support.provider_servers import refused_url
from support.queue_peers import Call, Context, queue_peer, refuse

CONTEXT = CallContext(Caller(sub="user-1", businesses={"b": "owner"}), "request-7")
ITEMS = pb.ListQueueItemsResponse(items=[pb.QueueItem(id="x")])
STANDBY = refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE")


@asynccontextmanager
async def client(*addresses: str, deadline: float = 5.0) -> AsyncIterator[QueueClient]:
    opened = QueueClient(addresses, "service-token", deadline=deadline)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def nobody() -> str:
    return refused_url().removeprefix("http://")


async def list_items(queue: QueueClient) -> pb.ListQueueItemsResponse:
    return await queue.call(lambda link: link.email.ListQueueItems, pb.ListQueueItemsRequest(), CONTEXT)


async def cancel(queue: QueueClient) -> pb.CancelQueueItemResponse:
    request = pb.CancelQueueItemRequest(id="x")
    return await queue.call(lambda link: link.email.CancelQueueItem, request, CONTEXT, repeatable=False)


async def test_a_call_carries_the_service_token_the_caller_and_the_correlation_id() -> None:
    async with queue_peer(ListQueueItems=ITEMS) as peer, client(peer.address) as queue:
        assert await list_items(queue) == ITEMS
        [call] = peer.received
        assert call.metadata["authorization"] == "Bearer service-token"
        assert call.metadata["x-request-id"] == "request-7"
        assert Caller.FromString(call.metadata["jobline-caller-bin"]) == CONTEXT.caller


async def test_without_a_caller_none_is_sent() -> None:
    async with queue_peer(ListQueueItems=ITEMS) as peer, client(peer.address) as queue:
        context = CallContext(None, "request-7")
        await queue.call(lambda link: link.email.ListQueueItems, pb.ListQueueItemsRequest(), context)
        assert "jobline-caller-bin" not in peer.received[0].metadata


async def test_a_standby_is_passed_over_and_the_active_one_is_asked_first_from_then_on() -> None:
    async with (
        queue_peer(ListQueueItems=STANDBY) as standby,
        queue_peer(ListQueueItems=ITEMS) as active,
        client(standby.address, active.address) as queue,
    ):
        await list_items(queue)
        await list_items(queue)
        assert (standby.calls("ListQueueItems"), active.calls("ListQueueItems")) == (1, 2)


async def test_an_address_where_nobody_listens_is_passed_over_even_by_a_call_that_must_not_be_repeated() -> None:
    async with (
        queue_peer(ListQueueItems=ITEMS, CancelQueueItem=pb.CancelQueueItemResponse()) as active,
        client(nobody(), active.address) as queue,
    ):
        await cancel(queue)
        assert await list_items(queue) == ITEMS


async def test_a_standby_is_passed_over_by_a_call_that_must_not_be_repeated_too() -> None:
    async with (
        queue_peer(CancelQueueItem=STANDBY) as standby,
        queue_peer(CancelQueueItem=pb.CancelQueueItemResponse()) as active,
        client(standby.address, active.address) as queue,
    ):
        await cancel(queue)
        assert active.calls("CancelQueueItem") == 1


async def test_a_call_whose_outcome_is_unknown_is_not_made_twice() -> None:
    broken = refuse(grpc.StatusCode.UNAVAILABLE)
    async with (
        queue_peer(CancelQueueItem=broken) as first,
        queue_peer(CancelQueueItem=pb.CancelQueueItemResponse()) as second,
        client(first.address, second.address) as queue,
    ):
        with pytest.raises(ServiceError) as caught:
            await cancel(queue)
        assert caught.value.status is grpc.StatusCode.UNAVAILABLE
        assert (first.calls("CancelQueueItem"), second.calls("CancelQueueItem")) == (1, 0)


async def test_a_short_absence_is_bridged_with_the_same_request() -> None:
    tries = 0

    async def away_once(call: Call, context: Context) -> Message:
        nonlocal tries
        tries += 1
        if tries == 1:
            return await refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")(call, context)
        return pb.SubmitEmailsResponse(queue_item_ids=["a"])

    async with queue_peer(SubmitEmails=away_once) as peer, client(peer.address) as queue:
        request = pb.SubmitEmailsRequest(request_id="one")
        await queue.call(lambda link: link.email.SubmitEmails, request, CONTEXT)
        assert [call.request for call in peer.received] == [request, request]


async def test_when_all_are_away_the_call_ends_as_unavailable_soon() -> None:
    async with client(nobody(), nobody()) as queue:
        for call in (list_items, cancel):
            async with asyncio.timeout(6):
                with pytest.raises(ServiceError) as caught:
                    await call(queue)
            assert caught.value.status is grpc.StatusCode.UNAVAILABLE


async def test_a_service_that_hangs_costs_no_more_than_the_deadline() -> None:
    async def hang(call: Call, context: Context) -> Message:
        await asyncio.Event().wait()
        raise AssertionError("never")

    async with queue_peer(ListQueueItems=hang) as peer, client(peer.address, deadline=0.5) as queue:
        async with asyncio.timeout(5):
            with pytest.raises(ServiceError) as caught:
                await list_items(queue)
        assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_refusal_is_not_repeated_and_keeps_reason_metadata_and_fields() -> None:
    no = refuse(
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"items[0].recipient_name": "too short"}, a="b"
    )
    async with queue_peer(ListQueueItems=no) as peer, client(peer.address, peer.address) as queue:
        with pytest.raises(ServiceError) as caught:
            await list_items(queue)
        error = caught.value
        assert (error.reason, error.metadata) == ("INVALID_FIELD", {"a": "b"})
        assert error.fields == (("items[0].recipient_name", "too short"),)
        assert len(peer.received) == 1


async def test_closing_twice_or_before_opening_is_harmless() -> None:
    queue = QueueClient(["127.0.0.1:1"], "token")
    await queue.close()
    await queue.open()
    await queue.close()
    await queue.close()
