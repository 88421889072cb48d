"""The database's clock, read without asking the database each time.

Only the database's time counts in Jobline, so that hosts with wrong clocks agree. A term reads it once and goes on by its
own monotonic clock; `resync` corrects the drift.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds. Further back than this is no late answer: the database's clock was set.
MAX_STANDSTILL = 5.0


class Clock:
    """Epoch seconds of the database's clock, to the microsecond. It never goes back, unless the database's clock did.

    An answer that lay unread for a moment makes a `resync` look like a step back. Jobs enqueued before and after it would
    change places, so the clock stands still instead until the time has caught up.
    """

    def __init__(self, database_now: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = database_now - monotonic()
        self._last = 0.0

    def now(self) -> float:
        # Rounding to an integer takes a sixth of the time of rounding to six digits, and this is asked for every job.
        now = round((self._monotonic() + self._offset) * 1_000_000) / 1_000_000
        if now > self._last:
            self._last = now
        return self._last

    def resync(self, database_now: float) -> None:
        self._offset = database_now - self._monotonic()
        if self._last - database_now > MAX_STANDSTILL:
            self._last = database_now
