"""The shipped sample batch: who is written to, about what, and with which template."""

import csv
from dataclasses import dataclass
from pathlib import Path

from jobline_local.errors import StackError

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@dataclass(frozen=True)
class Recipient:
    """One line of the sample file."""

    name: str
    interest: str


@dataclass(frozen=True)
class Batch:
    """The recipients of one template, in the order of the file."""

    template: str
    recipients: tuple[Recipient, ...]


def read_batches(folder: Path = SAMPLES) -> tuple[Batch, ...]:
    """The sample, one batch for each template type, in the order in which the types first appear.

    Raises:
        StackError: a file of the sample is missing or lacks a column.
    """
    grouped: dict[str, list[Recipient]] = {}
    try:
        with (folder / "recipients.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                recipient = Recipient(row["recipient_name"], row["recipient_interest"])
                grouped.setdefault(row["template"], []).append(recipient)
        return tuple(
            Batch((folder / "templates" / f"{kind}.txt").read_text(encoding="utf-8"), tuple(recipients))
            for kind, recipients in grouped.items()
        )
    except (OSError, KeyError) as error:
        raise StackError(f"the sample in {folder} is incomplete: {error}") from error
