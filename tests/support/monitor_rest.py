"""The queue monitor as its page sees it, and the messages of the queue service behind it."""

from __future__ import annotations

from typing import Any

import httpx
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import job_pb2, queue_pb2
from support.gateway import bearer, gateway_client, user_token
from support.queue_peers import queue_peer

__all__ = [
    "API",
    "HOSTILE",
    "JOB_ID",
    "PAGE",
    "SESSION",
    "a_queue",
    "ask",
    "at",
    "cookie",
    "job",
    "lasting",
    "role",
]

PAGE, API, SESSION = "/admin/queue-monitor", "/admin/queue-monitor/api", "/admin/session"
JOB_ID = "0c7e2a1b-8d0f-4a51-9d0e-4b1f6f0a2d33"

#: What would do harm in a page that did not escape it, in a script, in a spreadsheet, in a shell.
HOSTILE = """</script><img src=x onerror="window.__xss=1">'"`$(touch /tmp/pwned)`{{7*7}}"""


def role(name: str) -> dict[str, Any]:
    """The claims of a user with this platform role."""
    return {"app_metadata": {"role": name}}


def cookie(name: str, **claims: Any) -> dict[str, str]:
    """The header of a browser that is signed in with this role."""
    return {"cookie": f"session={user_token(**role(name), **claims)}"}


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


def lasting(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def job(state: str = "pending", **more: Any) -> job_pb2.Job:
    fields: dict[str, Any] = {
        "id": JOB_ID,
        "queue": "test",
        "kind": "greet",
        "owner": "user:ann",
        "max_attempts": 3,
        "created_at": at("2026-02-06T10:00:00Z"),
        "run_at": at("2026-02-06T10:00:00Z"),
        "updated_at": at("2026-02-06T10:00:00Z"),
        **more,
    }
    return job_pb2.Job(state=job_pb2.JobState.Value(f"JOB_STATE_{state.upper()}"), **fields)


def a_queue(name: str = "test", **more: Any) -> queue_pb2.Queue:
    policy = queue_pb2.QueuePolicy(
        queue=name,
        max_attempts=3,
        order=queue_pb2.QUEUE_ORDER_FAIR,
        cancel=queue_pb2.CANCEL_MODE_PENDING_ONLY,
        lease=lasting(30),
    )
    return queue_pb2.Queue(policy=policy, **more)


async def ask(method: str, path: str, as_role: str = "admin", **answers: Any) -> tuple[httpx.Response, Any]:
    """The answer to a call of the monitor's API, and the last request to the queue service; `json`, `content` and `headers`
    are the call's."""
    sent = {name: answers.pop(name) for name in ("json", "content") if name in answers}
    headers = {**bearer(**role(as_role)), **answers.pop("headers", {})}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, f"{API}/{path}", headers=headers, **sent)
        calls = [call for call in peer.received if call.method != "EnsureCaller"]
        if calls:
            caller = accounts.Caller.FromString(calls[-1].metadata["jobline-caller-bin"])
            assert (caller.sub, caller.role) == ("user-1", as_role)
        return got, calls[-1].request if calls else None
