"""Makes the faults of a schedule happen to a house."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence

import psycopg
import redis.asyncio
from redis.exceptions import RedisError

from chaos.house import House
from chaos.members import Incident
from chaos.schedule import Fault
from support.tcp_proxy import TcpProxy

__all__ = ["FaultMaker"]

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = 'jobline' AND datname = current_database() AND (%s = 'all' OR application_name = 'jobline-queue ' || %s)
"""


class FaultMaker:
    """Follows a schedule. What lasts is undone by a task of its own, so that faults overlap."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._undoing: set[asyncio.Task[None]] = set()

    async def follow(self, faults: Sequence[Fault], seconds: float) -> None:
        """Returns after `seconds`, with everything undone."""
        began = time.monotonic()
        for fault in faults:
            await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
            await self._make(fault)
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        for task in self._undoing:
            task.cancel()
        await asyncio.gather(*self._undoing, return_exceptions=True)
        self._house.heal()

    async def _make(self, fault: Fault) -> None:
        whom = await self._house.named(fault.whom)
        self._house.incidents.append(Incident(time.monotonic(), time.time(), whom, str(fault).strip()))
        kind = fault.what.split()[0]
        match kind:
            case "kill" | "restart":
                # PostgreSQL takes SIGQUIT as an immediate stop: as a crash, but no process of it stays behind.
                number = signal.SIGQUIT if whom == "postgres" else signal.SIGKILL
                self._house.members[whom].signal(number, fault.seconds)
            case "terminate":
                self._house.members[whom].signal(signal.SIGTERM, fault.seconds)
            case "freeze":
                member = self._house.members[whom]
                member.freeze(fault.seconds)
                self._later(fault.seconds, member.thaw_if_due)
            case "end":
                await self._end_sessions(fault.whom)
            case "flush":
                await self._flush()
            case "cut" | "refuse" | "stall":
                self._disturb(kind, self._links(whom), fault.seconds)
            case _:
                raise ValueError(f"unknown fault {fault.what!r}")

    def _links(self, whom: str) -> list[TcpProxy]:
        """A service's way to the database, or a worker's ways to the services."""
        return [proxy for name, proxy in self._house.proxies.items() if name.split()[0] == whom]

    def _disturb(self, kind: str, links: list[TcpProxy], seconds: float) -> None:
        for link in links:
            getattr(link, kind)()
            if seconds:
                self._later(seconds, link.heal)

    async def _end_sessions(self, which: str) -> None:
        with contextlib.suppress(psycopg.Error):
            await self._house.query(_END_SESSIONS, which, which)

    async def _flush(self) -> None:
        with contextlib.suppress(RedisError):
            async with redis.asyncio.Redis.from_url(self._house.valkey.url, socket_timeout=2) as client:
                await client.flushall()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        async def wait_and_act() -> None:
            await asyncio.sleep(seconds)
            act()

        task = asyncio.create_task(wait_and_act())
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
