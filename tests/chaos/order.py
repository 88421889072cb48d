"""I6: were the jobs of one line claimed in their order? A line is a FIFO queue, or one key of a queue.

A job's place is its `run_at` and `seq` when it was first claimed; a retry before that gave it a new one. The moment of a
claim is the one at which its jobs were picked, for two claims may be stored in any order. Three overtakings are none:

* Jobs that were picked together have no order among them.
* Retries are stored beside new jobs, on a connection of their own, so the job that got the earlier number may be committed
  second. Until then nobody can know of it, and whoever is there goes first: a queue is work-conserving. The caller of a
  retry may rely on the place from the answer on; so may everybody after a take-over, which reads all there is. New jobs
  are stored one after the other: a service that knows the later one knows the earlier one, too.
* A claim that was under way when its term ended may be lost, while another one that was picked after it was stored, on
  another connection. Its jobs are first claimed in a later term. At most as many as may run at once can be under way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from chaos.history import JobHistory

__all__ = ["out_of_turn"]

#: The job that passed, and the one that waited.
Overtaking = tuple[JobHistory, JobHistory]


def out_of_turn(line: Sequence[JobHistory], most: int, told: Mapping[str, Sequence[float]]) -> Iterator[Overtaking]:
    """The overtakings in a line of which `most` jobs may run at once; one for each job that was passed, if not more.

    `told` says when callers were answered that a job is stored, or pending again.
    """
    claimed = sorted(line, key=_moment)
    found = [*_among_stored([job for job in claimed if not job.placed_by_retry]), *_with_retried(claimed, told)]
    lost: defaultdict[int, dict[str, Overtaking]] = defaultdict(dict)
    for passed, waited in found:
        if passed.first_lease.epoch == waited.first_lease.epoch:
            yield passed, waited
        else:
            lost[passed.first_lease.epoch][waited.id] = passed, waited
    for overtakings in lost.values():
        if len(overtakings) > most:
            yield from overtakings.values()


def _among_stored(claimed: Sequence[JobHistory]) -> Iterator[Overtaking]:
    """Holds each claim against the last in line that were claimed before it: in its term, and in the terms before."""
    last: dict[int, JobHistory] = {}
    for job in claimed:
        for passed in last.values():
            if _overtook(passed, job):
                yield passed, job
        epoch = job.first_lease.epoch
        if epoch not in last or job.first_place > last[epoch].first_place:
            last[epoch] = job


def _with_retried(claimed: Sequence[JobHistory], told: Mapping[str, Sequence[float]]) -> Iterator[Overtaking]:
    """Compares each job that a retry gave its place with every other."""
    for job in claimed:
        if not job.placed_by_retry:
            continue
        for other in claimed:
            if other.placed_by_retry and other.first_place <= job.first_place:
                continue  # two retried jobs are compared once
            waited, passed = sorted((job, other), key=lambda each: each.first_place)
            if _overtook(passed, waited) and _was_known(waited, passed, told.get(waited.id, ())):
                yield passed, waited


def _was_known(waited: JobHistory, passed: JobHistory, told: Sequence[float]) -> bool:
    """Whether the service must have known that one job waits when it claimed the other."""
    lease = passed.first_lease
    return lease.epoch > waited.placed_in or any(waited.placed_at <= at < lease.granted_at for at in told)


def _overtook(passed: JobHistory, waited: JobHistory) -> bool:
    """Whether a job was claimed at an earlier moment than one that has an earlier place."""
    earlier = all(mine <= its for mine, its in zip(waited.first_place, passed.first_place, strict=True))
    return earlier and _moment(passed) < _moment(waited)


def _moment(job: JobHistory) -> tuple[int, float]:
    return job.first_lease.epoch, job.first_lease.granted_at
