"""Why jobs are left when all should have ended: what the service says of them while it still runs."""

from __future__ import annotations

from chaos.house import House
from jobline.client import AsyncJoblineClient
from jobline.errors import JoblineError

__all__ = ["leftovers"]

_MOST = 5
_JOBS = "SELECT id::text FROM jobline.jobs WHERE finished_at IS NULL ORDER BY run_at, seq LIMIT %s"
_PAUSED = "SELECT name FROM jobline.queues WHERE paused ORDER BY name"


async def leftovers(house: House) -> list[str]:
    """The first jobs with their reasons, the pauses of the table, and the service's own account of its memory."""
    paused = [str(name) for (name,) in await house.query(_PAUSED)]
    lines = [f"queues that the table says are paused: {', '.join(paused) or 'none'}"]
    async with house.client() as client:
        lines += [await _explained(client, str(job)) for (job,) in await house.query(_JOBS, _MOST)]
    return [*lines, *await house.state()]


async def _explained(client: AsyncJoblineClient, job: str) -> str:
    try:
        story = await client.explain(job)
    except JoblineError as error:
        return f"{job}: {type(error).__name__}: {error}"
    state = story.job.state if story.job else "removed"
    reasons = "; ".join(f"{each.code} ({each.detail})" for each in story.waiting_for) or "no reason"
    return f"{job}: {state}, {reasons}"
