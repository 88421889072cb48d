"""A start rate: at most so many starts in any window of time. A sliding window over the times of the last starts."""

from __future__ import annotations

from collections import deque

from jobline_queue.core.policy import Rate


class RateWindow:
    """Starts used up on creation, so that a take-over never starts more in a window than the rate allows."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._starts: deque[float] = deque([now] * rate.count)

    def available(self, now: float) -> int:
        while self._starts and self._starts[0] <= now - self._rate.period:
            self._starts.popleft()
        return self._rate.count - len(self._starts)

    def use(self, count: int, now: float) -> None:
        self._starts.extend([now] * count)

    def start_at(self, number: int, now: float) -> float:
        """When the start with this number from now on (1: the next one) may be at the earliest, if the rate alone says so."""
        used = number - 1 - self.available(now)
        if used < 0:
            return now
        rounds, index = divmod(used, self._rate.count)
        first = self._starts[index] if index < len(self._starts) else now
        return first + (1 + rounds) * self._rate.period

    def next_at(self, now: float) -> float | None:
        """When the next start frees up; None when one is free now."""
        if self.available(now) > 0:
            return None
        return self._starts[0] + self._rate.period
