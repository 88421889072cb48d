"""Jobs that have arrived and not begun, per queue, and the number of jobs the worker asks for.

A worker that runs very short jobs holds more of them than it can run at once, so that it never waits for the network.
The price: one slow job could keep hundreds of others from a worker that is free. So when nothing has begun for a second
the waiting jobs are given back, and until something begins again the worker asks for one job more than it is running: the
one that shows that jobs begin again.

Two threads meet here without a lock: the stream's thread puts jobs in and takes old ones out at the right, the handlers'
loop takes them at the left. A deque's ends are atomic, so every job leaves by exactly one of the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from jobline.worker.run import Delivery

__all__ = ["GIVE_BACK_AFTER", "Backlog"]

#: Seconds without any start after which waiting jobs are given back.
GIVE_BACK_AFTER = 1.0


class Backlog:
    """The waiting jobs of one queue. `slots` run at once, `prefetch` more may wait."""

    __slots__ = ("_clock", "_last_start", "_stuck", "_waiting", "_waiting_since", "limit", "queue", "running", "slots")

    def __init__(self, queue: str, slots: int, prefetch: int, clock: Callable[[], float]) -> None:
        self.queue = queue
        self.slots = slots
        self.limit = slots + prefetch
        #: How many are running; written by the handlers' loop alone.
        self.running = 0
        self._clock = clock
        self._waiting: deque[Delivery] = deque()
        self._waiting_since = clock()
        self._last_start = clock()
        self._stuck: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, delivery: Delivery) -> None:
        """Called by the stream's thread."""
        if not self._waiting:
            self._waiting_since = delivery.received_at
        self._waiting.append(delivery)

    def take(self) -> Delivery | None:
        """The next job to run, or None. Called by the handlers' loop."""
        try:
            delivery = self._waiting.popleft()
        except IndexError:
            return None
        self._last_start = self._clock()
        return delivery

    def capacity(self) -> int:
        """How many jobs to ask for now. Called by the stream's thread."""
        if self._stuck is not None and self._last_start > self._stuck:
            self._stuck = None
        return self.limit if self._stuck is None else min(self.slots, self.running + 1)

    def give_back(self, now: float) -> list[Delivery]:
        """Takes out all waiting jobs if none has begun for too long. Called by the stream's thread."""
        if not self._waiting or now - max(self._waiting_since, self._last_start) < GIVE_BACK_AFTER:
            return []
        self._stuck = now
        return self.clear()

    def clear(self) -> list[Delivery]:
        """Takes out all waiting jobs, the ones next in line last."""
        taken: list[Delivery] = []
        while True:
            try:
                taken.append(self._waiting.pop())
            except IndexError:
                return taken
