"""Reads a CSV file that somebody has uploaded (RFC 4180, and what spreadsheets make of it).

The file may be in UTF-8, in UTF-16 with a byte order mark, or in Windows-1252; its delimiter is the one of `, ; tab |`
that splits the header line into most cells. Nothing is guessed beyond that and nothing repaired: a quote that is never
closed would swallow the rest of the file, and a row with a cell too many would put values under wrong names, so whatever
does not fit is an error with its line.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from jobline.records import text_of
from jobline_gateway.surfaces.ingestion.chunks import MAX_RECORD

__all__ = ["MAX_CELL", "MAX_JSON", "CsvRecords", "NotACsv", "read_csv"]

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 1000
MAX_NAME = 255
#: Bytes of all rows as JSON: with names of 255 characters a thousand empty cells, which are a thousand bytes, make 260 000.
MAX_JSON = 64 * 1024 * 1024
#: Characters of a cell: the bound of the module `csv`.
MAX_CELL = csv.field_size_limit()

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_ENCODINGS = "UTF-8, UTF-16 with a byte order mark, or Windows-1252"
_SIGNATURES = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or a workbook (save it as CSV)"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (save it as CSV)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{\\rtf", "an RTF document"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_UNDECODED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


class NotACsv(Exception):
    """The file cannot be used. `str()` says why, beginning with the line where it is known."""


def _at(line: int, why: str) -> NotACsv:
    return NotACsv(f"line {line}: {why}")


@dataclass(frozen=True)
class CsvRecords:
    """The rows that say enough to be loaded."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_json(self) -> Iterator[bytes]:
        """Each row as a JSON object of its cells, in UTF-8. They are made one by one: a long header over many short rows
        makes much more JSON than the file has bytes."""
        return (_as_json(self.header, row) for row in self.rows)


def read_csv(content: bytes) -> CsvRecords:
    """The rows of a file whose text (`jobline.records`) is long enough. Raises NotACsv."""
    text = _text(content)
    _refuse_other_formats(text)
    lines = _Lines(text, _delimiter(text))
    line, names = next(lines, (1, []))
    header = _header(line, names)
    rows = []
    size = 0
    for line, row in lines:
        if _says_enough(line, header, row):
            rows.append(row)
            size += _size(line, header, row)
            if size > MAX_JSON:
                raise _at(line, f"expected rows of at most {MAX_JSON} bytes as JSON with the names of their columns")
    if not rows:
        raise NotACsv("no row has a text of 10 characters or more")
    return CsvRecords(header, rows)


# ---- text ---------------------------------------------------------------------------------------------------------------


def _text(content: bytes) -> str:
    for signature, what in _SIGNATURES:
        if content.startswith(signature):
            raise NotACsv(f"the file is {what}, not a CSV")
    text = _decoded(content)
    if control := _CONTROL.search(text):
        found = f"the control character U+{ord(control[0]):04X}"
        raise _at(_line_of(text, control.start()), f"expected text in {_ENCODINGS}, found {found}")
    if not text.strip():
        raise NotACsv("the file is empty, expected a header line and rows")
    return text


def _decoded(content: bytes) -> str:
    for mark, encoding, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _strictly(content.removeprefix(mark), encoding, name)
    try:
        return content.decode()
    except UnicodeDecodeError:
        # UTF-8 with a broken place has more characters that are whole than that are not, Windows-1252 hardly any.
        escaped = content.decode("utf-8", "surrogateescape")
        broken = len(_UNDECODED.findall(escaped))
        if len(_BEYOND_ASCII.findall(escaped)) > 2 * broken:
            return _strictly(content, "utf-8", "UTF-8")
        return _strictly(content, "cp1252", _ENCODINGS)


def _strictly(content: bytes, encoding: str, name: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding)
        raise _at(_line_of(before, len(before)), f"expected text in {name}") from error


def _line_of(text: str, position: int) -> int:
    return len(_LINE_END.findall(text[:position])) + 1


def _refuse_other_formats(text: str) -> None:
    start = text.lstrip()
    if start.startswith("<"):
        raise NotACsv("the file is HTML or XML, not a CSV")
    if start.startswith(("{", "[")) and _begins_with_json(start):
        raise NotACsv("the file is JSON, not a CSV")


def _begins_with_json(text: str) -> bool:
    try:
        json.JSONDecoder().raw_decode(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


# ---- rows ---------------------------------------------------------------------------------------------------------------


class _Lines(Iterator[tuple[int, list[str]]]):
    """The rows that are not empty, each with the number of its first line. Raises NotACsv."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def __next__(self) -> tuple[int, list[str]]:
        while True:
            line = self._reader.line_num + 1
            try:
                row = next(self._reader)
            except csv.Error as error:
                raise _at(line, _explained(str(error))) from error
            if len(row) > 1 or "".join(row).strip():
                return line, row


def _explained(why: str) -> str:
    """What the module `csv` has to say, in words for who made the file."""
    if "field limit" in why:
        return f"expected cells of at most {MAX_CELL} characters; is a quote never closed?"
    if "unexpected end" in why:
        return "expected the end of a quoted cell, found the end of the file"
    return "expected a delimiter or the end of the line after the closing quote of a cell"


def _delimiter(text: str) -> str:
    """The one that splits the header line into most cells; of several that do, the first."""

    def cells(delimiter: str) -> int:
        try:
            return len(next(_Lines(text, delimiter), (0, []))[1])
        except NotACsv:
            return 0

    return max(DELIMITERS, key=cells)


def _header(line: int, names: Sequence[str]) -> list[str]:
    """The names of the columns. The first may have none: row numbers, as pandas writes them; records go without it."""
    header = [name.strip() for name in names]
    if len(header) > MAX_COLUMNS:
        raise _at(line, f"expected at most {MAX_COLUMNS} columns, found {len(header)}")
    known: set[str] = set()
    for number, name in enumerate(header, 1):
        if not name and number > 1:
            raise _at(line, f"expected a header line with a name for each column, column {number} has none")
        if len(name) > MAX_NAME:
            raise _at(line, f"expected column names of at most {MAX_NAME} characters, column {number} has {len(name)}")
        if name in known:
            raise _at(line, f"expected a different name for each column, two are called {name!r}")
        known.add(name)
    return header


def _says_enough(line: int, header: Sequence[str], row: Sequence[str]) -> bool:
    """Is the row to be loaded? Raises NotACsv when it does not fit."""
    if len(row) != len(header):
        raise _at(line, f"expected as many cells as the header has ({len(header)}), found {len(row)}")
    return text_of(_record(header, row)) is not None


def _size(line: int, header: Sequence[str], row: Sequence[str]) -> int:
    """The bytes of the row as JSON. Raises NotACsv when they are too many."""
    size = len(_as_json(header, row))
    if size > MAX_RECORD:
        raise _at(line, f"expected a row of at most {MAX_RECORD} bytes as JSON")
    return size


def _as_json(header: Sequence[str], row: Sequence[str]) -> bytes:
    return orjson.dumps(_record(header, row))


def _record(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    return {name: cell for name, cell in zip(header, row, strict=True) if name}
