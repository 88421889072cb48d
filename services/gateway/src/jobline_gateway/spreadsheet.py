"""Tables as CSV (RFC 4180) that are safe to open in a spreadsheet.

Much of what we list was written by strangers, and a spreadsheet runs a cell that begins like a formula. Such a cell gets an
apostrophe in front, which spreadsheets read as "this is text" (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

__all__ = ["csv_lines"]

#: First characters of what a spreadsheet takes for a formula, also in their full width, or skips on its way to one.
_DANGEROUS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """The rows with their line ends. None is an empty cell; a number is one whatever its sign."""
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\r\n").writerows([_safe(cell) for cell in row] for row in rows)
    return table.getvalue()


def _safe(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text
