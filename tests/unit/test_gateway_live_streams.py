"""One stream of events against a reader that stands still, and a caller whose rights end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import communication_service_pb2, email_service_pb2, job_pb2
from jobline_gateway.live import stream as live_stream
from support.event_source import parsed
from support.eventually import eventually
from support.gateway import bearer, gateway_client
from support.queue_peers import Call, Context, Unending, queue_peer, refuse
from support.watched_peer import WatchedPeer

PENDING, RUNNING = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING


def item(number: int, state: job_pb2.JobState.ValueType = PENDING, step: str = "") -> job_pb2.Job:
    progress = job_pb2.Progress(step=step) if step else None
    return job_pb2.Job(
        id=f"item-{number}",
        queue="email_default",
        kind="generate_email",
        owner="user:ann",
        state=state,
        progress=progress,
    )


class Client:
    """What a server is to the application, for one stream: it takes what is sent when the test lets it."""

    def __init__(self, gateway: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
        self._app: Any = gateway._transport.app  # type: ignore[attr-defined]
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "scheme": "http",
            "server": ("gateway.test", 80),
        }
        self._asked = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.hangs_up = asyncio.Event()
        self.text = ""
        self.over = False

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def hub_knows(self, world: WatchedPeer) -> None:
        """Returns once the gateway has heard everything that was told."""
        await eventually(lambda: self._app.state.hub.last_id == world.last_id, what="the hub has heard it all")

    def events(self, name: str) -> list[dict[str, str]]:
        return [event for event in parsed(self.text) if event.get("event") == name]

    async def _receive(self) -> Any:
        if self._asked:
            await self.hangs_up.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.text += message.get("body", b"").decode()
        self.over = message["type"] == "http.response.body" and not message.get("more_body", False)


async def listening(client: Client, test: Callable[[], Awaitable[None]]) -> None:
    stream = asyncio.create_task(client.run())
    try:
        await test()
    finally:
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)


@pytest.mark.parametrize(("changes", "resyncs"), [(300, 1), (2000, 2)], ids=["a few", "too many"])
async def test_who_stands_still_is_told_each_transition_or_to_look_anew(changes: int, resyncs: int) -> None:
    world = WatchedPeer()
    answers = {**world.answers, "ListQueueItems": email_service_pb2.ListQueueItemsResponse()}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        client = Client(gateway, "/api/queue/events", bearer("ann"))

        async def stands_still() -> None:
            await eventually(lambda: client.events("resync"), what="the stream has begun")
            client.reads.clear()
            for number in range(changes):
                world.tell(item(number))
            world.tell(item(changes))
            await client.hub_knows(world)
            client.reads.set()
            world.tell(item(-1))
            await eventually(lambda: '"item--1"' in client.text, what="the last change")

        await listening(client, stands_still)
    assert len(client.events("resync")) == resyncs
    if resyncs == 1:
        told = [event["data"] for event in client.events("item")]
        assert [f'"item-{number}"' in data for number, data in enumerate(told[:-1])] == [True] * (changes + 1)


async def test_of_progress_the_last_is_told_and_transitions_stay() -> None:
    world = WatchedPeer()
    answers = {**world.answers, "ListQueueItems": email_service_pb2.ListQueueItemsResponse()}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        client = Client(gateway, "/api/queue/events", bearer("ann"))

        async def reports() -> None:
            await eventually(lambda: client.events("resync"), what="the stream has begun")
            client.reads.clear()
            world.tell(item(0))
            await client.hub_knows(world)
            world.tell(item(1))
            for number in range(1000):
                world.tell(item(1, RUNNING, f"step-{number}"))
            world.tell(
                job_pb2.Job(
                    id="item-1",
                    queue="email_default",
                    owner="user:ann",
                    state=PENDING,
                    attempt=1,
                    kind="generate_email",
                )
            )
            await client.hub_knows(world)
            client.reads.set()
            world.tell(item(2))
            await eventually(lambda: '"item-2"' in client.text, what="the last change")

        await listening(client, reports)
    told = [event["data"] for event in client.events("item")]
    assert len(client.events("resync")) == 1
    states = [data.partition('"status":"')[2].partition('"')[0] for data in told if '"item-1"' in data]
    assert states == ["pending", "processing", "pending"]
    assert '"step-999"' in next(data for data in told if '"processing"' in data)


async def test_who_may_not_look_any_more_when_all_must_look_anew_is_shown_out() -> None:
    """The watch of the queue service breaks; until it stands again, the caller has left the business."""
    world = WatchedPeer()
    asked: list[Call] = []

    async def lists(call: Call, context: Context) -> Message:
        asked.append(call)
        if len(asked) > 1:
            return await refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")(call, context)
        return communication_service_pb2.ListMessagesResponse()

    stats = communication_service_pb2.GetMessageStatsResponse()
    answers = {**world.answers, "ListMessages": lists, "GetMessageStats": stats}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        client = Client(gateway, "/api/businesses/b-1/communication-queue/events", bearer("ann"))

        async def leaves() -> None:
            await eventually(lambda: client.events("resync"), what="the stream has begun")
            world.break_off()
            await eventually(lambda: client.over, what="the stream has ended")

        await listening(client, leaves)
    assert len(client.events("resync")) == 1
    assert len(asked) == 2


async def test_who_has_left_the_business_is_told_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "RIGHTS_LAST", 0.0)
    world = WatchedPeer()
    answers: dict[str, Any] = {
        **world.answers,
        "ListMessages": communication_service_pb2.ListMessagesResponse(),
        "GetMessageStats": communication_service_pb2.GetMessageStatsResponse(),
        "Authorize": communication_service_pb2.AuthorizeResponse(),
    }
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        client = Client(gateway, "/api/businesses/b-1/communication-queue/events", bearer("ann"))
        message = job_pb2.Job(id="m", queue="communications", kind="send_message", owner="business:b-1", state=PENDING)

        async def leaves() -> None:
            await eventually(lambda: client.events("resync"), what="the stream has begun")
            world.tell(message)
            await eventually(lambda: client.events("job"), what="a member is told")
            peer.answers["Authorize"] = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
            world.tell(message)
            await eventually(lambda: client.over, what="the stream has ended")

        await listening(client, leaves)
    assert (len(client.events("job")), len(client.events("resync"))) == (1, 1)


async def test_a_queue_service_that_is_away_for_a_moment_ends_no_stream() -> None:
    world = WatchedPeer()
    asked: list[Call] = []

    async def lists(call: Call, context: Context) -> Message:
        asked.append(call)
        if 1 < len(asked) <= 3:
            return await refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")(call, context)
        return email_service_pb2.ListQueueItemsResponse()

    async with (
        queue_peer(**{**world.answers, "ListQueueItems": lists}) as peer,
        gateway_client(peer.address) as gateway,
    ):
        client = Client(gateway, "/api/queue/events", bearer("ann"))

        async def goes_on() -> None:
            await eventually(lambda: client.events("resync"), what="the stream has begun")
            world.break_off()
            await eventually(lambda: len(client.events("resync")) == 2, within=20, what="it is told to look anew")
            assert not client.over

        await listening(client, goes_on)


async def test_who_hangs_up_before_the_stream_begins_keeps_no_one_waiting() -> None:
    world, look = WatchedPeer(), Unending()
    async with queue_peer(**{**world.answers, "ListQueueItems": look}) as peer, gateway_client(peer.address) as gateway:
        client = Client(gateway, "/api/queue/events", bearer("ann"))
        stream = asyncio.create_task(client.run())
        await asyncio.wait_for(look.begun.wait(), 10)
        client.hangs_up.set()
        await asyncio.wait_for(look.ended.wait(), 3)
        await asyncio.wait_for(stream, 3)


async def test_without_a_watch_of_the_queue_service_the_answer_is_503_at_once() -> None:
    no = refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE")

    async def watch(call: Call, context: Context) -> AsyncIterator[Message]:
        yield await no(call, context)

    items = email_service_pb2.ListQueueItemsResponse()
    async with queue_peer(WatchJobs=watch, ListQueueItems=items) as peer, gateway_client(peer.address) as gateway:
        async with asyncio.timeout(5):
            got = await gateway.get("/api/queue/events", headers=bearer("ann"))
    assert (got.status_code, got.json()) == (503, {"detail": "Service unavailable"})
