"""`jobline jobs retry` and `cancel` for all the jobs that a filter chooses: counted, confirmed, done, told."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import typer
from rich.console import Console
from rich.progress import Progress

from jobline.cli.documents import document
from jobline.cli.output import print_document, print_page
from jobline.cli.terminal_text import plain
from jobline.client import BulkProgress

__all__ = ["CANCEL", "RETRY", "act_in_bulk"]


class _Act(Protocol):
    """A client's `retry_jobs` or `cancel_jobs`, with its filter."""

    def __call__(self, *, expected_count: int | None = None, dry_run: bool = False) -> Iterator[BulkProgress]: ...


@dataclass(frozen=True)
class _Words:
    """How an act is spoken of."""

    verb: str
    done: str


RETRY, CANCEL = _Words("retry", "retried"), _Words("cancel", "cancelled")


def act_in_bulk(act: _Act, words: _Words, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Counts the jobs, asks unless `yes`, acts on exactly so many, and says what became of them."""
    (counted,) = act(dry_run=True)
    if dry_run or not counted.total:
        _tell(counted, f"{_jobs(counted.total)} to {words.verb}", as_json)
        return
    if not yes:
        typer.confirm(f"{words.verb} {_jobs(counted.total)}?", abort=True, err=True)
    last = _watched(act(expected_count=counted.total), words.verb, counted.total)
    skipped = f"; {last.skipped} skipped, they had moved on or must not" if last.skipped else ""
    _tell(last, f"{last.done} of {_jobs(last.total)} {words.done}{skipped}", as_json)


def _watched(messages: Iterable[BulkProgress], verb: str, total: int) -> BulkProgress:
    """The last message. On a terminal a bar shows the others."""
    last = BulkProgress(total, 0, 0, False)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task(verb, total=total)
        for last in messages:
            bars.update(bar, completed=last.done + last.skipped)
    return last


def _tell(progress: BulkProgress, sentence: str, as_json: bool) -> None:
    if as_json:
        print_document(document(progress))
    else:
        print_page(plain(sentence))


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
