"""Whatever a job contains, the terminal shows it and does not obey it."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobline.cli.documents import to_json
from jobline.cli.terminal_text import escape_controls, plain


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f", "\\x7f"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
    ],
)
def test_control_characters_are_written_as_escapes(hostile: str, shown: str) -> None:
    assert escape_controls(hostile) == shown


@pytest.mark.parametrize("text", ["Grüße", "日本語", "שלום", "👩‍💻", "a\u0301"])
def test_letters_of_every_script_stay_as_they_are(text: str) -> None:
    assert escape_controls(text) == text


def test_line_ends_are_kept_where_asked_for_but_nothing_else() -> None:
    assert escape_controls("a\nb\x1b", keep_newlines=True) == "a\nb\\x1b"


@given(st.text())
def test_no_text_ever_sends_a_control_character(text: str) -> None:
    assert all(ord(character) >= 0x20 and not 0x7F <= ord(character) <= 0x9F for character in escape_controls(text))


def test_square_brackets_are_text_and_not_rich_markup() -> None:
    output = io.StringIO()
    Console(file=output, width=80).print(plain("[bold red]x[/] [link=http://evil]y[/link]"), end="")
    assert output.getvalue() == "[bold red]x[/] [link=http://evil]y[/link]"


@given(st.text())
def test_a_json_document_is_ascii_without_controls_and_reads_back_the_same(text: str) -> None:
    printed = to_json({"value": text}, indent=None)
    assert printed.isascii()
    assert printed.isprintable()
    assert json.loads(printed) == {"value": text}
