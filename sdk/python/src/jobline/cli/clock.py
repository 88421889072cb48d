"""Times and spans as people read them in a table: `12s`, `3m 20s`, `2d 4h`."""

from __future__ import annotations

from datetime import datetime

__all__ = ["clock_time", "since", "span", "span_between"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def since(time: datetime | None, now: datetime) -> str:
    """How long before `now` that was. A clock that is a little behind the database's shows 0s, not a negative time."""
    return span_between(time, now)


def span_between(begin: datetime | None, end: datetime | None) -> str:
    """How long that took; `?` where one of them is not known."""
    return "?" if begin is None or end is None else span((end - begin).total_seconds())


def clock_time(time: datetime | None) -> str:
    """With milliseconds: `2026-11-22 01:36:00.123Z`; `?` where it is not known."""
    return "?" if time is None else time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def span(seconds: float) -> str:
    """The two largest units of a span of time, `0s` for a negative one; under ten seconds with one decimal."""
    if seconds <= 0:
        return "0s"
    if seconds < 10:
        return f"{seconds:.1f}s"
    left = int(seconds)
    parts: list[tuple[int, str]] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
        if len(parts) == 2:
            break
    return " ".join(f"{count}{unit}" for count, unit in parts if count)
