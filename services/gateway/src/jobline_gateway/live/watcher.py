"""What one watcher has not been sent yet. Bounded: who reads too slowly is told to look at everything anew.

Transitions are kept one by one and in order. Of changes of a job that differ in progress alone the last one stays, and of its
places the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from jobline.places import ToldPlaces
from jobline.v1 import job_pb2
from jobline_gateway.live.change import Change

__all__ = ["Watcher"]

#: Changes that may wait to be sent; more, and the watcher has fallen behind.
MOST_WAITING = 512
#: Jobs whose places are told.
MOST_PLACED = 1000


class Watcher:
    """One stream of events. `lost`: what it has been sent is not all there was."""

    __slots__ = ("_changes", "_latest", "_living", "_news", "_places", "_told", "closed", "lost", "topics")

    def __init__(self, topics: Sequence[str]) -> None:
        self.topics = topics
        self.lost = False
        self.closed = False
        self._news = asyncio.Event()
        self._changes: dict[int, Change] = {}
        #: Job → the number of its change that waits and came last.
        self._latest: dict[str, int] = {}
        self._living: dict[str, None] = {}
        self._told = ToldPlaces()
        self._places: dict[str, job_pb2.JobPlace] = {}

    # ---- what the hub does ----------------------------------------------------------------------------------------------

    def tell(self, change: Change) -> None:
        if self.lost:
            return
        before = self._latest.get(change.job_id)
        if before is not None and self._changes[before].phase == change.phase:
            del self._changes[before]
        self._changes[change.number] = change
        self._latest[change.job_id] = change.number
        # Where the job was before is no news any more; where it is now is told anew.
        self._places.pop(change.job_id, None)
        self._told.forget((change.job_id,))
        if len(self._changes) > MOST_WAITING:
            self.lose()
        self._news.set()

    def lose(self) -> None:
        """It has missed something."""
        self.lost = True
        self._changes, self._latest, self._places = {}, {}, {}
        self._news.set()

    def close(self) -> None:
        """Its stream is to end."""
        self.closed = True
        self._news.set()

    @property
    def living(self) -> Mapping[str, None]:
        """The jobs whose places it is told: of those that live, the newest."""
        return self._living

    def place(self, places: Iterable[job_pb2.JobPlace], now: float) -> None:
        for place in self._told.news(places, now):
            self._places[place.id] = place
            self._news.set()

    # ---- what its stream does -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What was missed is about to be read; what changes from now on counts again."""
        self.lost = False
        self._changes, self._latest, self._places = {}, {}, {}

    def live_on(self, ids: Iterable[str]) -> None:
        """These jobs live, as far as is known; it is told their places anew."""
        self._living = {}
        self._told = ToldPlaces()
        for job_id in ids:
            self._note(job_id)

    async def wait(self, seconds: float) -> None:
        """Returns when there is something to take, or it is lost or closed, or the time has passed."""
        if self.lost or self.closed or self._changes or self._places:
            return
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def take(self) -> tuple[list[Change], list[job_pb2.JobPlace]]:
        """Everything that waits."""
        changes, self._changes, self._latest = list(self._changes.values()), {}, {}
        for change in changes:
            if change.lives:
                self._note(change.job_id)
            else:
                self._drop(change.job_id)
        places = [place for job_id, place in self._places.items() if job_id in self._living]
        self._places = {}
        return changes, places

    def _note(self, job_id: str) -> None:
        self._living[job_id] = None
        if len(self._living) > MOST_PLACED:
            self._drop(next(iter(self._living)))

    def _drop(self, job_id: str) -> None:
        self._living.pop(job_id, None)
        self._told.forget((job_id,))
