"""What became of a queue's jobs, in numbers."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class QueueHistory(NamedTuple):
    total: int
    succeeded: int
    failed: int
    cancelled: int
    #: None: none has succeeded.
    mean_run_seconds: float | None
    #: The smallest `run_at` of those that wait; None: none does.
    oldest_pending: datetime | None
