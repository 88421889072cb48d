"""Which messages a list is about, and how it is sorted: conditions and keys for the statements of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobline_queue.modules.communications.job import owner
from jobline_queue.modules.communications.order import Order
from jobline_queue.modules.communications.tables import messages
from jobline_queue.rpc.page_token import Place

Condition = sa.ColumnElement[bool]
MAX_QUERY = 200
#: Where `query` is looked for.
_SEARCHED = (
    messages.c.recipient_contact,
    messages.c.subject,
    messages.c.body,
    messages.c.last_error,
    messages.c.communication_id,
)


@dataclass(frozen=True)
class MessageFilter:
    """All conditions hold; None and empty do not filter."""

    statuses: Sequence[str] = ()
    priority: str = ""
    channel: str = ""
    scheduled_from: datetime | None = None
    scheduled_before: datetime | None = None
    updated_before: datetime | None = None
    #: Part of a searched text, without regard to case.
    query: str = ""
    #: The same for the error alone.
    error: str = ""


def conditions(business_id: str, where: MessageFilter) -> list[Condition]:
    """For the jobs of a business."""
    found: list[Condition] = [messages.c.owner == owner(business_id)]
    if where.statuses:
        found.append(messages.c.status.in_(where.statuses))
    if where.priority:
        found.append(messages.c.priority == where.priority)
    if where.channel:
        found.append(messages.c.channel == where.channel)
    if where.scheduled_from is not None:
        found.append(messages.c.scheduled_at >= where.scheduled_from)
    if where.scheduled_before is not None:
        found.append(messages.c.scheduled_at < where.scheduled_before)
    if where.updated_before is not None:
        found.append(messages.c.updated_at < where.updated_before)
    if where.query:
        found.append(sa.or_(*(_contains(column, where.query) for column in _SEARCHED)))
    if where.error:
        found.append(_contains(messages.c.last_error, where.error))
    return found


def _contains(column: sa.Column[Any], text: str) -> Condition:
    """`%` and `_` in the text stand for themselves."""
    return column.icontains(text, autoescape=True)


def sort_keys(order: Order) -> list[sa.ColumnElement[Any]]:
    match order:
        case Order.PROCESSING:
            return [messages.c.core_priority.desc(), messages.c.scheduled_at, messages.c.seq]
        case Order.LATEST:
            return [messages.c.updated_at.desc(), messages.c.seq.desc()]
        case Order.CREATION:
            return [messages.c.created_at, messages.c.seq]


def behind(order: Order, place: Place) -> Condition:
    """The rows that come after a place."""
    match order:
        case Order.PROCESSING:
            keys = sa.tuple_(-messages.c.core_priority, messages.c.scheduled_at, messages.c.seq)
            return keys > (-place.priority, place.time, place.seq)
        case Order.LATEST:
            return sa.tuple_(messages.c.updated_at, messages.c.seq) < (place.time, place.seq)
        case Order.CREATION:
            return sa.tuple_(messages.c.created_at, messages.c.seq) > (place.time, place.seq)


def place_of(order: Order, row: Any) -> Place:
    """The place of a row in its list."""
    match order:
        case Order.PROCESSING:
            return Place(row["core_priority"], row["scheduled_at"], row["seq"])
        case Order.LATEST:
            return Place(0, row["updated_at"], row["seq"])
        case Order.CREATION:
            return Place(0, row["created_at"], row["seq"])


def sent_place(row: Any) -> Place:
    """The place of an outbox entry."""
    return Place(0, row["sent_at"], row["seq"])
