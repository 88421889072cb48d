"""How long a failed run waits for the next one."""

from __future__ import annotations

import random
from collections.abc import Sequence

#: Used where a policy names no backoff: 2 s doubling up to an hour.
_FIRST, _CAP = 2.0, 3600.0


def backoff(attempt: int, waits: Sequence[float]) -> float:
    """Seconds to wait after the counted run number `attempt` (from 1).

    `waits` are the policy's; the last one repeats. Never negative, and monotone when `waits` are.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, got {attempt}")
    if waits:
        return waits[min(attempt, len(waits)) - 1]
    return min(_FIRST * 2.0 ** min(attempt - 1, 32), _CAP)


def apart(times: int) -> float:
    """Seconds that a job waits which vanished `times` times with its worker: random, so that the harmless ones of a batch get
    away from the one that kills workers."""
    return random.uniform(0.0, 2.0 ** min(times, 6))
