"""Which place in line: the numbers that users see, from the order that the claims themselves follow.

The due jobs of a queue come first, by the queue's order. Two sorts of them are not in that order for a moment, and still have
a place:

* *picked* for a claim that is not committed: otherwise such a job would seem to run beside the one whose end frees its slot;
* *held back*, because its row is locked: it is due, and it goes first as soon as the row is free.

In FIFO order both stand where their ranks say. In fair order what is picked had its turn already, and what is held back takes
part as if it came back now. Then come the delayed jobs, by the time at which they are due.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.dispatch.queue_state import QueueState

#: Where jobs are that have a place.
WAITING = frozenset({Place.DUE, Place.PICKED, Place.HELD_BACK, Place.DELAYED})


def positions(state: QueueState, jobs: Iterable[LiveJob]) -> dict[LiveJob, int]:
    """The 1-based places of jobs that wait in the queue; for those of a batch, the order is gone through once."""
    due: list[LiveJob] = []
    delayed: list[LiveJob] = []
    for job in jobs:
        (delayed if job.place is Place.DELAYED else due).append(job)
    due.sort(key=lambda job: job.rank)
    delayed.sort(key=lambda job: job.due_rank)
    places = (_in_turns if state.policy.is_fair else _in_line)(state, due) if due else {}
    first = 1 + len(state.order) + len(state.picked) + len(state.held_back)
    for job, before in zip(delayed, state.later.before_each([job.due_rank for job in delayed]), strict=True):
        places[job] = first + before
    return places


def head(state: QueueState) -> LiveJob | None:
    """The due job at place 1."""
    if not state.policy.is_fair:
        first = state.order.head()
        line = [*state.picked, *state.held_back, *([first] if first else [])]
        return min(line, key=lambda job: job.rank, default=None)
    with _all_in_order(state):
        return next(iter(state.picked), None) or state.order.head()


def _in_line(state: QueueState, jobs: Sequence[LiveJob]) -> dict[LiveJob, int]:
    away = state.ranks_away
    places = state.order.positions(jobs)
    return {job: place + bisect_left(away, job.rank) for job, place in zip(jobs, places, strict=True)}


def _in_turns(state: QueueState, jobs: Sequence[LiveJob]) -> dict[LiveJob, int]:
    picked = {job: place for place, job in enumerate(state.picked, 1)} if state.picked else {}
    waiting = [job for job in jobs if job not in picked]
    with _all_in_order(state):
        places = state.order.positions(waiting)
    found = {job: picked[job] for job in jobs if job in picked}
    found.update((job, len(picked) + place) for job, place in zip(waiting, places, strict=True))
    return found


@contextlib.contextmanager
def _all_in_order(state: QueueState) -> Iterator[None]:
    """What is held back is in the order meanwhile."""
    for job in state.held_back:
        state.order.add(job)
    try:
        yield
    finally:
        for job in state.held_back:
            state.order.discard(job)
