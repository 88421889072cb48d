"""What goes wrong, when, and for whom: derived from the seed alone, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Fault", "schedule"]

#: Seconds from one fault to the next: at least, and on average on top.
_LEAST_GAP, _MEAN_GAP = 0.4, 1.8


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` seconds after the start `what` happens to `whom`, for `seconds` where it lasts.

    `whom` is a member of the house, or the role (`active`, `standby`) that a service has at that moment.
    """

    at: float
    what: str
    whom: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.what} {self.whom}" + (f" for {self.seconds:.1f} s" if self.seconds else "")


def _worker(rng: random.Random) -> str:
    return f"worker-{rng.randint(1, 3)}"


def _service(rng: random.Random) -> str:
    return rng.choice(("active", "active", "standby"))


def _sessions(rng: random.Random) -> str:
    return rng.choice(("all", "all", "enqueue", "claim", "finish", "maintenance", "election", "pool"))


@dataclass(frozen=True)
class _Card:
    """A kind of fault: for whom, how long, and how often it is in the deck."""

    whom: Callable[[random.Random], str]
    seconds: tuple[float, float] = (0.0, 0.0)
    count: int = 1


_DECK: Mapping[str, _Card] = {
    "kill worker": _Card(_worker, (0.1, 2.0), count=3),
    "freeze worker": _Card(_worker, (0.3, 7.0), count=2),
    "terminate worker": _Card(_worker, (0.1, 1.0), count=2),
    "kill service": _Card(_service, (0.1, 3.0), count=3),
    "terminate service": _Card(_service, (0.1, 1.0), count=2),
    "freeze service": _Card(_service, (0.3, 3.0), count=2),
    "freeze service past its term": _Card(lambda _: "active", (6.0, 9.0)),
    "restart database": _Card(lambda _: "postgres", (0.0, 1.5)),
    "end database sessions": _Card(_sessions, count=2),
    "kill valkey": _Card(lambda _: "valkey", (0.0, 2.0)),
    "flush valkey": _Card(lambda _: "valkey"),
    "cut database": _Card(_service, count=2),
    "refuse database": _Card(_service, (0.5, 4.0)),
    "stall database": _Card(_service, (0.3, 8.0), count=2),
    "cut worker's links": _Card(_worker, count=2),
    "refuse worker's links": _Card(_worker, (0.5, 6.0)),
    "stall worker's links": _Card(_worker, (0.3, 7.0), count=2),
}


def schedule(seed: int, seconds: float) -> list[Fault]:
    """The faults of a run. Every kind comes up before any comes up again, as cards of a deck do."""
    rng = random.Random(f"faults {seed}")
    faults: list[Fault] = []
    deck: list[str] = []
    at = 1.0
    while at < seconds:
        if not deck:
            deck = [what for what, card in _DECK.items() for _ in range(card.count)]
            rng.shuffle(deck)
        what = deck.pop()
        card = _DECK[what]
        faults.append(Fault(round(at, 2), what, card.whom(rng), round(rng.uniform(*card.seconds), 2)))
        at += _LEAST_GAP + rng.expovariate(1 / _MEAN_GAP)
    return faults
