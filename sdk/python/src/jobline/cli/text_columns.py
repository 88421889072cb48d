"""Rows of columns as single lines of text.

A table of rich's wraps or drops what does not fit, as it likes. A picture that must fill a screen exactly needs rows of
one line each, whose number is known before they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.text import Text

from jobline.cli.fair_shares import fair_shares

__all__ = ["Column", "lines_of"]

Row = TypeVar("Row")

_GAP = 1


@dataclass(frozen=True)
class Column(Generic[Row]):
    """`width` is the least, `most` how far it grows when its cells and the screen do; `since` is the width of the narrowest
    screen that has it."""

    title: str
    cell: Callable[[Row], Text]
    width: int
    most: int = 0
    right: bool = False
    since: int = 0


def lines_of(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> list[Text]:
    """The line of titles, then one line for each row, none of them wider than `width`."""
    shown = [column for column in columns if width >= column.since]
    cells = [[column.cell(row) for column in shown] for row in rows]
    widths = _widths(shown, cells, width)
    titles = [Text(column.title) for column in shown]
    first, *lines = [_line(shown, widths, line, width) for line in (titles, *cells)]
    first.stylize("underline")
    return [first, *lines]


def _widths(columns: Sequence[Column[Row]], cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """The least widths, and what is left shared among the columns that need more."""
    wanted = [max((line[index].cell_len for line in cells), default=0) for index in range(len(columns))]
    more = [max(0, min(column.most, size) - column.width) for column, size in zip(columns, wanted, strict=True)]
    left = width - sum(column.width for column in columns) - _GAP * (len(columns) - 1)
    return [column.width + extra for column, extra in zip(columns, fair_shares(more, left), strict=True)]


def _line(columns: Iterable[Column[Row]], widths: Iterable[int], cells: Iterable[Text], width: int) -> Text:
    fitted = []
    for column, size, cell in zip(columns, widths, cells, strict=True):
        text = cell.copy()
        text.truncate(size, overflow="ellipsis")
        text.align("right" if column.right else "left", size)
        fitted.append(text)
    line = Text(" " * _GAP, no_wrap=True).join(fitted)
    line.truncate(width, overflow="ellipsis")
    return line
