"""What the adapters written in Python have in common. It runs in the peers' own environments: standard library only.

An adapter is a program. Its commands, each of which ends with a line `RESULT` and JSON:

    info                  how the peer is set, its version, and the SQL that counts unfinished jobs
    setup                 makes the peer's tables in an empty database
    enqueue N             N jobs, one call after the other: seconds, CPU seconds of the caller
    bulk N SIZE FIRST     the same by the peer's own call for many, SIZE a call, numbered from FIRST on
    latency N INTERVAL    one job every INTERVAL seconds, which carries the time before its call; 0 is for warming up
    work                  runs jobs until it is killed

$BENCH_MODE says what is measured: `seq` (jobs one after the other) or anything else. $BENCH_PG_DSN is the database.
A handler appends 16 bytes to $BENCH_LOG, what the payload says and when it began, as `benchmarks.start_log` reads it.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

Payload = dict[str, Any]

PG_DSN = os.environ.get("BENCH_PG_DSN", "")
SEQUENTIAL = os.environ.get("BENCH_MODE") == "seq"


@dataclass(frozen=True)
class Client:
    """How jobs are enqueued: one, and many in one call."""

    send: Callable[[Payload], Awaitable[object]]
    send_many: Callable[[list[Payload]], Awaitable[object]]


class Peer(ABC):
    """One queue. The attributes are facts for the report."""

    package: str
    settings: str
    #: Counts the jobs that have not ended.
    unfinished: str
    uvloop = False

    @abstractmethod
    async def setup(self) -> None:
        """Makes the tables."""

    @abstractmethod
    def client(self) -> AbstractAsyncContextManager[Client]:
        """A client that is connected."""

    @abstractmethod
    async def work(self) -> None:
        """Runs jobs until the process is killed."""


class _Recorder:
    """The file of starts, opened by the first job."""

    def __init__(self) -> None:
        self._file: int | None = None

    def __call__(self, sent: float) -> None:
        if self._file is None:
            self._file = os.open(os.environ["BENCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(self._file, struct.pack("<dd", sent, time.monotonic()))


#: All that a handler does.
record = _Recorder()


def payload(number: int, sent: float) -> Payload:
    """About 220 bytes of JSON, the same as `benchmarks.workload` makes."""
    return {
        "recipient_name": f"Ada Lovelace {number:06d}",
        "recipient_interest": "analytical engines, Bernoulli numbers, the poetical science of machines, weaving looms",
        "campaign": "spring-newsletter",
        "i": number,
        "sent": sent,
    }


def main(peer: Peer) -> None:
    """Runs the command on the command line."""
    command, *arguments = sys.argv[1:]
    answer = _run(peer, _answer(peer, command, [float(argument) for argument in arguments]))
    print("RESULT " + json.dumps(answer), flush=True)


def _run(peer: Peer, coroutine: Coroutine[Any, Any, Any]) -> Any:
    if not peer.uvloop:
        return asyncio.run(coroutine)
    import uvloop

    return uvloop.run(coroutine)


async def _answer(peer: Peer, command: str, arguments: list[float]) -> Any:
    if command == "info":
        return {"settings": peer.settings, "version": version(peer.package), "unfinished": peer.unfinished}
    if command == "setup":
        return await peer.setup()
    if command == "work":
        return await peer.work()
    calls = {"enqueue": _enqueue, "bulk": _bulk, "latency": _latency}
    async with peer.client() as client:
        return await calls[command](client, *arguments)


async def _enqueue(client: Client, count: float) -> Payload:
    jobs = [payload(number, float(number)) for number in range(int(count))]
    stopwatch = _Stopwatch()
    for job in jobs:
        await client.send(job)
    return stopwatch.read()


async def _bulk(client: Client, count: float, size: float, first: float) -> Payload:
    jobs = [payload(number, float(number)) for number in range(int(first), int(first + count))]
    stopwatch = _Stopwatch()
    for begin in range(0, len(jobs), int(size)):
        await client.send_many(jobs[begin : begin + int(size)])
    return stopwatch.read()


async def _latency(client: Client, count: float, interval: float) -> Payload:
    stopwatch = _Stopwatch()
    for number in range(int(count)):
        await asyncio.sleep(max(0.0, stopwatch.began + number * interval - time.monotonic()))
        await client.send(payload(number, time.monotonic() if interval else 0.0))
    return stopwatch.read()


class _Stopwatch:
    """Seconds that pass, and that this process computes."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._cpu = time.process_time()

    def read(self) -> Payload:
        return {"seconds": time.monotonic() - self.began, "cpu_seconds": time.process_time() - self._cpu}
