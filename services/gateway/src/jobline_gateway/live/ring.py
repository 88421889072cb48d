"""The last changes, by topic, for those who come back."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable

from jobline_gateway.live.change import Change

__all__ = ["Ring", "split"]

#: How many changes are kept, and for how many seconds.
MOST = 50_000
LONGEST = 600.0

_CHANGE_ID = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


def split(change_id: str) -> tuple[int, int] | None:
    """Epoch and number of a change id; None for what is none."""
    found = _CHANGE_ID.fullmatch(change_id)
    return (int(found[1]), int(found[2])) if found else None


class Ring:
    """Changes of one epoch of the queue service without a gap, from some number on."""

    def __init__(self, most: int = MOST, longest: float = LONGEST) -> None:
        self._most, self._longest = most, longest
        self._changes: deque[Change] = deque()
        self._by_topic: dict[str, deque[Change]] = {}
        #: Everything above this number is known; None: nothing is.
        self._known_above: int | None = None
        self.epoch = self.last = 0

    @property
    def last_id(self) -> str:
        """The id of the newest change, to resume from; `0-0`, which no epoch has, as long as nothing is known."""
        return "0-0" if self._known_above is None else f"{self.epoch}-{self.last}"

    def forget(self) -> None:
        """There is a gap: nothing is known until `begin`."""
        self._changes.clear()
        self._by_topic.clear()
        self._known_above = None

    def begin(self, epoch: int, number: int) -> None:
        """Every change above this number will be added."""
        self.epoch, self.last, self._known_above = epoch, number, number

    def add(self, change: Change) -> None:
        self.last = change.number
        self._changes.append(change)
        self._by_topic.setdefault(change.topic, deque()).append(change)
        oldest = self._changes[0]
        while len(self._changes) > self._most or oldest.at < change.at - self._longest:
            self._drop(oldest)
            oldest = self._changes[0]

    def since(self, topics: Iterable[str], change_id: str) -> list[Change] | None:
        """What has changed after this id; None when that is not known for certain."""
        point = split(change_id)
        if point is None or self._known_above is None or point[0] != self.epoch:
            return None
        if not self._known_above <= point[1] <= self.last:
            return None
        return self._found(topics, lambda change: change.number > point[1])

    def latest(self, topics: Iterable[str], since: float) -> list[Change]:
        """The last change of each job that has changed after that moment."""
        found = self._found(topics, lambda change: change.at > since)
        last = {change.job_id: change for change in found}
        return [change for change in found if last[change.job_id] is change]

    def _found(self, topics: Iterable[str], wanted: Callable[[Change], bool]) -> list[Change]:
        """From the newest back to the first that is not wanted: few are, of many."""
        found: list[Change] = []
        for topic in topics:
            for change in reversed(self._by_topic.get(topic, ())):
                if not wanted(change):
                    break
                found.append(change)
        return sorted(found, key=lambda change: change.number)

    def _drop(self, change: Change) -> None:
        self._changes.popleft()
        self._known_above = change.number
        of_topic = self._by_topic[change.topic]
        of_topic.popleft()
        if not of_topic:
            del self._by_topic[change.topic]
