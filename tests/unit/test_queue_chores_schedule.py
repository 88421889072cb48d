"""Which chores there are, when they are due, and which time of the schedule a tick stands for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobline.runtime import Settings, SettingsError
from jobline_queue.chores.config import read_config
from jobline_queue.chores.tick import last_time, stale_after

MINUTELY, NIGHTLY = "* * * * *", "0 2 * * *"
USUAL = {
    "JOBLINE_REDIS_URL": "redis://localhost:6379",
    "JOBLINE_QUEUE_ADDRESS": "queue:50051",
    "JOBLINE_WORKER_ADDRESS": "worker:50052",
    "JOBLINE_TOKEN": "an-operator",
    "JOBLINE_DATA_DIR": "/nonexistent",
}


@pytest.mark.parametrize(
    ("settings", "schedule"),
    [
        ({}, {NIGHTLY: ("cleanup",)}),
        ({"JOBLINE_WORKER_QUEUES": "ingestion, vectorization"}, {NIGHTLY: ("cleanup",)}),
        ({"JOBLINE_WORKER_QUEUES": "ingestion"}, {NIGHTLY: ("cleanup",), MINUTELY: ("vectorization",)}),
        (
            {"JOBLINE_WORKER_QUEUES": "email_default"},
            {NIGHTLY: ("cleanup",), MINUTELY: ("ingestion", "vectorization")},
        ),
        (
            {"JOBLINE_WORKER_QUEUES": "email_default", "JOBLINE_PROCESS_CRON": "*/5 * * * *"},
            {NIGHTLY: ("cleanup",), "*/5 * * * *": ("ingestion", "vectorization")},
        ),
        (
            {"JOBLINE_WORKER_QUEUES": "vectorization", "JOBLINE_CLEANUP_CRON": MINUTELY},
            {MINUTELY: ("cleanup", "ingestion")},
        ),
    ],
    ids=["usual", "both pulled", "one pulled", "none pulled", "less often", "at the same times"],
)
def test_the_chores_are_the_cleanup_and_the_queues_that_no_stream_pulls(
    settings: dict[str, str], schedule: dict[str, tuple[str, ...]]
) -> None:
    assert read_config(Settings({**USUAL, **settings})).schedule == schedule


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"JOBLINE_CLEANUP_CRON": "daily"}, "JOBLINE_CLEANUP_CRON: expected a cron string"),
        ({"JOBLINE_WORKER_QUEUES": "a", "JOBLINE_PROCESS_CRON": "61 * * * *"}, "JOBLINE_PROCESS_CRON: expected"),
        ({"JOBLINE_REDIS_URL": ""}, "JOBLINE_REDIS_URL is not set"),
        ({"JOBLINE_REDIS_URL": "http://:hunter2@localhost"}, "JOBLINE_REDIS_URL: expected a redis://"),
        ({"JOBLINE_TOKEN": ""}, "JOBLINE_TOKEN is not set"),
        ({"JOBLINE_QUEUE_ADDRESS": ""}, "JOBLINE_QUEUE_ADDRESS is not set"),
        ({"JOBLINE_WORKER_QUEUES": "a", "JOBLINE_WORKER_ADDRESS": ""}, "JOBLINE_WORKER_ADDRESS is not set"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_config(Settings({**USUAL, **settings}))
    assert str(refused.value).startswith(complaint)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("cron", "enqueued", "time"),
    [
        (MINUTELY, "2026-02-06T10:00:00Z", "2026-02-06T10:00:00Z"),
        (MINUTELY, "2026-02-06T10:00:59.999999Z", "2026-02-06T10:00:00Z"),
        (MINUTELY, "2026-02-06T11:00:00.02+01:00", "2026-02-06T10:00:00Z"),
        (NIGHTLY, "2026-02-06T02:10:00Z", "2026-02-06T02:00:00Z"),
        (NIGHTLY, "2026-02-06T01:59:59Z", "2026-02-05T02:00:00Z"),
        ("* * * * * */2", "2026-02-06T10:00:03.5Z", "2026-02-06T10:00:02Z"),
    ],
)
def test_a_tick_stands_for_the_last_time_before_it_however_late_it_comes(cron: str, enqueued: str, time: str) -> None:
    assert last_time(cron, datetime.fromisoformat(enqueued)) == datetime.fromisoformat(time).astimezone(UTC)


@pytest.mark.parametrize(("cron", "seconds"), [(MINUTELY, 60), (NIGHTLY, 3600), ("* * * * * */2", 2)])
def test_a_tick_that_nobody_took_is_worth_nothing_once_the_next_one_came(cron: str, seconds: int) -> None:
    assert stale_after(cron) == seconds
