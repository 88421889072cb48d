"""When the place of a waiting job, and the time of its end, are news.

An estimate is told as seconds from now, so it is another one each time it is asked for. Whoever was told it counts down by
themselves; what they need to hear is that the end itself has moved. Both who push places keep to the same rule: WatchJobs,
and the gateway's server-sent events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration

from jobline.v1 import job_pb2

__all__ = ["ToldPlaces"]

#: An end has moved once it differs by more than so many seconds, and by more than that share of the time that is left.
LEAST_SECONDS = 1.0
LEAST_SHARE = 0.1


class _Told(NamedTuple):
    """`p50` and `p90` are moments; without an estimate both are 0."""

    position: int
    reason: str
    p50: float
    p90: float


class ToldPlaces:
    """What one watcher was told last, by job."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def news(self, places: Iterable[job_pb2.JobPlace], now: float) -> list[job_pb2.JobPlace]:
        """Those that the watcher must be told, and has been from now on. `now` is in seconds of any clock that only rises."""
        found = []
        for place in places:
            told, current = self._told.get(place.id), _moments(place, now)
            if told is None or _has_moved(told, current, now):
                self._told[place.id] = current
                found.append(place)
        return found

    def forget(self, ids: Iterable[str]) -> None:
        """The watcher is to be told these again."""
        for job_id in ids:
            self._told.pop(job_id, None)

    def keep(self, ids: Collection[str]) -> None:
        """Forgets all but these."""
        self._told = {job_id: told for job_id, told in self._told.items() if job_id in ids}


def _moments(place: job_pb2.JobPlace, now: float) -> _Told:
    if not place.HasField("eta"):
        return _Told(place.position, "", 0.0, 0.0)
    eta = place.eta
    if eta.reason:
        return _Told(place.position, eta.reason, 0.0, 0.0)
    return _Told(place.position, "", now + _seconds(eta.p50), now + _seconds(eta.p90))


def _seconds(length: Duration) -> float:
    return length.seconds + length.nanos / 1e9


def _has_moved(told: _Told, current: _Told, now: float) -> bool:
    if told[:2] != current[:2]:
        return True
    return any(
        abs(before - after) > max(LEAST_SECONDS, LEAST_SHARE * (after - now))
        for before, after in zip(told[2:], current[2:], strict=True)
    )
