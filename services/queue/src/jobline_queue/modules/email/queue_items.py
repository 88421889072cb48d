"""The live list of a user's items: rows for what has ended, memory for what lives.

Positions are global and exact, so they come from the order that the claims themselves use. The rows are read first, and
memory is laid over them in one go, without waiting in between: all states and positions of one answer are of one moment.
An item that lived when it was read and has ended since is read again; a list costs one or two statements, however long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.modules.email.job import FIRST_STEP, QUEUE
from jobline_queue.modules.email.store import EmailStore, Row

_UNFINISHED = ("pending", "running")
WORDS = {"pending": "pending", "running": "processing", "succeeded": "completed", "failed": "failed"}


@dataclass(frozen=True)
class QueueItem:
    id: str
    recipient_name: str
    status: str
    created_at: datetime
    position: int = 0
    email_id: str = ""
    error_message: str = ""
    current_step: str = ""


def visible_after(active: ActiveTerm) -> datetime:
    """Items created before this are expired: not listed, not counted, not claimed."""
    age = active.dispatcher.policy(QUEUE).expires_after
    now = active.term.clock.now()
    return datetime.fromtimestamp(now - age if age is not None else 0.0, UTC)


async def list_items(active: ActiveTerm, store: EmailStore, user_id: str) -> list[QueueItem]:
    """The user's items of the last 24 hours, oldest first."""
    active.dispatcher.expire()
    since = visible_after(active)
    rows = await store.items(user_id, since)
    ended = [row["id"] for row in rows if row["state"] in _UNFINISHED and row["id"] not in active.dispatcher.jobs]
    if ended:
        again = {row["id"]: row for row in await store.items(user_id, since, ended)}
        rows = [again.get(row["id"], row) for row in rows if row["id"] not in ended or row["id"] in again]
    return _of_one_moment(active, rows)


def _of_one_moment(active: ActiveTerm, rows: Sequence[Row]) -> list[QueueItem]:
    living = [live for row in rows if (live := active.dispatcher.jobs.get(row["id"])) is not None]
    places = {job.id: place for job, place in zip(living, active.dispatcher.positions(living), strict=True)}
    items = []
    for row in rows:
        live = active.dispatcher.jobs.get(row["id"])
        if row["state"] not in _UNFINISHED:
            items.append(_ended(row))
        elif live is not None and live.place is not Place.NOWHERE:  # nowhere: its removal is being stored
            items.append(_live(row, live, places[live.id]))
    return items


def _ended(row: Row) -> QueueItem:
    failed = row["state"] == "failed"
    return QueueItem(
        row["id"],
        row["recipient_name"],
        WORDS[row["state"]],
        row["created_at"],
        email_id=row["email_id"] or "",
        error_message=(row["error_message"] or "Unknown error") if failed else "",
    )


def _live(row: Row, job: LiveJob, position: int) -> QueueItem:
    """A job that is picked for a claim is pending until the commit, which also ends the one that ran before it."""
    common = (row["id"], row["recipient_name"])
    if job.place is Place.LEASED:
        return QueueItem(*common, "processing", row["created_at"], current_step=job.step or FIRST_STEP)
    return QueueItem(*common, "pending", row["created_at"], position=position)
