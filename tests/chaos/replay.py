"""Replays the audit log, transaction by transaction, and holds every step against the rules of the lifecycle.

The model knows nothing of how the service works: a job is pending, running or finished; a lease is valid for a job from
its grant until the job leaves it. What it checks at every step, from the committed history alone:

    I2  at most one valid lease a job, only for jobs that live; a session writes in one epoch only, and epochs rise
    I3  a run's end carries the token of the valid lease; nothing leaves a final state but by retry
    I4  only the arrows of the transition table
    I6  jobs of one key, and of a queue in FIFO order, are first claimed in the order in which they were stored (together,
        where several may run)
    I7  never more valid leases than a limit allows; not before `run_at`; no more starts than a rate allows
    F42 nothing is claimed while the queue is paused
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaos.audit import Entry, Transaction
from chaos.history import JobHistory, Lease
from chaos.order import out_of_turn
from chaos.workload import QueueRules

__all__ = ["Replay", "Violation"]

FINISHED = ("succeeded", "failed", "cancelled")
_ARROWS = {
    "pending": {"pending", "running", "succeeded", "failed", "cancelled"},
    "running": {"pending", "running", "succeeded", "failed", "cancelled"},
    "succeeded": set[str](),
    "failed": {"pending"},
    "cancelled": {"pending"},
}
#: Microseconds are lost where epoch seconds travel as doubles.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Violation:
    """What does not hold, and the job that it is about, if it is about one; `other` has a part in it."""

    what: str
    job: str = ""
    other: str = ""


class Replay:
    """The history of a run. `jobs`, `leases` and `violations` are there once it is built.

    `told` says when callers were answered that a job is stored, or is pending again (epoch seconds, by its id).
    """

    def __init__(
        self, log: Iterable[Transaction], queues: Mapping[str, QueueRules], told: Mapping[str, Sequence[float]]
    ) -> None:
        self.jobs: dict[str, JobHistory] = {}
        self.leases: dict[str, Lease] = {}
        self.violations: list[Violation] = []
        self.epochs: list[tuple[float, int]] = []
        self._queues = queues
        self._told = told
        self._running: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._most: defaultdict[str, int] = defaultdict(int)
        self._paused: set[str] = set()
        self._epoch = 0
        self._writes: dict[str, int] = {}
        for transaction in log:
            self._apply(transaction)
        self._check_order()
        self._check_rates()

    @property
    def most_at_once(self) -> Mapping[str, int]:
        """The greatest number of valid leases that each queue had."""
        return self._most

    def _apply(self, transaction: Transaction) -> None:
        handlers = {
            "epoch raised": self._epoch_raised,
            "queue changed": self._queue_changed,
            "job stored": self._job_stored,
            "job changed": self._job_changed,
            "job removed": self._job_removed,
            "lease removed": self._lease_removed,
            "lease shortened": self._lease_shortened,
            "lease granted": self._lease_granted,
        }
        for entry in transaction.entries:
            if entry.what != "epoch raised":
                self._check_writer(transaction.session, entry)
            handlers[entry.what](entry)

    def _break(self, what: str, job: str = "", other: str = "") -> None:
        self.violations.append(Violation(what, job, other))

    # ---- terms --------------------------------------------------------------------------------------------------

    def _check_writer(self, session: str, entry: Entry) -> None:
        """A session that wrote in one term must not write in the next: its service was deposed."""
        first = self._writes.setdefault(session, self._epoch)
        if first != self._epoch:
            self._break(f"I2 a session of term {first} wrote in term {self._epoch}: {entry}", entry.subject)
            self._writes[session] = self._epoch

    def _epoch_raised(self, entry: Entry) -> None:
        epoch = int(entry.data["epoch"])
        if epoch != self._epoch + 1:
            self._break(f"I2 term {epoch} follows term {self._epoch}")
        self._epoch = epoch
        self.epochs.append((entry.at, epoch))

    def _queue_changed(self, entry: Entry) -> None:
        change = self._paused.add if entry.data["paused"] else self._paused.discard
        change(entry.data["name"])

    # ---- jobs ---------------------------------------------------------------------------------------------------

    def _job_stored(self, entry: Entry) -> None:
        data, known = entry.data, self.jobs.get(entry.subject)
        if known is not None:
            known.stored += 1
            known.removed, known.state, known.token = False, "pending", None
            known.entries.append(entry)
            return
        job = JobHistory(entry.subject, data["queue"], data["key"], data["tag"] or "", data["seq"], data["run_at"])
        job.placed_at, job.placed_in = entry.at, self._epoch
        job.entries.append(entry)
        self.jobs[job.id] = job

    def _job_changed(self, entry: Entry) -> None:
        job, data = self.jobs[entry.subject], entry.data
        job.entries.append(entry)
        before, after = job.state, data["to"]
        if data["from"] != before or after not in _ARROWS[before]:
            self._break(f"I4 {before} → {after} (the row said {data['from']})", job.id)
        if data["token"] and data["token"] != data["old_token"] and data["token"] != job.token:
            self._break(f"I3 ended by the run {data['token']}, and the valid lease is {job.token}", job.id)
        if before in FINISHED and after == "pending":
            job.retried_at.append(entry.at)
            if not job.leases:
                job.placed_at, job.placed_in, job.placed_by_retry = entry.at, self._epoch, True
        if after == "succeeded":
            if job.token is None:
                self._break("I3 succeeded without a valid lease", job.id)
            job.succeeded_by.append(data["token"])
        if after in FINISHED or (after == "pending" and data["token"] != data["old_token"]):
            self._leave(job, entry.at)
        job.state, job.run_at, job.seq = after, data["run_at"], data["seq"]

    def _job_removed(self, entry: Entry) -> None:
        job = self.jobs[entry.subject]
        job.entries.append(entry)
        self._leave(job, entry.at)
        job.removed = True

    # ---- leases -------------------------------------------------------------------------------------------------

    def _lease_granted(self, entry: Entry) -> None:
        data = entry.data
        lease = Lease(
            entry.subject, data["queue"], data["epoch"], data["worker"], data["granted_at"], entry.at,
            tuple(data["jobs"]),
        )  # fmt: skip
        self.leases[lease.token] = lease
        if lease.epoch != self._epoch:
            self._break(f"I2 a lease of term {lease.epoch} was granted in term {self._epoch}: {lease.token}")
        if lease.queue in self._paused:
            self._break(f"F42 claimed while {lease.queue} was paused", lease.jobs[0])
        for job_id in lease.jobs:
            self._enter(job_id, lease, entry)
        self._check_limits(lease)

    def _enter(self, job_id: str, lease: Lease, entry: Entry) -> None:
        job = self.jobs.get(job_id)
        if job is None:
            self._break("I2 a lease names a job that was never stored", job_id)
            return
        job.entries.append(entry)
        if job.removed or job.state in FINISHED:
            self._break(f"I2 claimed when it was {'removed' if job.removed else job.state}", job_id)
            return
        if job.token is not None:
            self._break(f"I2 lease {lease.token} while {job.token} is valid", job_id)
            self._leave(job, entry.at)
        if lease.granted_at < job.run_at - _ROUNDING:
            self._break(f"I7 claimed {job.run_at - lease.granted_at:.3f} s before its time", job_id)
        job.token = lease.token
        if not job.leases:
            job.first_place = (job.run_at, job.seq)
        job.leases[lease.token] = lease
        for scope in self._scopes(job):
            self._running[scope] += 1

    def _leave(self, job: JobHistory, at: float) -> None:
        if job.token is None:
            return
        job.left[job.token] = at
        job.token = None
        for scope in self._scopes(job):
            self._running[scope] -= 1

    def _scopes(self, job: JobHistory) -> list[tuple[str, str]]:
        return [(job.queue, ""), (job.queue, job.key)] if job.key else [(job.queue, "")]

    def _check_limits(self, lease: Lease) -> None:
        rules = self._queues[lease.queue]
        running = self._running[lease.queue, ""]
        self._most[lease.queue] = max(self._most[lease.queue], running)
        if rules.max_running and running > rules.max_running:
            self._break(f"I7 {running} of {lease.queue} run, and {rules.max_running} may", lease.jobs[0])
        if not rules.max_running_per_key:
            return
        for job_id in lease.jobs:
            job = self.jobs.get(job_id)
            if job is None or not job.key:
                continue
            if (running := self._running[job.queue, job.key]) > rules.max_running_per_key:
                self._break(
                    f"I6 {running} of {job.queue} run with {job.key}, and {rules.max_running_per_key} may", job_id
                )

    def _lease_removed(self, entry: Entry) -> None:
        self._keep_only(entry, frozenset())

    def _lease_shortened(self, entry: Entry) -> None:
        self._keep_only(entry, frozenset(entry.data["jobs"]))

    def _keep_only(self, entry: Entry, kept: frozenset[str]) -> None:
        """Jobs that are no more in the lease went back to the queue: delivered in vain, or released."""
        for job_id in self.leases[entry.subject].jobs:
            job = self.jobs.get(job_id)
            if job is not None and job_id not in kept and job.token == entry.subject:
                self._leave(job, entry.at)
                job.entries.append(entry)

    # ---- order and rates ----------------------------------------------------------------------------------------

    def _check_order(self) -> None:
        """First claims follow the order of storing: in a FIFO queue among all, else in any queue among those of a key."""
        lines: defaultdict[tuple[str, str], list[JobHistory]] = defaultdict(list)
        for job in self.jobs.values():
            rules = self._queues[job.queue]
            if not job.leases or rules.priorities > 1 or rules.delay or (not job.key and not rules.is_fifo):
                continue
            if not rules.max_running and not rules.max_running_per_key:
                continue  # without a limit jobs may be handed out while they are being stored
            lines[job.queue, job.key if rules.max_running_per_key else ""].append(job)
        for line in lines.values():
            rules = self._queues[line[0].queue]
            for passed, waited in out_of_turn(line, rules.max_running or rules.max_running_per_key, self._told):
                what = (
                    f"I6 {waited.queue} {waited.key}: {passed.id} was stored after {waited.id}, and claimed before it"
                )
                self._break(what, waited.id, passed.id)

    def _check_rates(self) -> None:
        for queue, rules in self._queues.items():
            if not rules.rate_per_second:
                continue
            starts = sorted(
                lease.granted_at for lease in self.leases.values() if lease.queue == queue for _ in lease.jobs
            )
            for index, start in enumerate(starts):
                end = bisect.bisect_left(starts, start + 1.0 - _ROUNDING)
                if end - index > rules.rate_per_second:
                    self._break(f"I7 {end - index} of {queue} started within a second, and {rules.rate_per_second} may")
                    break
