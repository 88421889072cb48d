"""CSV files as people really send them: what is read out of them, and what is refused with which words at which line."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline_gateway.surfaces.ingestion.chunks import MAX_RECORD, SEVERAL, chunks
from jobline_gateway.surfaces.ingestion.csv_file import MAX_CELL, MAX_JSON, NotACsv, read_csv

LONG = "The answer was clear and complete."


def rows(content: bytes) -> list[dict[str, str]]:
    return [json.loads(record) for record in read_csv(content).as_json()]


def texts(content: bytes) -> list[str]:
    return [row["text"] for row in rows(content)]


READABLE: list[tuple[bytes, list[dict[str, str]]]] = [
    (b"task_id,feedback\nt-1," + LONG.encode() + b"\n", [{"task_id": "t-1", "feedback": LONG}]),
    # the delimiter is the header's
    (b"id;text\n1;one, two, three\n", [{"id": "1", "text": "one, two, three"}]),
    (b"id\ttext\n1\tone; two; three\n", [{"id": "1", "text": "one; two; three"}]),
    (b"id|text\n1|one, two, three\n", [{"id": "1", "text": "one, two, three"}]),
    (b'"a;b;c;d",text\n1,one; two; three\n', [{"a;b;c;d": "1", "text": "one; two; three"}]),
    (b"text\n" + LONG.encode(), [{"text": LONG}]),
    # quotes, and what they enclose
    (b'id,text\n1,"one, ""two"",\nthree"\n', [{"id": "1", "text": 'one, "two",\nthree'}]),
    (b'id,text\n1,"one\r\ntwo\rthree"\n', [{"id": "1", "text": "one\r\ntwo\rthree"}]),
    (b'"id","text"\r\n"1","just a text"\r\n', [{"id": "1", "text": "just a text"}]),
    (b'"id\n","te""xt"\n1,just a text\n', [{"id": "1", 'te"xt': "just a text"}]),
    (b'id,text\n1,a 5" pipe, no more\n'.replace(b", no", b" no"), [{"id": "1", "text": 'a 5" pipe no more'}]),
    # line ends, with and without a last one
    (
        b"id,text\r\n1,just a text\r\n2,another text",
        [{"id": "1", "text": "just a text"}, {"id": "2", "text": "another text"}],
    ),
    (
        b"id,text\r1,just a text\r2,another text\r",
        [{"id": "1", "text": "just a text"}, {"id": "2", "text": "another text"}],
    ),
    # empty lines and blanks
    (b"\n\r\n  \nid, text \n\n1, just a text \n \n\n", [{"id": "1", "text": " just a text "}]),
    (b"id,text\n,just a text\n,\n ,\n", [{"id": "", "text": "just a text"}]),
    # cells are text
    (b"id,text,n\n007,just a text,1.50\n", [{"id": "007", "text": "just a text", "n": "1.50"}]),
    (b"[id],[text]\n1,just a text\n", [{"[id]": "1", "[text]": "just a text"}]),
]


@pytest.mark.parametrize("number", range(len(READABLE)))
def test_rows_become_records_under_the_names_of_the_header(number: int) -> None:
    content, expected = READABLE[number]
    assert rows(content) == expected


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("cp1252", b""),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_the_encodings_that_people_use(encoding: str, mark: bytes, end: str) -> None:
    text = f'größe;text{end}1;"Äpfel – 5 € „fein“{end}und süß"{end}'
    [row] = rows(mark + text.encode(encoding))
    assert row == {"größe": "1", "text": f"Äpfel – 5 € „fein“{end}und süß"}


def test_characters_beyond_the_basic_plane_survive() -> None:
    text = "text\n😀 a smile for you 😀\n"
    for content in (text.encode(), text.encode("utf-16")):
        assert texts(content) == ["😀 a smile for you 😀"]


def test_windows_1252_that_happens_to_hold_whole_characters_of_utf_8_is_not_taken_for_it() -> None:
    text = "text\nC'est terminé\xa0» et ça a été très bien\n"
    assert texts(text.encode("cp1252")) == ["C'est terminé\xa0» et ça a été très bien"]


def test_the_row_numbers_that_pandas_writes_under_no_name_are_left_out() -> None:
    assert rows(b",id,text\n0,a,just a text\n1,b,another text\n") == [
        {"id": "a", "text": "just a text"},
        {"id": "b", "text": "another text"},
    ]


def test_rows_that_say_too_little_are_dropped_and_the_others_keep_their_order() -> None:
    content = b"id,feedback,note\n1,short,\n2,ten chars!,\n3,nine char,the note is longer\n4,,\n5,  ,eleven char\n"
    assert [row["id"] for row in rows(content)] == ["2", "3", "5"]


REFUSED: list[tuple[bytes, str]] = [
    # rows that do not fit
    (b"a,text\n1,just a text\n2\n", "line 3: expected as many cells as the header has (2), found 1"),
    (
        b'a,text\n1,"two\nlines, in one"\n\n2,just, text\n',
        "line 5: expected as many cells as the header has (2), found 3",
    ),
    (b"text\njust a text, with a comma\n", "line 2: expected as many cells as the header has (1), found 2"),
    # quotes
    (
        b'a,text\n1,"just a text\n2,another text\n',
        "line 2: expected the end of a quoted cell, found the end of the file",
    ),
    (
        b'a,text\n1,"just" a text\n',
        "line 2: expected a delimiter or the end of the line after the closing quote of a cell",
    ),
    (
        b"a,text\n1,just a text\n2," + b"x" * (MAX_CELL + 1),
        f"line 3: expected cells of at most {MAX_CELL} characters; is a quote never closed?",
    ),
    (
        b'a,text\n1,"just a text\n' + b"2,another text\n" * 10_000,
        f"line 2: expected cells of at most {MAX_CELL} characters; is a quote never closed?",
    ),
    # the header
    (b"a,text,a\n1,just a text,2\n", "line 1: expected a different name for each column, two are called 'a'"),
    (b"\na, text ,text\n1,just a text,2\n", "line 2: expected a different name for each column, two are called 'text'"),
    (b"a,,text\n", "line 1: expected a header line with a name for each column, column 2 has none"),
    (b"a,text,\n1,just a text,\n", "line 1: expected a header line with a name for each column, column 3 has none"),
    (b"text," + b"x" * 256 + b"\n", "line 1: expected column names of at most 255 characters, column 2 has 256"),
    (b",".join(b"c%d" % n for n in range(1001)), "line 1: expected at most 1000 columns, found 1001"),
    # nothing in it
    (b"", "the file is empty, expected a header line and rows"),
    (b" \r\n\t\n", "the file is empty, expected a header line and rows"),
    (codecs.BOM_UTF8, "the file is empty, expected a header line and rows"),
    (b"a,text\n", "no row has a text of 10 characters or more"),
    (b"a,text\n1,short\n", "no row has a text of 10 characters or more"),
    (b'""\n', "no row has a text of 10 characters or more"),
    # other formats
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the file is a PNG image, not a CSV"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "the file is a PDF document, not a CSV"),
    (b"PK\x03\x04\x14\0\x06\0", "the file is a ZIP archive or a workbook (save it as CSV), not a CSV"),
    (b"\n <!DOCTYPE html><html><body>Not found</body></html>", "the file is HTML or XML, not a CSV"),
    (codecs.BOM_UTF8 + b"<?xml version='1.0'?><a/>", "the file is HTML or XML, not a CSV"),
    (b'{"records": [{"text": "just a text"}]}', "the file is JSON, not a CSV"),
    (b'{"text": "just a text"}\n{"text": "another text"}\n', "the file is JSON, not a CSV"),
    (b'[{"text": "just a text"}]', "the file is JSON, not a CSV"),
    (b"[" * 100_000, "the file is JSON, not a CSV"),
]
ENCODINGS = "UTF-8, UTF-16 with a byte order mark, or Windows-1252"
UNREADABLE: list[tuple[bytes, str]] = [
    (b"a,text\n1,just a\0text\n", f"line 2: expected text in {ENCODINGS}, found the control character U+0000"),
    (
        b"a,text\r1,just a text\r2,a \x1b[31m text\n",
        f"line 3: expected text in {ENCODINGS}, found the control character U+001B",
    ),
    (
        "a,text\n1,just a text".encode("utf-16-le"),
        f"line 1: expected text in {ENCODINGS}, found the control character U+0000",
    ),
    (bytes(range(0x80, 0x100)), f"line 1: expected text in {ENCODINGS}"),
    (b"a,text\n1,just a text\n2,\x81", f"line 3: expected text in {ENCODINGS}"),
    ("text\näöü äöü äöü\nß".encode()[:-1], "line 3: expected text in UTF-8"),
    (codecs.BOM_UTF8 + b"text\njust a text\nw\xf6rld", "line 3: expected text in UTF-8"),
    ("text\njust a text\n😀".encode("utf-16")[:-2], "line 3: expected text in UTF-16"),
    ("text\njust a text".encode("utf-16") + b"x", "line 2: expected text in UTF-16"),
    (codecs.BOM_UTF16_BE + b"\xd8\x00\x00a", "line 1: expected text in UTF-16"),
]


@pytest.mark.parametrize("number", range(len(REFUSED) + len(UNREADABLE)))
def test_what_cannot_be_used_is_refused_with_what_was_expected_and_where(number: int) -> None:
    content, text = (*REFUSED, *UNREADABLE)[number]
    with pytest.raises(NotACsv) as refused:
        read_csv(content)
    assert str(refused.value) == text


def test_a_row_must_fit_into_a_chunk() -> None:
    columns = 5
    header = ",".join(f"c{number}" for number in range(columns))
    content = f"{header}\n{','.join(['x' * MAX_CELL] * columns)}\n".encode()
    with pytest.raises(NotACsv, match=f"line 2: expected a row of at most {MAX_RECORD} bytes as JSON"):
        read_csv(content)


def rows_below_long_names(number: int) -> bytes:
    names = [f"{'column' * 30}{number}" for number in range(200)]
    return "\n".join([",".join(names), *(["just a text" + "," * 199] * number)]).encode()


def test_a_long_header_over_many_short_rows_is_not_written_out_before_it_is_needed() -> None:
    content = rows_below_long_names(1_000)
    found = read_csv(content)
    assert len(found.rows) == 1_000
    first = next(found.as_json())
    assert len(first) * 1_000 > 30 * len(content)


def test_a_small_file_that_would_make_very_much_json_is_refused() -> None:
    content = rows_below_long_names(5_000)
    assert len(content) < 2 * 1024 * 1024
    with pytest.raises(NotACsv, match=rf"line 17\d\d: expected rows of at most {MAX_JSON} bytes as JSON"):
        read_csv(content)


CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from('",;\t|\n'), max_size=20)
TABLES = st.lists(st.tuples(CELLS, CELLS), max_size=8)


@given(
    TABLES, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from(["\n", "\r\n"])
)
def test_what_a_csv_writer_writes_is_read_as_it_was(
    table: list[tuple[str, str]], delimiter: str, encoding: str, end: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
    writer.writerows([("text", "more", "last"), ("always a text", "", ""), *((*row, "always a text") for row in table)])
    expected = [{"text": "always a text", "more": "", "last": ""}]
    expected += [{"text": first, "more": second, "last": "always a text"} for first, second in table]
    assert rows(file.getvalue().encode(encoding)) == expected


@given(st.binary(max_size=300) | st.text(st.sampled_from('ab,;"\n\r\té\0'), max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(NotACsv):
        assert rows(content)


@given(st.lists(st.integers(1, MAX_RECORD), max_size=12) | st.lists(st.integers(1, 200_000), max_size=30))
def test_chunks_hold_every_record_in_its_order_and_none_is_too_large(sizes: list[int]) -> None:
    records = [b"1" * size for size in sizes]
    made = list(chunks(records))
    assert all(2 < len(chunk) <= 512 * 1024 for chunk in made)
    assert ",".join(chunk[1:-1] for chunk in made).encode() == b",".join(records)
    assert all("," not in chunk for chunk in made if len(chunk) > SEVERAL + 2)
    # None could have gone along with the one before.
    assert all(
        len(first) + len(second.split(",", 1)[0].rstrip("]")) > SEVERAL for first, second in itertools.pairwise(made)
    )


def test_chunks_are_utf_8_and_lazy() -> None:
    endless: Any = (json.dumps("ü" * 1000, ensure_ascii=False).encode() for _ in iter(int, 1))
    first = next(chunks(endless))
    assert SEVERAL - 2_100 < len(first.encode()) <= SEVERAL + 2
    assert set(json.loads(first)) == {"ü" * 1000}
