"""The sample run: which batch it sends, and how it shows it on a terminal and in a log."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobline_local.errors import StackError
from jobline_local.sample_batch import read_batches
from jobline_local.sample_view import Row, view_for


def answer(status: str, **facts: Any) -> dict[str, Any]:
    """An item as the list shows it."""
    return {"status": status, "position": None, "current_step": None, "error_message": None, "email_id": None, **facts}


def shown(rows: list[list[Row]], *, terminal: bool, width: int = 140) -> str:
    """What the view prints for these states of the batch, one after the other."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, height=60)
    with view_for(console) as view:
        for state in rows:
            view.show(state)
    return out.getvalue()


def test_the_shipped_sample_fits_the_bounds_of_the_batch_call() -> None:
    batches = read_batches()
    recipients = [recipient for batch in batches for recipient in batch.recipients]
    assert len(recipients) >= 12
    assert len(batches) == 3
    assert all(2 <= len(one.name) <= 255 and 2 <= len(one.interest) <= 500 for one in recipients)
    assert all("{{" in batch.template and 10 <= len(batch.template) <= 5000 for batch in batches)


def test_an_incomplete_sample_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="incomplete"):
        read_batches(tmp_path)
    (tmp_path / "recipients.csv").write_text("recipient_name\nAda Lovelace\n")
    with pytest.raises(StackError, match="recipient_interest"):
        read_batches(tmp_path)


def test_a_row_measures_the_time_from_its_start_to_its_end() -> None:
    row = Row("Ada Lovelace", "engines")
    assert row.advanced(answer("pending", position=2), 1.0).elapsed(9.0) is None
    working = row.advanced(answer("processing", current_step="web_scraper"), 2.0)
    assert working.elapsed(5.0) == 3.0
    done = working.advanced(answer("completed", email_id="x"), 6.0).advanced(answer("completed", email_id="x"), 8.0)
    assert done.finished
    assert done.elapsed(100.0) == 4.0


def test_a_log_gets_one_line_a_change_and_none_without_one() -> None:
    first = [Row("Ada", "engines", position=1), Row("Bob", "beer", position=2)]
    second = [first[0].advanced(answer("processing", current_step="arxiv_helper"), 1.0)]
    second.append(first[1].advanced(answer("pending", position=1), 1.0))
    lines = [line.split("s  ", 1)[1] for line in shown([first, first, second], terminal=False).splitlines()]
    assert lines == [
        "Ada (engines): pending",
        "Bob (beer): pending",
        "positions: 1 Ada, 2 Bob",
        "Ada (engines): processing, arxiv_helper (3/4)",
        "positions: 1 Bob",
    ]


def test_the_table_shows_position_step_result_and_reason() -> None:
    rows = [
        Row("Ada", "engines").advanced(answer("completed", email_id="0123456789"), 1.0),
        Row("Bob", "beer").advanced(answer("failed", error_message="Step 'x' failed: [red]no"), 1.0),
        Row("Cyd", "dance").advanced(answer("processing", current_step="email_composer"), 1.0),
        Row("Dan", "rain", position=1),
    ]
    table = shown([rows], terminal=True)
    for text in ("2 of 4 done", "e-mail 01234567", "Step 'x' failed: [red]no", "email_composer", "pending"):
        assert text in table


def test_the_table_fits_a_narrow_terminal() -> None:
    table = shown([[Row("Ada Lovelace", "engines", position=1)]], terminal=True, width=80)
    assert "Ada Lovelace" in table
    assert "pending" in table


@pytest.mark.parametrize("terminal", [True, False])
def test_control_characters_of_an_answer_never_reach_the_terminal(terminal: bool) -> None:
    row = Row("Ada", "engines").advanced(answer("failed", error_message="\x1b]0;owned\x07"), 1.0)
    assert "\x1b]0;" not in shown([[row]], terminal=terminal)
