"""How `jobline top` looks: a picture of a service as lines that fit on a screen of any size."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from jobline.cli.clock import since
from jobline.cli.fair_shares import fair_shares
from jobline.cli.figures import short_count, sparkline
from jobline.cli.terminal_text import plain
from jobline.cli.top_picture import Picture, course
from jobline.cli.top_sections import Section, queue_section, run_section, worker_section

__all__ = ["Frame", "board"]

#: A screen of fewer lines has no empty ones between its parts.
_ROOMY = 20
#: What queues, workers and running jobs get of a screen that is too small for all of them.
_WEIGHTS = (2, 1, 1)


class Frame(NamedTuple):
    """What the picture is drawn into. Without a `height` it is as long as it needs to be."""

    width: int
    height: int | None = None


def board(picture: Picture | None, frame: Frame, now: datetime, address: str, trouble: str = "") -> list[Text]:
    """The lines from top to bottom. With `trouble`, why the service does not answer, the picture is the last one there was,
    and its ages are those that it had."""
    lines = [_bar(picture, frame, now, address, bool(trouble))]
    if trouble:
        silence = f"No answer for {since(picture.read_at, now)}; this is how it was then. " if picture else ""
        lines.append(plain(f"{silence}{trouble}", "bold red"))
    if picture is not None:
        room = None if frame.height is None else frame.height - len(lines)
        body = list(_body(picture, Frame(frame.width, room), picture.read_at if trouble else now))
        if trouble:
            for line in body:
                line.stylize("dim")
        lines += body
    elif not trouble:
        lines.append(Text("asking the service…", "dim"))
    for line in lines:
        line.truncate(frame.width, overflow="ellipsis")
    return lines[: frame.height]


def _bar(picture: Picture | None, frame: Frame, now: datetime, address: str, away: bool) -> Text:
    """Which service, of when; inverse where it heads a screen."""
    only = f"   queue {picture.only}" if picture is not None and picture.only else ""
    name, time = f"jobline top   {address}{only}", f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if frame.height is None:
        return plain(f"{name}   {time}", "bold")
    line = plain(f" {name}")
    line.truncate(max(0, frame.width - len(time) - 2), overflow="ellipsis", pad=True)
    line.append(f" {time} ")
    line.stylize("bold white on red" if away else "bold reverse")
    return line


def _body(picture: Picture, frame: Frame, now: datetime) -> Iterator[Text]:
    """Totals, the three lists, and on the last line what failed."""
    totals = list(_totals(picture))
    yield from totals
    room = None if frame.height is None else frame.height - len(totals) - 1
    gap = [Text()] if room is None or room >= _ROOMY else []
    sections = [build(picture, now, frame.width) for build in (queue_section, worker_section, run_section)]
    needs = [_length(section) for section in sections]
    rows = needs if room is None else fair_shares(needs, room - len(sections) * (1 + len(gap)) - len(gap), _WEIGHTS)
    used = 0
    for section, share in zip(sections, rows, strict=True):
        part = [*gap, section.titles, *_cut(section, share)]
        used += len(part)
        yield from part
    yield from [Text()] * (max(0, room - used) if room is not None else len(gap))
    yield _failures(picture)


def _totals(picture: Picture) -> Iterator[Text]:
    """How much there is, how fast it moves, and how it has moved within the hour."""
    stats, workers = [queue.stats for queue in picture.queues], picture.workers
    paused = sum(queue.paused for queue in picture.queues)
    yield _figures(
        ("ready", short_count(sum(each.ready for each in stats)), "bold"),
        ("delayed", short_count(sum(each.delayed for each in stats)), "bold"),
        ("running", short_count(sum(each.running for each in stats)), "bold cyan"),
        ("workers", str(len(workers)), "bold" if workers else "bold red"),
        ("hold", f"{sum(each.running for each in workers)} of {sum(each.capacity for each in workers)}", "bold"),
        *([("paused", str(paused), "bold red")] if paused else []),
    )
    rates = picture.all_rates()
    yield _figures(
        ("stored", f"{short_count(rates.enqueued)}/min", "bold"),
        ("done", f"{short_count(rates.succeeded)}/min", "bold green"),
        ("failed", f"{short_count(rates.failed)}/min", "bold red" if round(rates.failed) else "bold"),
        ("tried again", f"{short_count(rates.retried)}/min", "bold yellow" if round(rates.retried) else "bold"),
    )
    if counts := course(picture.all_hour()):
        peak = f" peak {short_count(max(counts))}/min"
        yield Text.assemble(("1 h ", "dim"), (sparkline(counts), "green"), (peak, "dim"))


def _figures(*figures: tuple[str, str, str]) -> Text:
    """Names, values and the values' styles, side by side."""
    parts = [Text.assemble((f"{name} ", "dim"), (value, style)) for name, value, style in figures]
    return Text("   ").join(parts)


def _failures(picture: Picture) -> Text:
    """By code, the most frequent first: runs of the last hour, whether they were tried again or not."""
    hour = picture.all_hour()
    if hour is None or not hour.errors:
        return Text("no run has failed within the last hour", "dim")
    codes = [plain(f"{error.code} {short_count(error.count)}", "bold red") for error in hour.errors]
    return Text.assemble(("failed runs in 1 h  ", "dim"), Text("   ").join(codes))


def _length(section: Section) -> int:
    return sum(len(block.lines) for block in section.blocks) + bool(section.unlisted)


def _cut(section: Section, share: int) -> Iterator[Text]:
    """As many blocks as go into `share` lines, and how many things are left out."""
    room = share if _length(section) <= share else share - 1
    left_out = section.unlisted
    for block in section.blocks:
        if left_out == section.unlisted and len(block.lines) <= room:
            room -= len(block.lines)
            yield from block.lines
        else:
            left_out += block.stands_for
    if left_out and share > 0:
        yield Text(f"… and {short_count(left_out)} more", "dim")
