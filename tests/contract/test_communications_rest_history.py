"""Two failures and a success, as the communication surface tells it: the example of `by-communication`.

A queue service of its own, because the waits of the built-in policy are minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from support.gateway import gateway_process
from support.queue_service import queue_service
from support.shop import Shop

POLICIES = """
[queues.communications]
backoff = ["100ms", "200ms"]
"""


@pytest.fixture
def shop(fresh_database: str, tmp_path: Path) -> Iterator[Shop]:
    with queue_service(fresh_database, tmp_path, POLICIES) as queue:
        settings = {"JOBLINE_QUEUE_ADDRESS": queue.address, "JOBLINE_TOKEN": queue.gateway_token}
        with gateway_process(tmp_path, **settings) as (_, url), httpx.Client(base_url=url, trust_env=False) as client:
            opened = Shop(client, queue.address, queue.worker_token)
            yield opened
            opened.close()


def due(shop: Shop) -> float:
    """Seconds until the business's one job is due."""
    [job] = shop.read("/pending")
    return (datetime.fromisoformat(job["scheduledAt"]) - datetime.fromisoformat(job["updatedAt"])).total_seconds()


def test_each_failed_attempt_is_an_entry_of_its_own_and_the_last_attempt_is_the_job(shop: Shop) -> None:
    id = shop.submit(communicationId="comm-uuid-1", priority="low")["id"]
    for wait in (0.1, 0.2):
        shop.fail(shop.claim(), "Connection timeout")
        assert wait <= due(shop) < wait + 0.1
    shop.complete(shop.claim())
    found = shop.read("/by-communication/comm-uuid-1")
    assert [(job["status"], job["attempts"], job.get("lastError")) for job in found] == [
        ("failed", 1, "Connection timeout"),
        ("failed", 2, "Connection timeout"),
        ("completed", 3, None),
    ]
    times = [datetime.fromisoformat(job["scheduledAt"]) for job in found]
    assert times == sorted(times)
    assert found[2] == shop.job(id)
    for entry in found[:2]:
        assert entry == shop.job(entry["id"])
        assert entry["startedAt"] >= entry["scheduledAt"]
        same = ("communicationId", "priority", "maxAttempts", "payload", "createdAt")
        assert [entry[key] for key in same] == [found[2][key] for key in same]
    assert len({job["id"] for job in found}) == 3
    stats = shop.read("/stats")
    assert (stats["total"], stats["completed"], stats["failed"]) == (1, 1, 0)
    assert shop.queue("DELETE", f"/{id}").status_code == 204
    assert shop.read("/by-communication/comm-uuid-1") == []
    assert shop.queue("GET", f"/{found[0]['id']}").status_code == 404
