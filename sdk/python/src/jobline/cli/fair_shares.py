"""How a room that is too small is divided."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["fair_shares"]


def fair_shares(needs: Sequence[int], room: int, weights: Sequence[int] = ()) -> list[int]:
    """Weighted max-min fair: who needs no more than its share of `room` gets all it needs, and the others share what is left.

    Without `weights` all count the same. What cannot be divided stays over.
    """
    weigh = weights or [1] * len(needs)
    shares, left, open_ = [0] * len(needs), max(0, room), sum(weigh)
    for index in sorted(range(len(needs)), key=lambda index: needs[index] / weigh[index]):
        shares[index] = min(needs[index], left * weigh[index] // open_)
        left -= shares[index]
        open_ -= weigh[index]
    return shares
