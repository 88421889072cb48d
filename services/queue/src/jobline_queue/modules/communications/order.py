"""How lists of messages are sorted. The numbers stand in the tokens of their pages."""

from __future__ import annotations

from enum import IntEnum


class Order(IntEnum):
    """How a list of jobs is sorted; ties by insertion. The numbers are those of MessageOrder."""

    #: created_at, seq
    CREATION = 0
    #: priority downwards, scheduled_at, seq
    PROCESSING = 1
    #: updated_at downwards, seq downwards
    LATEST = 2


#: The outbox has one order: seq.
OUTBOX = 255
