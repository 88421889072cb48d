"""What must hold whatever happens: the invariants I1-I7, I13 and I14 of the fault catalogue, checked from the rows alone.

    evidence = Evidence.read(database_url)
    assert violations(evidence, acknowledged=ids, limits={"one": Limit(max_running=1)}, drained=True) == []

Each violation is one line that begins with the invariant's number and names the job. The rows are read in one snapshot,
so a check may run at any moment, also in the middle of a fault; `drained` asks in addition that everything has ended.
What the workers themselves wrote down is checked by `support.journal`.

I8 to I12 are not to be seen in rows: fairness, positions and times have their property tests (tests/property), tenancy its
contract tests, and what watchers see is told by `Watch.states`, whose order `illegal_path` checks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import psycopg

__all__ = ["Evidence", "Limit", "illegal_path", "most_at_once", "violations"]

FINISHED = ("succeeded", "failed", "cancelled")
#: Ends of a run that count as an attempt; a success counts, too, and has no row of its own.
COUNTED = ("failed", "lost", "timed_out")
VOIDED = "voided"
#: Name of an event → the pairs of states that it may lead from and to; None: no row.
LEGAL: dict[str, set[tuple[str | None, str | None]]] = {
    "cancelled": {("pending", "cancelled"), ("pending", None), ("running", "cancelled")},
    "cancel_requested": {("running", "running")},
    "released": {("running", "pending")},
    "snoozed": {("running", "pending")},
    "retried": {("failed", "pending"), ("cancelled", "pending")},
    "expired": {("pending", None)},
    "deleted": {(state, None) for state in ("pending", "running", *FINISHED)},
    # Moves nothing: what a run said too late. Both are the state the job was in, or its row was gone.
    VOIDED: {(state, state) for state in ("pending", "running", *FINISHED, None)},
}
#: What may follow a state in the eyes of a watcher, who may miss nothing but progress.
NEXT = {
    "pending": {"running", "cancelled", "removed"},
    "running": {"pending", "succeeded", "failed", "cancelled", "removed"},
    "succeeded": {"removed"},
    "failed": {"pending", "removed"},
    "cancelled": {"pending", "removed"},
    "removed": set[str](),
}

Interval = tuple[float, float]


@dataclass(frozen=True)
class Limit:
    """A queue's limits on what runs at once; None: none."""

    max_running: int | None = None
    max_running_per_key: int | None = None


class JobRow(NamedTuple):
    id: str
    queue: str
    owner: str
    key: str
    idempotency_key: str | None
    state: str
    priority: int
    run_at: float
    seq: int
    attempt: int
    max_attempts: int
    started_at: float | None
    finished_at: float | None
    token: str | None
    error_code: str | None
    has_result: bool


class AttemptRow(NamedTuple):
    job_id: str
    number: int
    outcome: str
    token: str
    started_at: float
    finished_at: float


class EventRow(NamedTuple):
    job_id: str
    name: str
    from_state: str | None
    to_state: str | None
    at: float


class LeaseRow(NamedTuple):
    token: str
    epoch: int
    queue: str
    job_ids: list[str]
    granted_at: float


_JOBS = """
SELECT id::text, queue, owner, concurrency_key, idempotency_key, state, priority, extract(epoch FROM run_at)::float8, seq,
       attempt, max_attempts, extract(epoch FROM started_at)::float8, extract(epoch FROM finished_at)::float8,
       lease_token::text, error_code, result IS NOT NULL
FROM jobline.jobs
"""
_ATTEMPTS = """
SELECT job_id::text, number, outcome, lease_token::text, extract(epoch FROM started_at)::float8,
       extract(epoch FROM finished_at)::float8
FROM jobline.attempts ORDER BY id
"""
_EVENTS = """
SELECT job_id::text, name, from_state, to_state, extract(epoch FROM at)::float8
FROM jobline.events WHERE job_id IS NOT NULL ORDER BY id
"""
_LEASES = (
    "SELECT token::text, epoch, queue, job_ids::text[], extract(epoch FROM granted_at)::float8 FROM jobline.leases"
)


@dataclass(frozen=True)
class Evidence:
    """Every row that tells of jobs, as of one moment."""

    jobs: dict[str, JobRow]
    attempts: dict[str, list[AttemptRow]]
    events: dict[str, list[EventRow]]
    leases: list[LeaseRow]
    epoch: int

    @classmethod
    def read(cls, database_url: str) -> Evidence:
        with psycopg.connect(database_url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            jobs = {row[0]: JobRow(*row) for row in connection.execute(_JOBS)}
            attempts, events = defaultdict[str, list[AttemptRow]](list), defaultdict[str, list[EventRow]](list)
            for row in connection.execute(_ATTEMPTS):
                attempts[row[0]].append(AttemptRow(*row))
            for row in connection.execute(_EVENTS):
                events[row[0]].append(EventRow(*row))
            leases = [LeaseRow(*row) for row in connection.execute(_LEASES)]
            ((epoch,),) = connection.execute("SELECT epoch FROM jobline.epoch").fetchall()
        return cls(jobs, attempts, events, leases, epoch)

    @cached_property
    def holders(self) -> dict[str, list[LeaseRow]]:
        """Unfinished job → the leases that name it."""
        found = defaultdict[str, list[LeaseRow]](list)
        for lease in self.leases:
            for job_id in lease.job_ids:
                if job_id in self.jobs and self.jobs[job_id].finished_at is None:
                    found[job_id].append(lease)
        return found

    def runs(self, job: JobRow) -> list[Interval]:
        """From claim to end, in the database's time: every run that left a trace. A run under way has no end."""
        told = [(row.started_at, row.finished_at) for row in self.attempts.get(job.id, ())]
        if job.state == "succeeded" and job.started_at is not None and job.finished_at is not None:
            told.append((job.started_at, job.finished_at))
        now = [(lease.granted_at, float("inf")) for lease in self.holders.get(job.id, ())]
        return sorted(told + now)

    def last_retry(self, job_id: str) -> float:
        """When the job's present life began, if not with its enqueue."""
        return max((event.at for event in self.events.get(job_id, ()) if event.name == "retried"), default=0.0)


def violations(
    evidence: Evidence,
    *,
    acknowledged: Iterable[str] = (),
    limits: Mapping[str, Limit] | None = None,
    fifo: Iterable[str] = (),
    drained: bool = False,
) -> list[str]:
    """What does not hold, a line each.

    `acknowledged` are the ids that producers were given, `limits` the policies of limited queues, `fifo` queues with
    `max_running = 1` whose jobs must have started in their order. `drained`: faults have stopped, all must have ended.
    """
    found = [*_lost(evidence, acknowledged), *_two_leases(evidence), *_two_outcomes(evidence), *_illegal(evidence)]
    found += [*_miscounted(evidence), *_same_keys(evidence)]
    for queue, limit in (limits or {}).items():
        found += _over_limit(evidence, queue, limit)
    for queue in fifo:
        found += _out_of_order(evidence, queue)
    if drained:
        found += _not_drained(evidence)
    return found


def illegal_path(states: Sequence[str]) -> str | None:
    """The first step of a watched job that the lifecycle does not have; None: all are legal."""
    steps = pairwise(states)
    return next((f"I4 {before} → {after}" for before, after in steps if after not in NEXT[before]), None)


def most_at_once(intervals: Iterable[Interval]) -> int:
    """The greatest number of half-open intervals that share a moment."""
    moments = sorted(moment for start, end in intervals for moment in ((start, 1), (end, -1)))
    running = most = 0
    for _, change in moments:  # at the same moment ends come first
        running += change
        most = max(most, running)
    return most


def _lost(evidence: Evidence, acknowledged: Iterable[str]) -> Iterator[str]:
    removed = {job_id for job_id, events in evidence.events.items() if any(event.to_state is None for event in events)}
    for job_id in acknowledged:
        if job_id not in evidence.jobs and job_id not in removed:
            yield f"I1 {job_id}: was acknowledged and is nowhere"


def _two_leases(evidence: Evidence) -> Iterator[str]:
    for job_id, leases in evidence.holders.items():
        if len(leases) > 1:
            yield f"I2 {job_id}: in {len(leases)} leases at once"
    for lease in evidence.leases:
        if lease.epoch > evidence.epoch:
            yield f"I2 lease {lease.token}: of the term {lease.epoch}, and it is {evidence.epoch}"
    for job in evidence.jobs.values():
        if job.state == "running" and job.id not in evidence.holders:
            yield f"I2 {job.id}: its row says running, and no lease names it"
        runs = evidence.runs(job)
        if most_at_once(runs) > 1:
            yield f"I2 {job.id}: two runs at once: {runs}"


def _two_outcomes(evidence: Evidence) -> Iterator[str]:
    for job in evidence.jobs.values():
        attempts = evidence.attempts.get(job.id, [])
        tokens = Counter(row.token for row in attempts)
        if job.state == "succeeded" and job.token:
            tokens[job.token] += 1
        yield from (f"I3 {job.id}: {count} ends of the run {token}" for token, count in tokens.items() if count > 1)
        retries = sum(event.name == "retried" for event in evidence.events.get(job.id, ()))
        events = [event for event in evidence.events.get(job.id, ()) if event.name != VOIDED]
        cancels = sum(event.to_state == "cancelled" for event in events)
        if cancels > retries + (job.state == "cancelled"):
            yield f"I3 {job.id}: cancelled {cancels} times, retried {retries} times, and is {job.state}"
        if job.finished_at is None:
            continue
        late = [row.outcome for row in attempts if row.finished_at > job.finished_at]
        late += [event.name for event in events if event.at > job.finished_at]
        if late:
            yield f"I3 {job.id}: {late} after it was {job.state}"


def _illegal(evidence: Evidence) -> Iterator[str]:
    for job_id, events in evidence.events.items():
        for event in events:
            if (event.from_state, event.to_state) not in LEGAL.get(event.name, ()):
                yield f"I4 {job_id}: {event.name} from {event.from_state} to {event.to_state}"
    for job in evidence.jobs.values():
        if job.state == "succeeded" and (not job.has_result or job.error_code or job.started_at is None):
            began = "began" if job.started_at is not None else "never began"
            yield f"I4 {job.id}: succeeded; {began}, error {job.error_code}, result stored: {job.has_result}"
        if job.state == "failed" and not job.error_code:
            yield f"I4 {job.id}: failed without an error"
        last = [row.outcome for row in evidence.attempts.get(job.id, ()) if row.token == job.token]
        if job.state == "failed" and not (last and last[-1] in COUNTED):
            yield f"I4 {job.id}: failed, and the run that ended it says {last}"


def _miscounted(evidence: Evidence) -> Iterator[str]:
    for job in evidence.jobs.values():
        born = evidence.last_retry(job.id)
        counted = sum(row.outcome in COUNTED and row.finished_at > born for row in evidence.attempts.get(job.id, ()))
        counted += job.state in ("succeeded", "running")
        if job.attempt != counted:
            yield f"I5 {job.id}: attempt {job.attempt}, and {counted} runs that count"
        if job.attempt > job.max_attempts:
            yield f"I5 {job.id}: attempt {job.attempt} of {job.max_attempts}"


def _same_keys(evidence: Evidence) -> Iterator[str]:
    keys = Counter((job.owner, job.queue, job.idempotency_key) for job in evidence.jobs.values() if job.idempotency_key)
    yield from (f"I14 {key}: {count} jobs" for key, count in keys.items() if count > 1)


def _over_limit(evidence: Evidence, queue: str, limit: Limit) -> Iterator[str]:
    by_key = defaultdict[str, list[Interval]](list)
    for job in evidence.jobs.values():
        if job.queue == queue:
            by_key[job.key] += evidence.runs(job)
    most = most_at_once(interval for intervals in by_key.values() for interval in intervals)
    if limit.max_running is not None and most > limit.max_running:
        yield f"I7 queue {queue}: {most} at once, and {limit.max_running} may run"
    if limit.max_running_per_key is None:
        return
    for key, intervals in by_key.items():
        if key and (most := most_at_once(intervals)) > limit.max_running_per_key:
            yield f"I6 queue {queue}, key {key}: {most} at once, and {limit.max_running_per_key} may run"


def _out_of_order(evidence: Evidence, queue: str) -> Iterator[str]:
    """Of jobs that ran once and were due when they were stored, the first starts follow priority and insertion.

    Without those that were retried: such a job is due from the decision on, and in line a commit later.
    """
    plain = [
        job
        for job in evidence.jobs.values()
        if job.queue == queue
        and job.state == "succeeded"
        and not evidence.attempts.get(job.id)
        and not evidence.last_retry(job.id)
    ]
    plain.sort(key=lambda job: job.started_at or 0.0)
    for before, after in pairwise(plain):
        was_waiting = after.run_at <= (before.started_at or 0.0)
        if was_waiting and (-after.priority, after.run_at, after.seq) < (-before.priority, before.run_at, before.seq):
            yield f"I6 queue {queue}: {before.id} started before {after.id}"


def _not_drained(evidence: Evidence) -> Iterator[str]:
    for job in evidence.jobs.values():
        if job.finished_at is None:
            yield f"I13 {job.id}: still {job.state}"
    for lease in evidence.leases:
        yield f"I13 lease {lease.token} of queue {lease.queue}: still there, with {len(lease.job_ids)} jobs"
