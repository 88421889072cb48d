"""Places that are asked for all watchers together: in turns where they are many, and seldom where nothing happens."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from google.protobuf.message import Message

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.live import places
from jobline_gateway.live.places import Locator
from jobline_gateway.live.watcher import Watcher
from jobline_gateway.queue_client import QueueClient
from support.eventually import eventually
from support.queue_peers import Call, Context, queue_peer


async def test_while_nothing_changes_everybody_is_asked_for_once_in_a_while_however_many_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"EVERY": 0.01, "AT_REST": 60.0, "MOST_ASKED": 2, "ASKED_AT_ONCE": 1}.items():
        monkeypatch.setattr(places, name, value)
    asked: Counter[str] = Counter()

    async def locate(call: Call, context: Context) -> Message:
        assert isinstance(call.request, pb.LocateJobsRequest)
        asked.update(call.request.ids)
        return pb.LocateJobsResponse(places=[job_pb2.JobPlace(id=each, position=1) for each in call.request.ids])

    watchers = [Watcher([f"topic {number}"]) for number in range(5)]
    for number, watcher in enumerate(watchers):
        watcher.live_on([f"job-{number}"])
    async with queue_peer(LocateJobs=locate) as peer:
        queue = QueueClient([peer.address], "service-token")
        await queue.open()
        locator = Locator(queue, time.monotonic)
        running = asyncio.create_task(locator.run({watcher.topics[0]: {watcher} for watcher in watchers}))
        try:
            await eventually(lambda: len(asked) == 5, what="all were asked for")
            await asyncio.sleep(0.3)  # some thirty turns, in which nothing must happen
            assert set(asked.values()) == {1}
            assert all(
                watcher.take() == ([], [job_pb2.JobPlace(id=each, position=1)])
                for watcher in watchers
                for each in watcher.living
            )
            locator.look_soon()
            await eventually(lambda: set(asked.values()) == {2}, what="after a change all are asked for again")
        finally:
            running.cancel()
            await queue.close()
