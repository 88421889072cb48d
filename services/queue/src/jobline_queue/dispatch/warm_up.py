"""What the first jobs of a term would wait for otherwise: a new session of PostgreSQL reads the catalog and plans each
statement when it first meets it, up to 20 ms each.

The statements that nearly every job takes are executed once with nothing in them, on sessions that have nothing to do while
the term's jobs are loaded. They write nothing, and a session that can't execute them couldn't serve either.
"""

from __future__ import annotations

import asyncio

from jobline_queue.store.job_store import JobStore

__all__ = ["warm_up"]


async def warm_up(enqueue: JobStore, claim: JobStore, finish: JobStore) -> None:
    """Raises psycopg.Error when a session is gone."""
    async with asyncio.TaskGroup() as sessions:
        sessions.create_task(_enqueueing(enqueue))
        sessions.create_task(_claiming(claim))
        sessions.create_task(_finishing(finish))


async def _enqueueing(store: JobStore) -> None:
    await store.copy_jobs([])
    await store.enqueue_jobs("[]", [])


async def _claiming(store: JobStore) -> None:
    await store.claim_jobs([])
    await store.claim_limited([])


async def _finishing(store: JobStore) -> None:
    await store.complete_jobs("[]", [], 0.0)
    await store.complete_and_claim("[]", [], [], 0.0)
