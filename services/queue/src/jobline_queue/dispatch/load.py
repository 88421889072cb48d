"""Fills the memory of a new term from the database: queues, leases, live jobs."""

from __future__ import annotations

import contextlib
import gc
import logging
import uuid
from collections.abc import Iterator
from typing import Any

from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.session import Session
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)


async def load(dispatcher: Dispatcher, store: JobStore) -> None:
    """Reads everything that lives. Leases of earlier terms go on for a full lease time from now, and their sessions are
    there again, without a stream, so that living workers can resume."""
    for queue in await store.load_queues():
        state = dispatcher.queue(queue.name)
        state.pause = queue.pause(by_policy=state.pause)
        state.limit = queue.max_running
    leases = [_lease(dispatcher, row) for row in await store.load_leases()]
    holder = {job_id: lease for lease, job_ids in leases for job_id in job_ids}
    orphans: list[LiveJob] = []
    with _no_collector():
        async for jobs in store.live_jobs():
            orphans += _place(dispatcher, jobs, holder)
    if orphans:
        _adopt_orphans(dispatcher, orphans)
    done = [{"token": lease.token, "job_ids": []} for lease, _ in leases if not lease.jobs]
    if done:
        await store.shorten_leases(done)
    for session_id in list(dispatcher.sessions):
        dispatcher.drop_session_if_done(session_id)
    running = sum(len(lease.jobs) for lease, _ in leases)
    logger.info("loaded %d live jobs, %d of them running", len(dispatcher.jobs), running)


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """While a million objects are made to stay, looking for garbage among them again and again is a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _place(dispatcher: Dispatcher, jobs: list[LiveJob], holder: dict[str, Lease]) -> list[LiveJob]:
    """Puts jobs where they belong. Returns those that belong nowhere."""
    orphans = []
    for job in jobs:
        if lease := holder.get(job.id):
            dispatcher.adopt(lease, [job])
        elif job.marked:
            orphans.append(job)
        else:
            dispatcher.add(job)
    return orphans


def _lease(dispatcher: Dispatcher, row: Any) -> tuple[Lease, list[str]]:
    token, queue, session_id, worker, principal, job_ids, granted_at = row
    until = dispatcher.clock.now() + dispatcher.policy(queue).lease
    if session_id not in dispatcher.sessions:
        dispatcher.sessions[session_id] = Session(session_id, worker, principal, {queue}, frozenset())
    lease = Lease(token, queue, session_id, worker, principal, granted_at, until, {}, until, until)
    return lease, job_ids


def _adopt_orphans(dispatcher: Dispatcher, orphans: list[LiveJob]) -> None:
    """Rows that say `running` without a lease: someone changed the tables by hand. They end as lost runs."""
    logger.error("%d jobs say running but are in no lease; they will be rescued", len(orphans))
    for job in orphans:
        now = dispatcher.clock.now()
        until = now + dispatcher.policy(job.queue).lease
        lease = Lease(str(uuid.uuid4()), job.queue, str(uuid.uuid4()), "unknown", "", now, until, {}, until, until)
        dispatcher.adopt(lease, [job])
