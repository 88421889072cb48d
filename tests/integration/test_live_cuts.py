"""A watcher that is cut off at random, on its own way and on the gateway's, over terms of the queue service that change.

It is told every transition once and in order; or a `resync`, after which its picture is what the list says.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import pytest

from support.email_user import KIND, QUEUE, RESULT
from support.event_source import Event, EventSource, listening
from support.eventually import eventually
from support.gateway import bearer, gateway_process
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest
from support.tcp_proxy import TcpProxy, tcp_proxy

CUTS = 200
SUB = "watcher"
#: Item status → what may follow; a cancelled or deleted item is removed.
FOLLOWS = {
    "": {"pending", "removed"},  # what the look did not find any more may be told after it
    "pending": {"processing", "removed"},
    "processing": {"completed", "failed", "pending", "removed"},
    "failed": {"pending", "removed"},
    "completed": {"removed"},
    "removed": set[str](),
}


@dataclass
class Picture:
    """What the watcher shows, and what was wrong with what it was told."""

    status: dict[str, str] = field(default_factory=dict)
    #: Items of which nothing was told since the last look; what follows may repeat what the look has shown.
    looked: set[str] = field(default_factory=set)
    last: tuple[int, int] = (0, 0)
    resyncs: int = 0
    changes: int = 0
    problems: list[str] = field(default_factory=list)

    def note(self, event: Event) -> None:
        if event.name == "places":
            return
        point = (int(event.id.partition("-")[0]), int(event.id.partition("-")[2]))
        if event.name == "resync":
            self.resyncs += 1
            self.status = {item["id"]: item["status"] for item in event.data["items"]}
            self.looked = set(self.status)
        else:
            self.changes += 1
            if point[0] != self.last[0] or point <= self.last:
                self.problems.append(f"{point} after {self.last}")
            self._note(event.data["id"], event.data.get("status", "removed"))
        self.last = point

    def _note(self, item: str, status: str) -> None:
        before = self.status.get(item, "")
        if status not in FOLLOWS[before] | {before} and item not in self.looked:
            self.problems.append(f"{item}: {status} after {before}")
        self.looked.discard(item)
        self.status[item] = status

    @property
    def items(self) -> dict[str, str]:
        return {item: status for item, status in self.status.items() if status != "removed"}


class Traffic:
    """A user and a worker, who never rest."""

    def __init__(self, calls: Calls, rest: httpx.AsyncClient, rng: random.Random) -> None:
        self._calls, self._rest, self._rng = calls, rest, rng
        self.submitted: list[str] = []

    async def run(self) -> None:
        await asyncio.gather(self._submit(), self._work())

    async def _submit(self) -> None:
        item = {"recipient_name": "Ada", "recipient_interest": "engines"}
        batch = {"items": [item] * 2, "email_template": "Hey {{name}}, I loved your work!"}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self._rest.post("/api/queue/batch", json=batch)
                if answer.status_code == 201:
                    self.submitted += answer.json()["queue_item_ids"]
                if self._rng.random() < 0.5 and self.submitted:
                    await self._rest.delete(f"/api/queue/{self._rng.choice(self.submitted[-6:])}")
            await asyncio.sleep(self._rng.uniform(0, 0.06))

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(grpc.RpcError):
                for run in await asyncio.to_thread(self._calls.claim, QUEUE, kinds=[KIND], wait=0.2):
                    await asyncio.to_thread(self._calls.report, run, "web_scraper")
                    if self._rng.random() < 0.3:
                        await asyncio.to_thread(self._calls.fail, run, retryable=False)
                        await asyncio.to_thread(self._calls.retry, run.job_id)
                    else:
                        await asyncio.to_thread(self._calls.complete, run, RESULT)
                    continue
            await asyncio.sleep(0.002)


@pytest.fixture
def calls(lent_service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(lent_service.address, lent_service.operator_token) as opened:
        yield opened


@pytest.fixture
async def behind(lent_service: QueueServiceUnderTest) -> AsyncIterator[TcpProxy]:
    """Between the gateway and the queue service."""
    async with tcp_proxy(lent_service.address) as proxy:
        yield proxy


async def test_a_watcher_that_is_cut_off_200_times_misses_nothing(
    lent_service: QueueServiceUnderTest, calls: Calls, behind: TcpProxy, tmp_path: Path
) -> None:
    rng = random.Random("cuts")
    settings = {"JOBLINE_QUEUE_ADDRESS": behind.address, "JOBLINE_TOKEN": lent_service.gateway_token}
    with gateway_process(tmp_path, **settings) as (_, url):
        async with (
            tcp_proxy(url.removeprefix("http://")) as front,
            httpx.AsyncClient(base_url=url, headers=bearer(SUB), trust_env=False, timeout=20) as rest,
            listening(f"http://{front.address}/api/queue/events", bearer(SUB)) as source,
        ):
            await source.until(lambda: source.events, within=20)
            traffic = asyncio.create_task(Traffic(calls, rest, rng).run())
            for cut in range(CUTS):
                await _cut(rng, cut, source, front, behind, lent_service)
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
            await _until_the_same(source, rest)
    picture = _picture(source)
    assert picture.problems == []
    assert picture.changes > 100
    assert picture.resyncs < CUTS / 2, "most streams went on where the one before was cut off"


async def _cut(
    rng: random.Random,
    number: int,
    source: EventSource,
    front: TcpProxy,
    behind: TcpProxy,
    service: QueueServiceUnderTest,
) -> None:
    """Once the client has been told something more: on its own way as a rule, at times behind the gateway, or a term ends."""
    streams, events = source.streams, len(source.events)
    await source.until(lambda: len(source.events) > events, within=30)
    if number in (60, 140):
        await asyncio.to_thread(service.restart)
    elif number % 10 == 9:
        behind.cut()
        return
    elif rng.random() < 0.5:
        front.cut_after(rng.randrange(400))
        await source.until(lambda: source.streams > streams, within=30)
        return
    front.cut()
    await source.until(lambda: source.streams > streams, within=30)


def _picture(source: EventSource) -> Picture:
    picture = Picture()
    for event in source.events:
        picture.note(event)
    return picture


async def _until_the_same(source: EventSource, rest: httpx.AsyncClient) -> None:
    async def same() -> bool:
        answer = await rest.get("/api/queue/")
        return (
            answer.status_code == 200
            and {item["id"]: item["status"] for item in answer.json()} == _picture(source).items
        )

    await eventually(same, within=15, what="the picture is what the list says")
