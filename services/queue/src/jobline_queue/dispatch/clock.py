"""The database's clock, read without asking the database each time.

Only the database's time counts in Jobline, so that hosts with wrong clocks agree. A term reads it once and goes on by its
own monotonic clock; `resync` corrects the drift.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Epoch seconds of the database's clock, to the microsecond."""

    def __init__(self, database_now: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = database_now - monotonic()

    def now(self) -> float:
        return round(self._monotonic() + self._offset, 6)

    def resync(self, database_now: float) -> None:
        self._offset = database_now - self._monotonic()
