"""Users with credits and their content_generation jobs, in a core inside the test's own process."""

from __future__ import annotations

import json
import uuid
from typing import Any

from jobline_queue.core.ending import Completed
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.session import Assignment
from support.eventually import eventually
from support.generation_jobs import CREDITS, KIND, POSTS, QUEUE, RESULT, payload
from support.hooked_core import HookedCore

__all__ = [
    "await_state",
    "claim",
    "credits_of",
    "done",
    "error_of",
    "grant",
    "job_of",
    "new_user",
    "posts_of",
    "result_of",
    "start",
]


def new_user(core: HookedCore, credits: int) -> str:
    user = f"user-{uuid.uuid4()}"
    core.rows("INSERT INTO users (id) VALUES (%s)", user)
    grant(core, user, credits)
    return user


def grant(core: HookedCore, user: str, count: int) -> None:
    core.rows(
        "INSERT INTO user_credits (user_id, source_type) SELECT %s, 'admin_grant' FROM generate_series(1, %s)",
        user,
        count,
    )


def job_of(user: str, queue: str = QUEUE, **options: Any) -> NewJob:
    return NewJob(queue, KIND, owner=f"user:{user}", payload=payload(**options))


async def claim(core: HookedCore, queue: str = QUEUE, most: int = 1, wait: float = 5.0) -> list[Assignment]:
    return await core.claim(queue, [KIND], most, wait)


async def start(core: HookedCore, user: str, queue: str = QUEUE, **options: Any) -> Assignment:
    """The only job of its queue, which has just been claimed."""
    await core.enqueue(job_of(user, queue, **options))
    (run,) = await claim(core, queue)
    return run


def done(value: Any = RESULT) -> Completed:
    return Completed(json.dumps(value))


def credits_of(core: HookedCore, user: str) -> dict[str, int]:
    return dict(core.rows(CREDITS, user))


def posts_of(core: HookedCore, user: str) -> int:
    ((posts, jobs),) = core.rows(POSTS, user)
    assert posts == jobs
    return int(posts)


def error_of(core: HookedCore, job_id: str) -> tuple[str, str, str]:
    """The job's state, its error's code and message."""
    columns = "SELECT state, error_code, error_message FROM jobline.jobs WHERE id = %s"
    return core.rows(columns, job_id)[0]  # type: ignore[return-value]


def result_of(core: HookedCore, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = core.rows("SELECT result FROM jobline.jobs WHERE id = %s", job_id)[0][0]
    return found


async def await_state(core: HookedCore, job_id: str, state: str) -> None:
    await eventually(lambda: error_of(core, job_id)[0] == state, what=f"{job_id} is {state}")
