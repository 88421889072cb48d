"""Between the contract's messages and the module: drafts and filters in, rows out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobline.v1 import communication_service_pb2 as pb
from jobline_queue.core.errors import InvalidField, invalid
from jobline_queue.modules.communications.access import Action
from jobline_queue.modules.communications.filters import MAX_QUERY, MessageFilter
from jobline_queue.modules.communications.health import MessageStats
from jobline_queue.modules.communications.job import (
    Draft,
    channel_rule,
    priority_rule,
    shown_payload,
    text_rule,
    time_rule,
)
from jobline_queue.rpc.convert import epoch, timestamp

Row = Mapping[str, Any]

ACTIONS = {
    pb.ACTION_VIEW: Action.VIEW,
    pb.ACTION_VIEW_JOBS: Action.VIEW_JOBS,
    pb.ACTION_RETRY: Action.RETRY,
    pb.ACTION_CANCEL: Action.CANCEL,
    pb.ACTION_DELETE: Action.DELETE,
    pb.ACTION_PROCESS: Action.PROCESS,
    pb.ACTION_CREATE: Action.CREATE,
}
CHANNELS = {
    "email": pb.CHANNEL_EMAIL,
    "sms": pb.CHANNEL_SMS,
    "whatsapp": pb.CHANNEL_WHATSAPP,
    "messenger": pb.CHANNEL_MESSENGER,
}
STATUSES = {
    "pending": pb.MESSAGE_STATUS_PENDING,
    "processing": pb.MESSAGE_STATUS_PROCESSING,
    "completed": pb.MESSAGE_STATUS_COMPLETED,
    "failed": pb.MESSAGE_STATUS_FAILED,
    "cancelled": pb.MESSAGE_STATUS_CANCELLED,
}
PRIORITIES = {
    "high": pb.MESSAGE_PRIORITY_HIGH,
    "normal": pb.MESSAGE_PRIORITY_NORMAL,
    "low": pb.MESSAGE_PRIORITY_LOW,
}
CHANNEL_WORDS = {number: word for word, number in CHANNELS.items()}
STATUS_WORDS = {number: word for word, number in STATUSES.items()}
PRIORITY_WORDS = {number: word for word, number in PRIORITIES.items()}


# ---- in -----------------------------------------------------------------------------------------------------------------


def draft(message: pb.NewMessage) -> Draft:
    """As it was sent; what is wrong with it, the rules say."""
    unset = message.priority == pb.MESSAGE_PRIORITY_UNSPECIFIED
    return Draft(
        channel=CHANNEL_WORDS.get(message.channel, ""),
        recipient_contact=message.recipient_contact,
        subject=message.subject if message.HasField("subject") else None,
        body=message.body if message.HasField("body") else None,
        template_id=message.template_id if message.HasField("template_id") else None,
        template_variables=message.template_variables_json,
        priority="normal" if unset else PRIORITY_WORDS.get(message.priority, ""),
        scheduled_at=_seconds(message, "scheduled_at"),
        max_attempts=message.max_attempts,
        communication_id=message.communication_id,
    )


def message_filter(message: pb.MessageFilter) -> MessageFilter:
    """Raises InvalidField."""
    statuses = []
    for index, status in enumerate(message.statuses):
        if status not in STATUS_WORDS:
            raise invalid(f"filter.statuses[{index}]", f"must be one of {', '.join(STATUSES)}")
        statuses.append(STATUS_WORDS[status])
    return MessageFilter(
        statuses=statuses,
        priority=_priority("filter.priority", message.priority),
        channel=_channel("filter.channel", message.channel),
        scheduled_from=_time("filter.from", message, "from"),
        scheduled_before=_time("filter.to", message, "to"),
        query=_searched("filter.query", message.query),
    )


def failed_filter(message: pb.RetryFailedMessagesRequest) -> MessageFilter:
    """The failed jobs that a bulk retry is about. Raises InvalidField."""
    return MessageFilter(
        statuses=["failed"],
        channel=_channel("channel", message.channel),
        updated_before=_time("before", message, "before"),
        error=_searched("error", message.error),
    )


def _channel(field: str, number: pb.Channel.ValueType) -> str:
    """The word; empty for one that does not filter."""
    word = CHANNEL_WORDS.get(number, "")
    if number != pb.CHANNEL_UNSPECIFIED and (problem := channel_rule(word)):
        raise invalid(field, problem)
    return word


def _priority(field: str, number: pb.MessagePriority.ValueType) -> str:
    word = PRIORITY_WORDS.get(number, "")
    if number != pb.MESSAGE_PRIORITY_UNSPECIFIED and (problem := priority_rule(word)):
        raise invalid(field, problem)
    return word


def _searched(field: str, text: str) -> str:
    if text and (problem := text_rule(text, MAX_QUERY)):
        raise invalid(field, problem)
    return text


def _time(field: str, message: Any, name: str) -> datetime | None:
    value = _seconds(message, name)
    if problem := time_rule(value):
        raise invalid(field, problem)
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _seconds(message: Any, name: str) -> float | None:
    """Epoch seconds; NaN for what is no time."""
    try:
        return epoch(name, message, name)
    except InvalidField:
        return math.nan


# ---- out ----------------------------------------------------------------------------------------------------------------


def message_of(row: Row) -> pb.Message:
    return pb.Message(
        id=row["id"],
        communication_id=row["communication_id"],
        status=STATUSES[row["status"]],
        priority=PRIORITIES[row["priority"]],
        scheduled_at=timestamp(row["scheduled_at"]),
        started_at=timestamp(row["started_at"]),
        completed_at=timestamp(row["completed_at"]),
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        last_error=row["last_error"] or "",
        payload=row["payload"],
        created_at=timestamp(row["created_at"]),
        updated_at=timestamp(row["updated_at"]),
    )


def new_message(job_id: str, draft: Draft, created_at: datetime, max_attempts: int) -> pb.Message:
    """A job as it was stored, whatever a worker has done with it since. `max_attempts` is what its queue gives."""
    return pb.Message(
        id=job_id,
        communication_id=draft.communication_id,
        status=pb.MESSAGE_STATUS_PENDING,
        priority=PRIORITIES[draft.priority],
        scheduled_at=timestamp(created_at if draft.scheduled_at is None else draft.scheduled_at),
        max_attempts=draft.max_attempts or max_attempts,
        payload=shown_payload(draft),
        created_at=timestamp(created_at),
        updated_at=timestamp(created_at),
    )


def outbox_entry(row: Row) -> pb.OutboxEntry:
    return pb.OutboxEntry(
        id=row["id"],
        job_id=row["job_id"],
        communication_id=row["communication_id"],
        channel=CHANNELS[row["channel"]],
        recipient_contact=row["recipient_contact"],
        subject=row["subject"],
        body=row["body"],
        attempt=row["attempt"],
        sent_at=timestamp(row["sent_at"]),
    )


def stats_of(stats: MessageStats) -> pb.MessageStats:
    return pb.MessageStats(
        pending=stats.pending,
        processing=stats.processing,
        completed=stats.completed,
        failed=stats.failed,
        cancelled=stats.cancelled,
        oldest_pending=timestamp(stats.oldest_pending),
        avg_processing_time_seconds=stats.avg_processing,
    )
