"""`jobline top`: the whole service on one screen, live on a terminal, once anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live

from jobline import event_loop
from jobline.cli.connection import DEADLINE, CallFailed, Service, failure, find_service
from jobline.cli.documents import document
from jobline.cli.keyboard import quiet_keyboard
from jobline.cli.output import JsonOption, console, print_document, print_page
from jobline.cli.top_board import Frame, board
from jobline.cli.top_picture import Picture, PictureReader
from jobline.client import AsyncJoblineClient
from jobline.durations import parse_duration
from jobline.errors import DeadlineExceeded, JoblineError, NotActive, Unavailable

__all__ = ["top"]

_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.5, 3600.0
_SHORTEST_DEADLINE = 2.0
#: Seconds until the same picture is drawn again: its clock and its ages go on.
_TICK = 1.0
#: How a call fails to a service that is away and may come back.
_AWAY = (Unavailable, DeadlineExceeded, NotActive)
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def top(
    queue: Annotated[str, typer.Option("--queue", help="Only this queue.")] = "",
    interval: Annotated[str, typer.Option(help="How often the service is asked: 500ms to 1h.")] = "2s",
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end, as in a pipe.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show queues, workers, running jobs, throughput and failures live on one screen. Ctrl-C or q ends it."""
    seconds = _parse_interval(interval)
    service, screen = find_service(), console()
    try:
        if screen.is_terminal and not screen.is_dumb_terminal and not once and not as_json:
            event_loop.run(_LiveTop(service, queue, seconds, screen).run())
            return
        picture = event_loop.run(_read_once(service, queue))
    except JoblineError as error:
        raise CallFailed(failure(error, service)) from error
    if as_json:
        print_document(_document(picture))
    else:
        print_page(Group(*board(picture, Frame(screen.width), picture.read_at, service.name)))


def _parse_interval(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"--interval: {error}") from error
    if not _SHORTEST_INTERVAL <= seconds <= _LONGEST_INTERVAL:
        raise typer.BadParameter(f"--interval: expected 500ms to 1h, got {text!r}")
    return seconds


async def _read_once(service: Service, queue: str) -> Picture:
    async with AsyncJoblineClient(service.addresses, service.token, deadline=DEADLINE) as client:
        return await PictureReader(client, queue).read()


def _document(picture: Picture) -> dict[str, object]:
    """The parts as the contract has them; of both trends the points are minutes, the last of them under way."""
    return {
        "time": document(picture.read_at),
        "queues": document(picture.queues),
        "workers": document(picture.workers),
        "last_5_minutes": document(picture.recent),
        "last_hour": document(picture.hour),
    }


class _LiveTop:
    """One task reads, and the main one draws whenever there is something new, the screen has another size, or a second has
    passed."""

    def __init__(self, service: Service, queue: str, interval: float, screen: Console) -> None:
        self._service = service
        self._queue = queue
        self._interval = interval
        self._screen = screen
        self._picture: Picture | None = None
        self._trouble = ""
        self._news = asyncio.Event()
        self._is_over = False

    async def run(self) -> None:
        """Until somebody ends it. Raises JoblineError when the service refuses the first picture."""
        loop = asyncio.get_running_loop()
        for ending in _ENDINGS:
            loop.add_signal_handler(ending, self._end)
        loop.add_signal_handler(signal.SIGWINCH, self._news.set)
        reading = asyncio.create_task(self._keep_reading())
        try:
            with quiet_keyboard(self._on_key), Live(console=self._screen, screen=True, auto_refresh=False) as live:
                while not self._is_over and not reading.done():
                    live.update(self._draw(), refresh=True)
                    await self._wait()
            if reading.done():
                await reading
        finally:
            reading.cancel()

    def _draw(self) -> Group:
        width, height = self._screen.size
        return Group(*board(self._picture, Frame(width, height), datetime.now(UTC), self._service.name, self._trouble))

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TICK):
                await self._news.wait()
        self._news.clear()

    async def _keep_reading(self) -> None:
        # What is not answered soon is asked again anyhow, and should be told by then.
        deadline = min(DEADLINE, max(_SHORTEST_DEADLINE, 2 * self._interval))
        try:
            async with AsyncJoblineClient(self._service.addresses, self._service.token, deadline=deadline) as client:
                reader = PictureReader(client, self._queue)
                while True:
                    await self._read(reader)
                    self._news.set()
                    await asyncio.sleep(self._interval)
        finally:
            self._news.set()

    async def _read(self, reader: PictureReader) -> None:
        try:
            self._picture, self._trouble = await reader.read(), ""
        except JoblineError as error:
            if self._picture is None and not isinstance(error, _AWAY):
                raise
            self._trouble = failure(error, self._service)

    def _on_key(self, typed: bytes) -> None:
        if b"q" in typed.lower():
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self._news.set()
