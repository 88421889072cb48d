"""A client of server-sent events as browsers are one (HTML Standard, section 9.2), and what it makes of a list that lives.

Unlike a browser it calls again at once, for a test has no time to lose.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

__all__ = ["Event", "EventSource", "listening", "parsed"]


@dataclass(frozen=True)
class Event:
    """`id` is what a client would come back with after it."""

    name: str
    id: str
    data: Any


@dataclass
class EventSource:
    """What one client was told, over as many streams as it took."""

    url: str
    headers: Mapping[str, str]
    events: list[Event] = field(default_factory=list)
    #: Answers that were no stream, in order; the client stops at one, as a browser does.
    refusals: list[int] = field(default_factory=list)
    last_id: str = ""
    streams: int = 0
    #: Streams that ended as they should, and not by a cut.
    ends: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def named(self, name: str) -> list[Any]:
        return [event.data for event in self.events if event.name == name]

    async def listen(self, again: bool = True) -> None:
        """Until cancelled, or refused; with `again` false, one stream."""
        async with httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(20, read=None)) as client:
            while not self.refusals:
                with contextlib.suppress(httpx.TransportError):
                    await self._stream(client)
                    self.ends += 1
                if not again:
                    return
                await asyncio.sleep(0.01)

    async def until(self, what: Callable[[], object], within: float = 10.0) -> None:
        """Returns once something is so that changes only by what this client is told."""
        try:
            async with asyncio.timeout(within):
                while not what():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s, after {self.events[-5:]}") from None

    async def _stream(self, client: httpx.AsyncClient) -> None:
        headers = {**self.headers, **({"last-event-id": self.last_id} if self.last_id else {})}
        async with client.stream("GET", self.url, headers=headers) as answer:
            if answer.status_code == 503:
                return  # away for a moment
            if answer.status_code != 200:
                self.refusals.append(answer.status_code)
                self._news.set()
                return
            self.streams += 1
            self._news.set()
            await self._read(answer.aiter_lines())

    async def _read(self, lines: AsyncIterator[str]) -> None:
        fields: dict[str, str] = {}
        async for line in lines:
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and fields:
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    self.events.append(Event(fields.get("event", "message"), self.last_id, json.loads(fields["data"])))
                fields = {}
                self._news.set()


@contextlib.asynccontextmanager
async def listening(url: str, headers: Mapping[str, str], **options: Any) -> AsyncIterator[EventSource]:
    """A client that listens within the block."""
    source = EventSource(url, headers)
    task = asyncio.create_task(source.listen(**options))
    try:
        yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def parsed(text: str) -> Sequence[dict[str, str]]:
    """The fields of the events in a stream that has ended."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            found.append({name: value for name, _, value in lines})
    return found
