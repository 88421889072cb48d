"""Where the jobs are that watchers look at, and when they will have ended: asked for all watchers at once.

A watcher hears of it at most twice a second, and only of what has moved. While nothing changes in its queues, places are
looked at every few seconds: a pause, or a limit, moves estimates too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

from uuid_utils import uuid7

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.live.watcher import Watcher
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext, ServiceError

__all__ = ["Locator", "eta_json"]

logger = logging.getLogger(__name__)

#: Seconds between two looks while something changes, and while nothing does.
EVERY, AT_REST = 0.5, 5.0
#: Jobs that are asked for in one look, and in one call, which holds up the queue service for some milliseconds. Watchers
#: whose jobs do not fit into a look come first in the next.
MOST_ASKED, ASKED_AT_ONCE = 4_000, 500
#: Watchers that are told in one go, before others get their turn of the event loop.
TOLD_AT_ONCE = 200


class Locator:
    """Runs beside the hub's watch."""

    def __init__(self, queue: QueueClient, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._clock = clock
        self._changed = asyncio.Event()
        #: What the last look found, and when it was.
        self._found: Mapping[str, job_pb2.JobPlace] = {}
        self._found_at = 0.0
        #: Those who are still to be told, from the last look that could not ask for all.
        self._left: list[Watcher] = []

    def look_soon(self) -> None:
        """Something has changed, or somebody has come."""
        self._changed.set()

    def eta(self, job_id: str) -> dict[str, object] | None:
        """What is known of a job's end now."""
        found = self._found.get(job_id)
        return None if found is None else eta_json(found, self._clock() - self._found_at)

    async def run(self, by_topic: Mapping[str, set[Watcher]]) -> None:
        while True:
            changed = self._changed.is_set()
            self._changed.clear()
            try:
                await self._look(self._those_who_wait(by_topic, changed))
            except ServiceError as error:
                logger.info("places are not known: %s", error)
            await asyncio.sleep(EVERY)
            try:
                async with asyncio.timeout(0 if self._left else AT_REST - EVERY):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _those_who_wait(self, by_topic: Mapping[str, set[Watcher]], changed: bool) -> list[Watcher]:
        """Everybody with jobs that live, first who stood back the last time; they alone while nothing changes."""
        waiting = {watcher for watchers in by_topic.values() for watcher in watchers if watcher.living}
        first = [watcher for watcher in self._left if watcher in waiting]
        return first + list(waiting.difference(first)) if changed or not first else first

    async def _look(self, watchers: list[Watcher]) -> None:
        asked, found = 0, dict[str, job_pb2.JobPlace]()
        calls = _calls(watchers)
        for told, ids in calls:
            answer = await self._ask(ids)
            found |= answer
            await self._tell(told, answer)
            asked += len(ids)
            if asked >= MOST_ASKED:
                break
        self._left = [watcher for told, _ in calls for watcher in told]
        self._found, self._found_at = found, self._clock()

    async def _ask(self, ids: Iterable[str]) -> Mapping[str, job_pb2.JobPlace]:
        context = CallContext(caller=None, correlation_id=str(uuid7()))
        answer = await self._queue.call(lambda link: link.jobs.LocateJobs, pb.LocateJobsRequest(ids=ids), context)
        return {place.id: place for place in answer.places}

    async def _tell(self, watchers: Iterable[Watcher], found: Mapping[str, job_pb2.JobPlace]) -> None:
        now, rest = self._clock(), iter(watchers)
        while batch := list(islice(rest, TOLD_AT_ONCE)):
            for watcher in batch:
                watcher.place((found[job_id] for job_id in watcher.living if job_id in found), now)
            await asyncio.sleep(0)


def _calls(watchers: Iterable[Watcher]) -> Iterator[tuple[list[Watcher], Collection[str]]]:
    """Whom to ask for in one call, and what: all that one watcher sees is to be of one moment."""
    told, ids = list[Watcher](), dict[str, None]()
    for watcher in watchers:
        told.append(watcher)
        ids.update(watcher.living)
        if len(ids) >= ASKED_AT_ONCE:
            yield told, ids
            told, ids = [], {}
    if ids:
        yield told, ids


def eta_json(place: job_pb2.JobPlace, ago: float = 0.0) -> dict[str, object] | None:
    """The estimate as events show it; `ago` is how many seconds old it is."""
    if not place.HasField("eta"):
        return None
    eta = place.eta
    if eta.reason:
        return {"p50": None, "p90": None, "reason": eta.reason}
    p50, p90 = (max(0.0, length.seconds + length.nanos / 1e9 - ago) for length in (eta.p50, eta.p90))
    return {"p50": round(p50, 1), "p90": round(p90, 1), "reason": None}
