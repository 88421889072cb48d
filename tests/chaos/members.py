"""A process that is meant to live: whoever kills it, it is started again, with everything that a start needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from jobline_local.child import Child, Program

__all__ = ["Incident", "Member"]


async def _nothing() -> None:
    """For programs that keep no files."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened to a member, on the monotonic clock and on the wall's."""

    mono: float
    wall: float
    member: str
    what: str

    def __str__(self) -> str:
        return f"{self.wall:.3f} {self.member}: {self.what}"


@dataclass(eq=False)
class Member:
    """One of the house. Use `async with`: it is gone afterwards, however it is."""

    name: str
    program: Program
    incidents: list[Incident]
    #: Before each start, also after a crash.
    prepare: Callable[[], Awaitable[None]] = _nothing
    child: Child | None = None
    #: When it may be started again, on the monotonic clock.
    not_before: float = 0.0
    _frozen_until: float = 0.0
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    async def __aenter__(self) -> Member:
        await self.prepare()
        self._start()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        self.thaw()
        if self.child is not None:
            await self.child.stop()

    @property
    def pid(self) -> int:
        return self.child.pid if self.child is not None else 0

    def signal(self, number: signal.Signals, down: float = 0.0) -> None:
        """Sends a signal; if the process ends by it, it is not started again before `down` seconds have passed."""
        self.not_before = time.monotonic() + down
        self._note(number.name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def freeze(self, seconds: float) -> None:
        """Until `thaw_if_due` is called after that time."""
        self._frozen_until = max(self._frozen_until, time.monotonic() + seconds)
        self.signal(signal.SIGSTOP)

    def thaw_if_due(self) -> None:
        """A longer freeze outlasts a shorter one that began meanwhile."""
        if time.monotonic() >= self._frozen_until:
            self.thaw()

    def thaw(self) -> None:
        if self._frozen_until:
            self._frozen_until = 0.0
            self.signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ends it for good."""
        await self.__aexit__()

    async def _keep(self) -> None:
        while True:
            assert self.child is not None
            code = await self.child.exited()
            self.child.kill_group()
            self._frozen_until = 0.0
            self._note(f"ended with {code}")
            await asyncio.sleep(max(0.0, self.not_before - time.monotonic()))
            await self.prepare()
            self._start()

    def _start(self) -> None:
        self.child = Child(self.program)
        self._note("started")

    def _note(self, what: str) -> None:
        self.incidents.append(Incident(time.monotonic(), time.time(), self.name, what))
