"""A TCP proxy between two of our processes, for networks that break: cut, stall, refuse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

__all__ = ["TcpProxy", "tcp_proxy"]


class TcpProxy:
    """Forwards to one target.

    `cut` ends what is open, `refuse` also what comes; `stall` keeps connections and forwards nothing; `mute` forwards what
    clients send and drops what is answered, until `heal`; `cut_after` ends everything once so many bytes were answered.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = self._muted = False
        self.connections = 0
        #: Bytes of answers that were dropped, and that were passed on.
        self.dropped = self.answered = 0
        self._allowed: int | None = None
        self.address = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        self._refusing = True
        self.cut()

    def stall(self) -> None:
        self._flowing.clear()

    def mute(self) -> None:
        self._muted = True

    def cut_after(self, count: int) -> None:
        """The next `count` bytes of answers pass; with them whatever is open ends. What connects later is whole."""
        self._allowed = count

    def heal(self) -> None:
        self._allowed = None
        self._refusing = self._muted = False
        self._flowing.set()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.heal()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, up_writer}
        self._writers |= both
        try:
            if not self._refusing:  # that may have begun while the target was being connected to
                await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer, answers=True))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if answers and self._muted:
                    self.dropped += len(data)
                    continue
                if answers and self._allowed is not None:
                    data, self._allowed = data[: self._allowed], self._allowed - len(data)
                if answers:
                    self.answered += len(data)
                writer.write(data)
                await writer.drain()
                if answers and self._allowed is not None and self._allowed <= 0:
                    self._allowed = None
                    self.cut()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def tcp_proxy(target: str) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
