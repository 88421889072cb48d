"""What a queue did in a stretch of time, in numbers that add up: of minutes to hours, and of queues to all of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

#: How many jobs there were at the end of the stretch.
LEVELS = ("ready", "delayed", "running")
#: How often something happened in it.
FLOWS = ("enqueued", "started", "succeeded", "failed", "cancelled", "retried")
#: The same, by what it was.
MAPS = ("waits", "runs", "errors")
#: Error codes that are told apart; workers make them up. The others count together.
MAX_CODES = 100
OTHER_CODES = "OTHER"


@dataclass(slots=True)
class QueueCounts:
    """Of one queue, or of several."""

    ready: int = 0
    delayed: int = 0
    running: int = 0
    enqueued: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    #: Runs that started, by the bucket of the time from due to start; runs that ended, by that from start to end.
    waits: dict[int, int] = field(default_factory=dict)
    runs: dict[int, int] = field(default_factory=dict)
    #: Runs that ended with an error, by its code.
    errors: dict[str, int] = field(default_factory=dict)

    def follow(self, later: QueueCounts) -> None:
        """Adds the stretch that comes after."""
        for name in LEVELS:
            setattr(self, name, getattr(later, name))
        self._add(later, FLOWS)

    def join(self, other: QueueCounts) -> None:
        """Adds the same stretch of another queue."""
        self._add(other, (*LEVELS, *FLOWS))

    def _add(self, other: QueueCounts, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in MAPS:
            add_counts(getattr(self, name), getattr(other, name))


def add_counts(counts: dict[K, int], more: Mapping[K, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def most_frequent(errors: Mapping[str, int]) -> dict[str, int]:
    """Counts by code, of which no more than MAX_CODES are told apart."""
    if len(errors) <= MAX_CODES:
        return dict(errors)
    kept = dict(nlargest(MAX_CODES, errors.items(), key=itemgetter(1)))
    add_counts(kept, {OTHER_CODES: sum(errors.values()) - sum(kept.values())})
    return kept
