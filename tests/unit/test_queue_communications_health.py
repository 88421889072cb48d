"""The verdict on a queue of messages: each threshold of the specification, on both of its sides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobline_gateway.surfaces.communications.responses import HEALTH
from jobline_queue.modules.communications.health import MessageStats, judge

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stats(**numbers: Any) -> MessageStats:
    """A thousand completed messages, so that no failure rate is crossed by chance."""
    quiet = {"pending": 0, "processing": 0, "completed": 1000, "failed": 0, "cancelled": 0}
    return MessageStats(**{**quiet, "oldest_pending": None, "avg_processing": 1.0, **numbers})


@pytest.mark.parametrize(
    ("numbers", "healthy", "alert"),
    [
        ({}, True, False),
        ({"completed": 0, "avg_processing": None}, True, False),
        ({"pending": 99}, True, False),
        ({"pending": 100}, False, False),
        ({"pending": 101}, False, True),
        ({"failed": 9}, True, False),
        ({"failed": 10}, False, False),
        ({"failed": 11}, False, True),
        ({"processing": 19}, True, False),
        ({"processing": 20}, False, False),
        ({"processing": 2000}, False, False),
        ({"avg_processing": 10.0}, True, False),
        ({"avg_processing": 10.001}, True, True),
        ({"pending": 1, "oldest_pending": NOW - timedelta(minutes=5)}, True, False),
        ({"pending": 1, "oldest_pending": NOW - timedelta(minutes=5, microseconds=1)}, True, True),
        ({"pending": 1, "oldest_pending": NOW + timedelta(days=1)}, True, False),
        ({"failed": 1, "completed": 19}, True, False),
        ({"failed": 1, "completed": 18}, True, True),
    ],
)
def test_each_threshold_has_two_sides(numbers: dict[str, Any], healthy: bool, alert: bool):
    verdict = judge(stats(**numbers), NOW)
    assert (verdict.healthy, verdict.alert) == (healthy, alert)
    assert len(verdict.reasons) == (alert or not healthy)


def test_every_crossed_threshold_is_told_once_alerts_first():
    sick = stats(
        pending=101, processing=20, completed=0, failed=10, avg_processing=12.5, oldest_pending=NOW - timedelta(hours=1)
    )
    assert judge(sick, NOW).reasons == (
        "101 messages are pending, more than 100.",
        "Processing takes 12.500 s on average, more than 10 s.",
        "The oldest pending message was due 3600 s ago, more than 5 minutes.",
        "7.6 % of all messages have failed, more than 5 %.",
        "10 messages have failed, not fewer than 10.",
        "20 messages are being processed, not fewer than 20.",
    )


def test_the_described_verdict_is_the_one_on_the_described_numbers():
    shown = HEALTH["stats"]
    oldest = datetime.fromisoformat(shown["oldestPending"])
    counts = {word: shown[word] for word in ("pending", "processing", "completed", "failed", "cancelled")}
    described = MessageStats(**counts, oldest_pending=oldest, avg_processing=shown["avgProcessingTimeSeconds"])
    verdict = judge(described, oldest + timedelta(minutes=7))
    assert (verdict.healthy, verdict.alert) == (HEALTH["healthy"], HEALTH["alert"])
    assert list(verdict.reasons) == HEALTH["reasons"]
