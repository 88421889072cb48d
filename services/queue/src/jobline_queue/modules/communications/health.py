"""The verdict on a business's queue. Pure: numbers in, sentences out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

#: Healthy below; more than this asks for an alert, but for `processing`.
PENDING, FAILED, PROCESSING = 100, 10, 20
#: Alerts above: seconds, seconds and per cent.
AVG_PROCESSING, OLDEST_PENDING, FAILURE_RATE = 10.0, 300.0, 5.0


@dataclass(frozen=True)
class MessageStats:
    """What a business's jobs amount to; history entries are not counted."""

    pending: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    #: The smallest `scheduled_at` among the pending.
    oldest_pending: datetime | None
    #: Seconds; None: none is completed.
    avg_processing: float | None

    @property
    def total(self) -> int:
        return self.pending + self.processing + self.completed + self.failed + self.cancelled


@dataclass(frozen=True)
class Verdict:
    healthy: bool
    alert: bool
    #: One sentence for each threshold that is crossed, alerts first.
    reasons: tuple[str, ...]


def judge(stats: MessageStats, now: datetime) -> Verdict:
    """Two questions: a healthy queue may ask for an alert as well, because messages are late or slow or often fail."""
    healthy = stats.pending < PENDING and stats.failed < FAILED and stats.processing < PROCESSING
    alerts = _alerts(stats, now)
    return Verdict(healthy, bool(alerts), (*alerts, *_not_healthy(stats)))


def _alerts(stats: MessageStats, now: datetime) -> list[str]:
    late = (now - stats.oldest_pending).total_seconds() if stats.oldest_pending else 0.0
    average = stats.avg_processing or 0.0
    rate = 100.0 * stats.failed / stats.total if stats.total else 0.0
    found = [
        (stats.pending > PENDING, f"{stats.pending} messages are pending, more than {PENDING}."),
        (stats.failed > FAILED, f"{stats.failed} messages have failed, more than {FAILED}."),
        (average > AVG_PROCESSING, f"Processing takes {average:.3f} s on average, more than {AVG_PROCESSING:g} s."),
        (
            late > OLDEST_PENDING,
            f"The oldest pending message was due {late:.0f} s ago, more than {OLDEST_PENDING / 60:g} minutes.",
        ),
        (rate > FAILURE_RATE, f"{rate:.1f} % of all messages have failed, more than {FAILURE_RATE:g} %."),
    ]
    return [sentence for crossed, sentence in found if crossed]


def _not_healthy(stats: MessageStats) -> list[str]:
    """Numbers out of the healthy range for which there is no alert."""
    found = [
        (stats.pending == PENDING, f"{stats.pending} messages are pending, not fewer than {PENDING}."),
        (stats.failed == FAILED, f"{stats.failed} messages have failed, not fewer than {FAILED}."),
        (
            stats.processing >= PROCESSING,
            f"{stats.processing} messages are being processed, not fewer than {PROCESSING}.",
        ),
    ]
    return [sentence for crossed, sentence in found if crossed]
