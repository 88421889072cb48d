"""Shows a batch of e-mails on its way: a live table on a terminal, one line a change anywhere else."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobline.cli.terminal_text import escape_controls, plain

STEPS = ("template_parser", "web_scraper", "arxiv_helper", "email_composer")

_WIDE = 110
"""Columns of a terminal that has room for the interest and the result."""

_STYLES = {"pending": "dim", "processing": "yellow", "completed": "green", "failed": "red"}


@dataclass(frozen=True)
class Row:
    """What is known of one item. Times are seconds of the monotonic clock."""

    name: str
    interest: str
    status: str = "pending"
    position: int | None = None
    step: str | None = None
    error: str | None = None
    email_id: str | None = None
    started: float | None = None
    ended: float | None = None

    @property
    def finished(self) -> bool:
        return self.status in ("completed", "failed")

    def elapsed(self, now: float) -> float | None:
        """Seconds in work so far; None before."""
        return None if self.started is None else (self.ended or now) - self.started

    def advanced(self, answer: Mapping[str, Any], now: float) -> "Row":
        """The row after another look at its item."""
        finished = answer["status"] in ("completed", "failed")
        in_work = finished or answer["status"] == "processing"
        return replace(
            self,
            status=answer["status"],
            position=answer["position"],
            step=answer["current_step"],
            error=answer["error_message"],
            email_id=answer["email_id"],
            started=self.started if self.started is not None or not in_work else now,
            ended=self.ended if self.ended is not None or not finished else now,
        )


class View(Protocol):
    """Where the rows are shown; a context manager around the whole run."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, rows: list[Row]) -> None:
        """Shows the present state of all rows."""
        ...


def view_for(console: Console) -> View:
    """A live table where there is a terminal, plain lines where there is none."""
    return LiveTable(console) if console.is_terminal else ChangeLines(console)


class LiveTable:
    """A table that is drawn over itself."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, rows: list[Row]) -> None:
        wide = self._console.width >= _WIDE
        self._live.update(_table(rows, time.monotonic(), wide=wide), refresh=True)


class ChangeLines:
    """One line for every change of a status or step, and one for the order of the waiting items when it changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._shown: dict[int, str] = {}
        self._waiting = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, rows: list[Row]) -> None:
        for index, row in enumerate(rows):
            state = _state(row)
            if self._shown.get(index) != state:
                self._shown[index] = state
                self._print(f"{row.name} ({row.interest}): {state}")
        waiting = ", ".join(f"{row.position} {row.name}" for row in rows if row.position is not None)
        if waiting not in ("", self._waiting):
            self._print(f"positions: {waiting}")
        self._waiting = waiting

    def _print(self, text: str) -> None:
        seconds = time.monotonic() - self._begin
        line = f"{seconds:6.1f}s  {escape_controls(text)}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _state(row: Row) -> str:
    match row.status:
        case "processing" if row.step in STEPS:
            return f"processing, {row.step} ({STEPS.index(row.step) + 1}/{len(STEPS)})"
        case "failed":
            return f"failed: {row.error}"
        case status:
            return status


def _table(rows: list[Row], now: float, *, wide: bool) -> Table:
    done = sum(row.finished for row in rows)
    table = Table(title=f"Sample batch: {done} of {len(rows)} done", title_justify="left", expand=True)
    table.add_column("Pos", justify="right", width=3)
    table.add_column("Recipient", ratio=3, no_wrap=True)
    table.add_column("Status", width=10)
    table.add_column("Step", width=15)
    table.add_column("Progress", width=8)
    table.add_column("Time", justify="right", width=6)
    if wide:
        table.add_column("Interest", ratio=3, no_wrap=True)
        table.add_column("Result", ratio=3, no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, now)[: len(table.columns)])
    return table


def _cells(row: Row, now: float) -> tuple[RenderableType, ...]:
    elapsed = row.elapsed(now)
    return (
        str(row.position or ""),
        plain(row.name),
        Text(row.status, _STYLES.get(row.status, "")),
        row.step or "",
        _bar(row),
        "" if elapsed is None else f"{elapsed:.1f}s",
        plain(row.interest, "dim"),
        _result(row),
    )


def _bar(row: Row) -> ProgressBar:
    """Steps that are behind the item."""
    reached = STEPS.index(row.step) if row.step in STEPS else 0
    return ProgressBar(total=len(STEPS), completed=len(STEPS) if row.status == "completed" else reached)


def _result(row: Row) -> Text:
    if row.error:
        return plain(row.error, "red")
    return Text(f"e-mail {row.email_id[:8]}" if row.email_id else "", "dim")
