"""Many browsers that watch their e-mail items by server-sent events: what they cost one gateway, and how late they hear.

Each is a user of their own with a stream on a connection of its own. First nothing happens; then items are submitted for
users chosen at random, and each submit is seen by one watcher, which also hears of the item's place.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Sequence

import grpc
import psutil

from benchmarks.house import GatewayProcess, House, QueueProcess
from benchmarks.samples import Sample, percentile
from benchmarks.workload import Sizes
from jobline.v1 import email_service_pb2 as pb
from jobline.v1.email_service_pb2_grpc import EmailServiceStub
from jobline_gateway.server import allow_open_files
from support.gateway import user_token

__all__ = ["many_watchers"]

#: Items submitted in a second, and for how many seconds.
_RATE, _SECONDS = 100, 20
#: Connections that are opened at the same time.
_OPENING = 64
_SETTLE = 5.0
_TEMPLATE = "Dear {{name}}, I read your work with great pleasure."


def many_watchers(house: House, sizes: Sizes) -> Sample:
    allow_open_files()
    with house.database() as url, house.queue_service(url) as queue, house.gateway(queue) as gateway:
        return asyncio.run(_measure(queue, gateway, sizes))


class _Watcher(asyncio.Protocol):
    """One stream. `heard` are the moments at which items came."""

    def __init__(self, user: str, host: str) -> None:
        self.user = user
        self.began = asyncio.get_running_loop().create_future()
        self.heard: list[float] = []
        self.sent: list[float] = []
        self._head = (
            f"GET /api/queue/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {user_token(user)}\r\n\r\n"
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head.encode())

    def data_received(self, data: bytes) -> None:
        if not self.began.done() and b"event: resync" in data:
            self.began.set_result(None)
        self.heard += [time.perf_counter()] * data.count(b"event: item")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.began.done():
            self.began.set_exception(error or ConnectionError("the stream ended before it began"))

    @property
    def delays(self) -> list[float]:
        return [heard - sent for sent, heard in zip(self.sent, self.heard, strict=False)]


async def _measure(queue: QueueProcess, gateway: GatewayProcess, sizes: Sizes) -> Sample:
    process, service = psutil.Process(gateway.pid), psutil.Process(queue.pid)
    first = await _open_all(gateway, ["warm-up"])
    await asyncio.sleep(_SETTLE)
    memory, began = process.memory_info().rss, time.perf_counter()
    watchers = await _open_all(gateway, [f"user-{number}" for number in range(sizes.watchers)])
    opening = time.perf_counter() - began
    await asyncio.sleep(_SETTLE)
    each = (process.memory_info().rss - memory) / 1000 / sizes.watchers
    idle = await _cpu([process, service], asyncio.sleep(sizes.idle))
    answered: list[float] = []
    busy = await _cpu([process, service], _submit(queue, watchers, answered))
    await asyncio.sleep(_SETTLE)
    delays = [delay for watcher in watchers for delay in watcher.delays]
    missing = sum(len(watcher.sent) - len(watcher.delays) for watcher in watchers)
    for watcher in (*watchers, *first):
        watcher.transport.close()
    return Sample(
        {
            ("watchers", ""): sizes.watchers,
            ("opened in", "s"): opening,
            ("memory of each", "KB"): each,
            ("gateway's CPU at rest", "%"): idle[0],
            (f"gateway's CPU, {_RATE} changes/s", "%"): busy[0],
            (f"queue service's CPU, {_RATE} changes/s", "%"): busy[1],
            ("submit to answer, p50", "ms"): 1000 * percentile(answered, 50),
            ("submit to seen, p50", "ms"): 1000 * percentile(delays, 50),
            ("submit to seen, p99", "ms"): 1000 * percentile(delays, 99),
        },
        problems=(f"{missing} changes were not told",) if missing else (),
    )


async def _open_all(gateway: GatewayProcess, users: Sequence[str]) -> list[_Watcher]:
    host, port = gateway.url.removeprefix("http://").split(":")
    turn = asyncio.Semaphore(_OPENING)

    async def open_one(user: str) -> _Watcher:
        async with turn:
            loop = asyncio.get_running_loop()
            _, watcher = await loop.create_connection(lambda: _Watcher(user, host), host, int(port))
            await watcher.began
            return watcher

    return list(await asyncio.gather(*map(open_one, users)))


async def _submit(queue: QueueProcess, watchers: Sequence[_Watcher], answered: list[float]) -> None:
    """`answered` gets how many seconds each submit took."""
    rng = random.Random("watchers")
    metadata = (("authorization", f"Bearer {queue.operator_token}"),)
    item = pb.EmailRecipient(recipient_name="Ada Lovelace", recipient_interest="engines")
    began = time.perf_counter()
    async with grpc.aio.insecure_channel(queue.address) as channel:
        emails, calls = EmailServiceStub(channel), []
        for number in range(_RATE * _SECONDS):
            await asyncio.sleep(max(0.0, began + number / _RATE - time.perf_counter()))
            watcher = rng.choice(watchers)
            watcher.sent.append(time.perf_counter())
            request = pb.SubmitEmailsRequest(items=[item], email_template=_TEMPLATE, user_id=watcher.user)
            call = emails.SubmitEmails(request, metadata=metadata, timeout=30)
            call.add_done_callback(lambda _, sent=watcher.sent[-1]: answered.append(time.perf_counter() - sent))
            calls.append(call)
        await asyncio.gather(*calls)


async def _cpu(processes: Sequence[psutil.Process], during: Awaitable[None]) -> list[float]:
    """The share of a core that each of them takes, in per cent."""
    before, began = [sum(process.cpu_times()[:2]) for process in processes], time.perf_counter()
    await during
    seconds = time.perf_counter() - began
    after = [sum(process.cpu_times()[:2]) for process in processes]
    return [100 * (now - then) / seconds for then, now in zip(before, after, strict=True)]
