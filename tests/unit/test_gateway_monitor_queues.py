"""How the monitor's page is shown queues, what they did, workers and the history of acts."""

from __future__ import annotations

import pytest

from jobline.v1 import job_pb2, queue_pb2
from jobline.v1 import queue_service_pb2 as queues_pb
from support.monitor_rest import HOSTILE, JOB_ID, a_queue, ask, at, lasting


async def test_a_queue_is_shown_with_its_policy_pause_and_numbers() -> None:
    full = a_queue(
        "mail",
        paused=True,
        pause=queue_pb2.Pause(actor="user:ann", since=at("2026-02-06T10:00:00Z"), reason="deploy"),
        stats=queue_pb2.QueueStats(ready=3, delayed=2, running=1, oldest_ready_age=lasting(1.5), free_capacity=4),
        limit_overridden=True,
        change_id="7:12",
        eta_coverage=queue_pb2.EtaCoverage(scored=1000, p50=0.5, p90=0.91),
    )
    full.policy.max_running = 5
    full.policy.rate_count = 60
    full.policy.rate_period.FromSeconds(60)
    full.policy.retention.FromSeconds(86400)
    got, _ = await ask("GET", "queues", ListQueues=queues_pb.ListQueuesResponse(queues=[full, a_queue("idle")]))
    first, second = got.json()["queues"]
    assert got.json()["now"].endswith("Z")
    assert first == {
        "name": "mail",
        "policy": {
            "maxRunning": 5,
            "maxRunningPerKey": None,
            "timeoutSeconds": None,
            "maxAttempts": 3,
            "order": "fair",
            "rate": {"count": 60, "seconds": 60.0},
            "cancel": "pending_only",
            "leaseSeconds": 30.0,
            "retentionSeconds": 86400.0,
            "expiresAfterSeconds": None,
        },
        "paused": True,
        "pause": {"actor": "user:ann", "since": "2026-02-06T10:00:00Z", "reason": "deploy"},
        "limitOverridden": True,
        "ready": 3,
        "delayed": 2,
        "running": 1,
        "oldestReadySeconds": 1.5,
        "freeCapacity": 4,
        "changeId": "7:12",
        "etaCoverage": {"scored": 1000, "p50": 0.5, "p90": 0.91},
    }
    assert [second[key] for key in ("paused", "pause", "oldestReadySeconds")] == [False, None, None]
    assert (second["policy"]["maxRunning"], second["policy"]["rate"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "seconds", "points", "queue"),
    [
        ("", 3600, 60, ""),
        ("?range=1h&queue=", 3600, 60, ""),
        ("?range=24h&queue=mail", 86400, 96, "mail"),
        ("?range=7d", 604800, 168, ""),
    ],
)
async def test_trends_are_asked_for_in_points_of_a_good_width(
    query: str, seconds: int, points: int, queue: str
) -> None:
    got, request = await ask("GET", f"trends{query}", GetTrends=queues_pb.GetTrendsResponse())
    assert got.json()["trends"] == []
    assert (request.range.seconds, request.points, request.queue) == (seconds, points, queue)


async def test_a_trend_is_shown_point_by_point() -> None:
    quantiles = queue_pb2.Quantiles(p50=lasting(0.25), p90=lasting(2), p99=lasting(3.5))
    busy = queue_pb2.TrendPoint(
        time=at("2026-02-06T10:00:00Z"),
        length=lasting(60),
        **{name: number for number, name in enumerate(("ready", "delayed", "running", "enqueued", "started"), 1)},
        succeeded=6,
        failed=7,
        cancelled=8,
        retried=9,
        wait=quantiles,
    )
    found = queue_pb2.QueueTrends(
        queue="mail", points=[busy], total=busy, errors=[queue_pb2.ErrorCount(code="TIMEOUT", count=3)]
    )
    got, _ = await ask("GET", "trends?range=24h", GetTrends=queues_pb.GetTrendsResponse(trends=[found]))
    point = {
        "time": "2026-02-06T10:00:00Z",
        "seconds": 60.0,
        "ready": 1,
        "delayed": 2,
        "running": 3,
        "enqueued": 4,
        "started": 5,
        "succeeded": 6,
        "failed": 7,
        "cancelled": 8,
        "retried": 9,
        "wait": {"p50": 0.25, "p90": 2.0, "p99": 3.5},
        "run": None,
    }
    trend = {"queue": "mail", "points": [point], "errors": [{"code": "TIMEOUT", "count": 3}], "total": point}
    assert got.json() == {"range": "24h", "trends": [trend]}


async def test_workers_are_shown_with_what_they_hold() -> None:
    held = queue_pb2.HeldJob(
        id=JOB_ID,
        queue="mail",
        kind="greet",
        started_at=at("2026-02-06T10:00:00Z"),
        expires_at=at("2026-02-06T10:00:30Z"),
        progress=job_pb2.Progress(step="write", current=1, total=4),
        received=True,
    )
    worker = queue_pb2.WorkerInfo(
        session_id="s-1",
        name=HOSTILE,
        queues=["mail"],
        kinds=["greet"],
        capacity=4,
        running=1,
        connected_at=at("2026-02-06T09:00:00Z"),
        last_seen_at=at("2026-02-06T10:00:01Z"),
        draining=True,
        lanes=[queue_pb2.WorkerQueue(queue="mail", capacity=4, running=1)],
        jobs=[held],
    )
    got, request = await ask("GET", "workers", ListWorkers=queues_pb.ListWorkersResponse(workers=[worker]))
    assert request.with_jobs
    assert got.json() == {
        "workers": [
            {
                "sessionId": "s-1",
                "name": HOSTILE,
                "queues": ["mail"],
                "kinds": ["greet"],
                "capacity": 4,
                "running": 1,
                "connectedAt": "2026-02-06T09:00:00Z",
                "lastSeenAt": "2026-02-06T10:00:01Z",
                "draining": True,
                "lanes": [{"queue": "mail", "capacity": 4, "running": 1}],
                "jobs": [
                    {
                        "id": JOB_ID,
                        "queue": "mail",
                        "kind": "greet",
                        "startedAt": "2026-02-06T10:00:00Z",
                        "expiresAt": "2026-02-06T10:00:30Z",
                        "progress": {"step": "write", "current": 1, "total": 4, "message": ""},
                        "received": True,
                    }
                ],
            }
        ]
    }


async def test_the_history_is_paged_and_filtered() -> None:
    told = job_pb2.JobEvent(
        time=at("2026-02-06T10:00:00Z"),
        name="cancelled",
        from_state=job_pb2.JOB_STATE_PENDING,
        to_state=job_pb2.JOB_STATE_CANCELLED,
        actor="user:ann",
        detail=HOSTILE,
        job_id=JOB_ID,
        queue="mail",
    )
    paused = job_pb2.JobEvent(time=at("2026-02-06T10:00:00Z"), name="paused", actor="user:ann", queue="mail")
    found = queues_pb.ListEventsResponse(events=[told, paused], next_page_token="next")
    query = "events?queue=mail&actor=user:ann&name=cancelled&withSystem=true&cursor=c&limit=9999"
    got, request = await ask("GET", query, ListEvents=found)
    assert request == queues_pb.ListEventsRequest(
        queue="mail", actor="user:ann", name="cancelled", with_system=True, page_token="c", page_size=500
    )
    first, second = got.json()["events"]
    assert first == {
        "time": "2026-02-06T10:00:00Z",
        "name": "cancelled",
        "from": "pending",
        "to": "cancelled",
        "actor": "user:ann",
        "detail": HOSTILE,
        "jobId": JOB_ID,
        "queue": "mail",
    }
    assert [second[key] for key in ("from", "to", "jobId", "queue")] == [None, None, None, "mail"]
    assert got.json()["nextCursor"] == "next"
