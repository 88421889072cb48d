"""Which leases this worker holds, and until when it may believe so.

Jobs that were handed out together share a lease token, and are kept together here. The trust in a lease ends on this
machine's monotonic clock, without asking anybody: a worker that can no longer hear must stop by itself, because the
service will hand its jobs to another. Trust is counted from the moment a heartbeat was *asked for*, not from its answer:
the service extended the lease at some time in between, and only the earlier end is safe. A tenth of the lease is kept
as a margin for the time a handler needs to notice. Before the first answer trust is shorter still: the service takes a
job back after the receipt deadline unless it has heard of it, and whether it has, only an answer proves.

A job whose outcome is not answered yet stays listed, whatever the clock says: the service decides by the token whether
the outcome still counts, and to leave it out of a Hello would give the job away. The same goes for a run in a step that
nothing interrupts: as it goes on anyway, the service is the one to say that its lease is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from jobline.v1 import work_service_pb2
from jobline.worker.run import Delivery

__all__ = ["RECEIPT_AFTER", "LeaseChanges", "Leases"]

#: Seconds after which a delivery without an outcome gets its receipt; a third of the receipt deadline where that is less.
RECEIPT_AFTER = 1.0

_MARGIN = 0.1

HELD = work_service_pb2.LEASE_STATE_HELD
LOST = work_service_pb2.LEASE_STATE_LOST
CANCEL_REQUESTED = work_service_pb2.LEASE_STATE_CANCEL_REQUESTED


@dataclass(slots=True)
class _Lease:
    seconds: float
    receipt_at: float
    trusted_until: float
    #: When the oldest heartbeat without an answer was composed.
    asked_at: float | None = None
    confirmed: bool = False
    jobs: dict[str, Delivery] = field(default_factory=dict)


@dataclass(slots=True)
class LeaseChanges:
    """What the service said about leases, as far as it concerns runs that go on."""

    lost: list[Delivery] = field(default_factory=list)
    cancelled: list[Delivery] = field(default_factory=list)


class Leases:
    """The leases of one session. Times are seconds of a monotonic clock, given by the caller."""

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}

    def __len__(self) -> int:
        """How many jobs are held."""
        return sum(len(lease.jobs) for lease in self._leases.values())

    def __bool__(self) -> bool:
        return bool(self._leases)

    def add(self, delivery: Delivery, now: float) -> None:
        token = delivery.lease_token
        lease = self._leases.get(token)
        if lease is None:
            seconds = delivery.terms.lease
            receipt_after = min(RECEIPT_AFTER, delivery.terms.receipt / 3)
            trusted = min(seconds, delivery.terms.receipt) * (1 - _MARGIN)
            lease = self._leases[token] = _Lease(seconds, now + receipt_after, now + trusted)
        lease.jobs[delivery.job_id] = delivery

    def end(self, token: str, job_id: str) -> Delivery | None:
        """Forgets a job: its outcome was answered, or its lease lost."""
        lease = self._leases.get(token)
        if lease is None:
            return None
        delivery = lease.jobs.pop(job_id, None)
        if not lease.jobs:
            del self._leases[token]
        return delivery

    def holds(self, token: str, job_id: str) -> bool:
        lease = self._leases.get(token)
        return lease is not None and job_id in lease.jobs

    def entries(self) -> list[work_service_pb2.HeldLeases]:
        """Every job held, for a Hello."""
        return [
            work_service_pb2.HeldLeases(lease_token=token, job_ids=lease.jobs) for token, lease in self._leases.items()
        ]

    def without_receipt(self, now: float) -> list[str]:
        """Leases that have had neither outcome nor heartbeat for a second."""
        return [
            token
            for token, lease in self._leases.items()
            if not lease.confirmed and lease.asked_at is None and now >= lease.receipt_at
        ]

    def ask(self, tokens: Iterable[str], now: float) -> list[work_service_pb2.HeldLeases]:
        """The heartbeat's entries for these leases."""
        entries = []
        for token in tokens:
            if lease := self._leases.get(token):
                lease.asked_at = now if lease.asked_at is None else lease.asked_at
                entries.append(work_service_pb2.HeldLeases(lease_token=token, job_ids=lease.jobs))
        return entries

    def ask_all(self, now: float) -> list[work_service_pb2.HeldLeases]:
        """The entries of a full heartbeat."""
        return self.ask(self._leases, now)

    def unanswered_since(self) -> float | None:
        """When the oldest heartbeat that still waits for its answer was composed."""
        return min((lease.asked_at for lease in self._leases.values() if lease.asked_at is not None), default=None)

    def stream_ended(self) -> None:
        """No answer will come any more to what was asked on the stream that ended."""
        for lease in self._leases.values():
            lease.asked_at = None

    def apply(self, statuses: Iterable[work_service_pb2.LeaseStatus], *, is_answer: bool = True) -> LeaseChanges:
        """Takes in what the service says; an entry without a job id speaks of every job of its token.

        Only the answer to a heartbeat (`is_answer`) extends anything.
        """
        changes = LeaseChanges()
        extended: set[str] = set()
        for status in statuses:
            lease = self._leases.get(status.lease_token)
            if lease is None:
                continue
            jobs = [lease.jobs[status.job_id]] if status.job_id in lease.jobs else []
            jobs = jobs if status.job_id else list(lease.jobs.values())
            if status.state == LOST:
                changes.lost += jobs
                for delivery in jobs:
                    self.end(status.lease_token, delivery.job_id)
                continue
            if status.state == CANCEL_REQUESTED:
                changes.cancelled += jobs
            extended.add(status.lease_token)
        for token in extended if is_answer else ():
            self._extend(token)
        return changes

    def lapsed(self, now: float, asking: Collection[Delivery] = ()) -> list[Delivery]:
        """Takes out the runs whose leases were not confirmed in time. They must stop: another worker may run them.

        One that nothing interrupts stays, unless it is `asking` for this very thing.
        """
        lapsed = []
        for token, lease in list(self._leases.items()):
            if now >= lease.trusted_until:
                running = [
                    delivery
                    for delivery in lease.jobs.values()
                    if not delivery.ended and (not delivery.uninterrupted or delivery in asking)
                ]
                for delivery in running:
                    self.end(token, delivery.job_id)
                lapsed += running
        return lapsed

    def _extend(self, token: str) -> None:
        lease = self._leases.get(token)
        if lease is not None and lease.asked_at is not None:
            lease.trusted_until = lease.asked_at + lease.seconds * (1 - _MARGIN)
            lease.asked_at = None
            lease.confirmed = True
