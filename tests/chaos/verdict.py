"""Holds what the database, the workers' journals and the callers say against each other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.callers import Ledger
from chaos.history import JobHistory
from chaos.journal import Line
from chaos.replay import Replay, Violation
from chaos.workload import QueueRules
from support.invariants import Evidence, Limit, violations

__all__ = ["Case", "judge"]

#: The two clocks of a machine are read one after the other.
_CLOCK = 0.05
#: What an interrupted handler may take to notice on a busy machine.
_LATE_STOP = 2.0
_JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Case:
    """All the evidence of a run."""

    rows: Evidence
    replay: Replay
    lines: Sequence[Line]
    ledger: Ledger
    queues: Mapping[str, QueueRules]
    #: Worker → when it was frozen, from and to, on the wall clock.
    frozen: Mapping[str, Sequence[tuple[float, float]]]


def judge(case: Case) -> list[Violation]:
    """Everything that does not hold."""
    limits = {
        name: Limit(rules.max_running or None, rules.max_running_per_key or None)
        for name, rules in case.queues.items()
        if rules.max_running or rules.max_running_per_key
    }
    fifo = [name for name, rules in case.queues.items() if rules.max_running == 1 and rules.is_fifo]
    found = [
        _named(text)
        for text in violations(case.rows, acknowledged=case.ledger.acknowledged, limits=limits, fifo=fifo, drained=True)
    ]
    found += case.replay.violations
    found += [Violation(problem) for problem in case.ledger.problems]
    for check in (_stored_once, _deleted, _retried, _ran_under_leases, _numbered, _results, _steps, _stopped_in_time):
        found += check(case)
    return found


def _named(text: str) -> Violation:
    """A line of `support.invariants` names the jobs that it is about."""
    job, other = [*_JOB_ID.findall(text), "", ""][:2]
    return Violation(text, job, other)


# ---- callers ------------------------------------------------------------------------------------------------------------


def _stored_once(case: Case) -> Iterator[Violation]:
    """I1, I14: what was acknowledged was stored, once; a call is all or nothing, and nothing came from nowhere."""
    by_tag: defaultdict[str, list[JobHistory]] = defaultdict(list)
    for job in case.replay.jobs.values():
        by_tag[job.tag].append(job)
    deleted = {act.job for act in case.ledger.acts if act.what == "delete"}
    asked: set[str] = set()
    for request in case.ledger.requests:
        asked.update(request.tags)
        stored = [tag for tag in request.tags if tag in by_tag]
        if stored and len(stored) != len(request.tags):
            yield Violation(f"I14 {len(stored)} of {len(request.tags)} jobs of one call were stored: {request.tags[0]}")
        for job_id, tag in zip(request.ids or (), request.tags, strict=False):
            if job_id not in {job.id for job in by_tag[tag]}:
                yield Violation(f"I1 acknowledged as {job_id}, and never stored ({tag})", job_id)
        for tag in stored:
            jobs = by_tag[tag]
            if sum(job.stored for job in jobs) > 1 + len(deleted & {job.id for job in jobs}):
                yield Violation(f"I14 {tag} was stored {[job.id for job in jobs]}", jobs[0].id)
    for tag in by_tag.keys() - asked:
        yield Violation(f"I14 nobody asked for {tag!r}", by_tag[tag][0].id)


def _deleted(case: Case) -> Iterator[Violation]:
    """I1: a job goes only when a caller says so, and then for good."""
    done = {act.job for act in case.ledger.acts if act.what == "delete" and act.answer == "done"}
    unknown = {act.job for act in case.ledger.acts if act.what == "delete" and act.answer == "unknown"}
    for job in case.replay.jobs.values():
        if job.removed and job.id not in done | unknown:
            yield Violation("I1 removed, and nobody asked for it", job.id)
        if not job.removed and job.id in done and job.stored == 1:
            yield Violation("I3 deleted by its caller, and still there", job.id)


def _retried(case: Case) -> Iterator[Violation]:
    """I3: final states are left as often as callers asked."""
    asked = Counter(act.job for act in case.ledger.acts if act.what == "retry" and act.answer in ("done", "unknown"))
    done = Counter(act.job for act in case.ledger.acts if act.what == "retry" and act.answer == "done")
    for job in case.replay.jobs.values():
        if not done[job.id] <= len(job.retried_at) <= asked[job.id]:
            yield Violation(
                f"I3 retried {len(job.retried_at)} times; {done[job.id]} of {asked[job.id]} were done", job.id
            )


# ---- journals -----------------------------------------------------------------------------------------------------------


def _ran_under_leases(case: Case) -> Iterator[Violation]:
    """I2: every run began under a lease of its job that was granted before, and no lease began two."""
    begun: dict[tuple[str, str], Line] = {}
    for line in case.lines:
        if line.event != "start":
            continue
        job = case.replay.jobs.get(line.job)
        lease = job.leases.get(line.token) if job else None
        if lease is None:
            yield Violation(f"I2 a run without a lease: {line}", line.job)
        elif lease.at > line.wall + _CLOCK:
            yield Violation(f"I2 a run {lease.at - line.wall:.3f} s before its lease: {line}", line.job)
        if (other := begun.setdefault((line.job, line.token), line)) is not line:
            yield Violation(f"I2 one lease, two runs: {other} and {line}", line.job)


def _numbered(case: Case) -> Iterator[Violation]:
    """I5: the number that a handler saw is the one that its run has in the rows."""
    numbers = {(row.job_id, row.token): row.number for rows in case.rows.attempts.values() for row in rows}
    for job in case.rows.jobs.values():
        if job.state == "succeeded" and job.token:
            numbers[job.id, job.token] = job.attempt
    for line in case.lines:
        number = numbers.get((line.job, line.token))
        if line.event == "start" and number not in (None, line.number):
            yield Violation(f"I5 the handler saw run {line.number}, the row says {number}: {line}", line.job)


def _results(case: Case) -> Iterator[Violation]:
    """I3: a stored end is the one that the handler of that very run came to; a success happens once.

    A run that was lost or timed out may never have begun: it waited in a worker that was frozen.
    """
    said: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for line in case.lines:
        said[line.job, line.token].add(line.event)
    for job in case.replay.jobs.values():
        if len(job.succeeded_by) > job.stored:
            yield Violation(f"I3 succeeded {len(job.succeeded_by)} times: {job.succeeded_by}", job.id)
        for token in job.succeeded_by:
            if "finish" not in said[job.id, token]:
                yield Violation(f"I3 succeeded by {token}, whose handler says {said[job.id, token]}", job.id)
    for rows in case.rows.attempts.values():
        for row in rows:
            events = said[row.job_id, row.token]
            if row.outcome == "failed" and "fail" not in events:
                yield Violation(f"I3 failed in {row.token}, whose handler says {events}", row.job_id)
            if row.outcome == "snoozed" and "snooze" not in events:
                yield Violation(f"I3 snoozed in {row.token}, whose handler says {events}", row.job_id)


def _steps(case: Case) -> Iterator[Violation]:
    """F1: a step whose output was stored is not entered by a later run, unless a retry forgot it.

    Whoever enters a step has had the outputs of all earlier ones stored.
    """
    order = ("first", "second", "third")
    entered: defaultdict[str, list[Line]] = defaultdict(list)
    for line in case.lines:
        if line.event == "step":
            entered[line.job].append(line)
    for job_id, lines in entered.items():
        job = case.replay.jobs.get(job_id)
        forgets = [] if job is None or case.queues[job.queue].resumes else job.retried_at
        lines.sort(key=lambda line: line.wall)
        for index, line in enumerate(lines):
            for earlier in lines[:index]:
                done = order.index(earlier.detail) > order.index(line.detail)
                forgotten = any(earlier.wall <= at + _CLOCK and at <= line.wall + _CLOCK for at in forgets)
                current = _is_valid(job, earlier) and _is_valid(job, line)
                if done and earlier.token != line.token and not forgotten and current:
                    yield Violation(f"F1 a stored step ran again: {earlier}; {line}", job_id)


def _is_valid(job: JobHistory | None, line: Line) -> bool:
    """Whether the run's lease was still valid when it wrote this line."""
    return job is None or line.wall < job.left.get(line.token, float("inf"))


def _stopped_in_time(case: Case) -> Iterator[Violation]:
    """A worker that could run at all stopped its handlers about when their leases ended, though nobody could tell it.

    Of a job that arrived too late, after a connection had been stalled, the worker learns that a moment after it began. A
    handler in a thread cannot be stopped; one of a frozen worker stops when it thaws.
    """
    first: dict[tuple[str, str], Line] = {}
    last: dict[tuple[str, str], Line] = {}
    for line in case.lines:
        first.setdefault((line.job, line.token), line)
        last[line.job, line.token] = line
    for (job_id, token), line in last.items():
        job = case.replay.jobs.get(job_id)
        if job is None or token not in job.left or case.queues[job.queue].kind == "blocking":
            continue
        void = max(job.left[token], first[job_id, token].wall)
        frozen = any(begin <= line.wall and end >= void for begin, end in case.frozen.get(line.worker, ()))
        if line.wall - void > _LATE_STOP and not frozen:
            yield Violation(f"I2 a handler went on for {line.wall - void:.1f} s without a lease: {line}", job_id)
