"""Those who look on: watches of whole queues that are cut off at random, resume, and write down what they are told (I12).

    I12  each change is told once and in order: numbers rise within a term, over as many streams as it takes
    I4   of each job every transition is told: what follows a state is what the lifecycle allows after it
         and in the end, what was told last is what the row says

A resync, and the first stream, begin with the present state. It may be newer than changes that are told after it, so what
is checked of a job begins with the first change that follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from chaos.callers import OUTAGE
from chaos.house import House
from chaos.replay import Violation
from jobline.client.models import Change
from support.eventually import eventually
from support.invariants import JobRow, illegal_path

__all__ = ["Sightings", "Watchers", "watchers"]

#: A queue with a limit, one whose jobs fail and come back, and one with steps.
_WATCHED = ("few", "flaky", "stepping")
#: Seconds that a stream lasts before its watcher cuts it off.
_LASTS = (0.5, 8.0)
#: Seconds in which a watcher has been told everything once nothing happens any more.
_TOLD_WITHIN = 20.0


@dataclass
class Sightings:
    """What one watcher was told."""

    queue: str
    #: Job → the states that were told after the present state was, each once in a row; emptied by a resync.
    paths: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Violation] = field(default_factory=list)
    changes: int = 0
    resyncs: int = 0
    #: The number to resume from; empty: none was told.
    last: str = ""
    #: The present state is being told.
    _present: bool = True

    def note(self, change: Change) -> None:
        if change.resync:
            self._close()
            self._present, self.resyncs = True, self.resyncs + 1
        if self._present:
            self._present = not change.change_id  # its last message alone has a number
        else:
            self._note_number(change)
            self._note_state(change)
        self.last = change.change_id or self.last

    def judge(self, rows: Mapping[str, JobRow]) -> list[Violation]:
        """Everything that does not hold, once every job has ended."""
        for job in self.untold(rows):
            self._break(f"I12 {_end(job, rows)} in the end, and its watcher was told {self.paths[job]}", job)
        self._close()
        return self.problems

    def untold(self, rows: Mapping[str, JobRow]) -> list[str]:
        """Jobs whose end was not told yet."""
        return [job for job, path in self.paths.items() if path[-1] != _end(job, rows)]

    def _close(self) -> None:
        for job, path in self.paths.items():
            if step := illegal_path(path):
                self._break(f"{step}: its watcher was told {path}", job)
        self.paths = {}

    def _note_number(self, change: Change) -> None:
        self.changes += 1
        epoch, _, number = change.change_id.partition("-")
        last_epoch, _, last_number = self.last.partition("-")
        if last_epoch and (epoch != last_epoch or int(number) <= int(last_number)):
            self._break(f"I12 {self.queue}: change {change.change_id} was told after {self.last}", change.removed_id)

    def _note_state(self, change: Change) -> None:
        job, state = (change.removed_id, "removed") if change.job is None else (change.job.id, str(change.job.state))
        path = self.paths.setdefault(job, [])
        if path and path[-1] == "removed":
            path.clear()  # a call that was repeated after the removal has stored it again
        if not path or path[-1] != state:
            path.append(state)

    def _break(self, what: str, job: str) -> None:
        self.problems.append(Violation(what, job))


def _end(job: str, rows: Mapping[str, JobRow]) -> str:
    return rows[job].state if job in rows else "removed"


class Watchers:
    """One for each watched queue."""

    def __init__(self, house: House, seed: int) -> None:
        self._house = house
        self._seed = seed
        self.sightings = [Sightings(queue) for queue in _WATCHED]

    async def watch(self, seen: Sightings) -> None:
        """Until cancelled."""
        rng = random.Random(f"watcher {self._seed} {seen.queue}")
        async with self._house.client() as client:
            while True:
                with contextlib.suppress(TimeoutError, *OUTAGE):
                    async with asyncio.timeout(rng.uniform(*_LASTS)):
                        stream = client.watch(queues=[seen.queue], resume_after=seen.last, patience=5.0)
                        async with contextlib.aclosing(stream) as changes:
                            async for change in changes:
                                seen.note(change)

    async def until_told(self, rows: Mapping[str, JobRow]) -> None:
        """Gives them the time to hear of the last ends; whether they have, `judge` says."""
        with contextlib.suppress(AssertionError):
            await eventually(
                lambda: not any(seen.untold(rows) for seen in self.sightings), within=_TOLD_WITHIN, what="all is told"
            )

    def judge(self, rows: Mapping[str, JobRow]) -> list[Violation]:
        return [violation for seen in self.sightings for violation in seen.judge(rows)]

    @property
    def figures(self) -> Mapping[str, object]:
        return {
            "watched": {"changes": sum(seen.changes for seen in self.sightings)}
            | {"resyncs": sum(seen.resyncs for seen in self.sightings)}
        }


@contextlib.asynccontextmanager
async def watchers(house: House, seed: int) -> AsyncIterator[Watchers]:
    """They watch within the block; one that is refused ends it with its error."""
    group = Watchers(house, seed)
    async with asyncio.TaskGroup() as tasks:
        watching: Sequence[asyncio.Task[None]] = [tasks.create_task(group.watch(seen)) for seen in group.sightings]
        yield group
        for task in watching:
            task.cancel()
