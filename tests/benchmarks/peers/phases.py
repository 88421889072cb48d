"""What is measured of each contender, in the order of a round."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Phase"]


class Phase(StrEnum):
    """A measurement by the word that selects it."""

    ENQUEUE = "enqueue"
    BULK_100 = "bulk100"
    BULK_1000 = "bulk1000"
    DRAIN = "drain"
    DRAIN_2 = "drain2"
    SEQUENTIAL = "seq"
    LATENCY = "latency"

    @property
    def words(self) -> str:
        """What people read."""
        return _WORDS[self]


_WORDS = {
    Phase.ENQUEUE: "enqueue, one caller",
    Phase.BULK_100: "enqueue, 100 a call",
    Phase.BULK_1000: "enqueue, 1000 a call",
    Phase.DRAIN: "drain, 1 process",
    Phase.DRAIN_2: "drain, 2 processes",
    Phase.SEQUENTIAL: "one at a time",
    Phase.LATENCY: "enqueue to start",
}
