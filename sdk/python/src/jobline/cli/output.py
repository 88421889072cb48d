"""Where the command line writes: documents and tables to standard output, remarks to standard error."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from jobline.cli.documents import to_json
from jobline.cli.terminal_text import escape_controls

__all__ = ["JsonOption", "console", "print_document", "print_page", "remark", "tolerate_any_character"]

#: What every command that answers something takes.
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of text for people.")]

#: Without a terminal nothing is cut: a pipe has no width, and scripts search whole lines.
_WIDTH_WITHOUT_TERMINAL = 500


def console() -> Console:
    """Standard output as rich sees it: no markup, no emoji codes, no guessed highlighting."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(
        markup=False, emoji=False, highlight=False, soft_wrap=False, width=_WIDTH_WITHOUT_TERMINAL if piped else None
    )


def print_document(content: Any) -> None:
    """`content` as one JSON document."""
    typer.echo(to_json(content))


def print_page(page: RenderableType) -> None:
    """`page` for people; lines keep no blanks at their ends when they go into a pipe."""
    screen = console()
    if screen.is_terminal:
        screen.print(page)
        return
    with screen.capture() as captured:
        screen.print(page)
    typer.echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def remark(text: str) -> None:
    """One line on standard error."""
    typer.echo(escape_controls(text), err=True)


def tolerate_any_character() -> None:
    """Lets standard output and error take characters that the locale cannot show: they appear as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
