"""Between the queue service's messages and the JSON of the communication surface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from google.protobuf.timestamp_pb2 import Timestamp
from uuid_utils import uuid7

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.fields import SpelledFloat
from jobline_gateway.surfaces.communications import schemas

__all__ = ["STATUSES", "health", "job", "message_filter", "outbox_entry", "retry_request", "stats", "submit_request"]

#: The largest number that the contract can carry; more jobs than that never match.
MAX_COUNT = 2**63 - 1

_CHANNELS = {word: pb.Channel.Value(f"CHANNEL_{word.upper()}") for word in get_args(schemas.Channel)}
_PRIORITIES = {
    word: pb.MessagePriority.Value(f"MESSAGE_PRIORITY_{word.upper()}") for word in get_args(schemas.Priority)
}
STATUSES = {word: pb.MessageStatus.Value(f"MESSAGE_STATUS_{word.upper()}") for word in get_args(schemas.Status)}

_CHANNEL_WORDS = {value: word for word, value in _CHANNELS.items()}
_PRIORITY_WORDS = {value: word for word, value in _PRIORITIES.items()}
_STATUS_WORDS = {value: word for word, value in STATUSES.items()}


# ---- in -------------------------------------------------------------------------------------------------------------


def submit_request(business_id: str, message: schemas.NewMessage) -> pb.SubmitMessagesRequest:
    """The call for one message. Its new request id stays the same over all tries, so that it is stored once."""
    new = pb.NewMessage(
        channel=_CHANNELS[message.channel],
        recipient_contact=message.recipient_contact,
        subject=message.subject,
        body=message.body,
        template_id=message.template_id,
        template_variables_json="" if message.template_variables is None else _spelled(message.template_variables),
        priority=_PRIORITIES[message.priority or "normal"],
        scheduled_at=_stamp(message.scheduled_at),
        max_attempts=message.max_attempts or 0,
        communication_id=message.communication_id or "",
    )
    return pb.SubmitMessagesRequest(business_id=business_id, messages=[new], request_id=str(uuid7()))


def _spelled(variables: Mapping[str, Any]) -> str:
    """Compact JSON in the sender's order, with the sender's spelling of numbers."""
    members = (f"{_text(name)}:{_spelled_value(value)}" for name, value in variables.items())
    return f"{{{','.join(members)}}}"


def _spelled_value(value: str | bool | int | SpelledFloat) -> str:
    return value.spelling if isinstance(value, SpelledFloat) else _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def message_filter(found: schemas.Filter) -> pb.MessageFilter:
    return pb.MessageFilter(
        statuses=[STATUSES[word] for word in found.status or ()],
        priority=_PRIORITIES[found.priority] if found.priority else pb.MESSAGE_PRIORITY_UNSPECIFIED,
        channel=_CHANNELS[found.channel] if found.channel else pb.CHANNEL_UNSPECIFIED,
        to=_stamp(found.until),
        query=found.text or "",
        # A keyword of Python.
        **{"from": _stamp(found.since)},
    )


def retry_request(business_id: str, wanted: schemas.RetryFailed) -> pb.RetryFailedMessagesRequest:
    return pb.RetryFailedMessagesRequest(
        business_id=business_id,
        error=wanted.error or "",
        channel=_CHANNELS[wanted.channel] if wanted.channel else pb.CHANNEL_UNSPECIFIED,
        before=_stamp(wanted.before),
        dry_run=bool(wanted.dry_run),
        expected_count=None if wanted.expected_count is None else min(wanted.expected_count, MAX_COUNT),
    )


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


# ---- out ------------------------------------------------------------------------------------------------------------


def job(message: pb.Message) -> schemas.Job:
    return schemas.Job(
        id=message.id,
        communication_id=message.communication_id,
        status=_STATUS_WORDS[message.status],
        priority=_PRIORITY_WORDS[message.priority],
        scheduled_at=message.scheduled_at.ToDatetime(UTC),
        started_at=message.started_at.ToDatetime(UTC) if message.HasField("started_at") else None,
        completed_at=message.completed_at.ToDatetime(UTC) if message.HasField("completed_at") else None,
        attempts=message.attempts,
        max_attempts=message.max_attempts,
        last_error=message.last_error or None,
        payload=message.payload,
        created_at=message.created_at.ToDatetime(UTC),
        updated_at=message.updated_at.ToDatetime(UTC),
    )


def stats(found: pb.MessageStats) -> schemas.Stats:
    """The counts with their sum; the mean to the millisecond."""
    mean = round(found.avg_processing_time_seconds, 3) if found.HasField("avg_processing_time_seconds") else None
    return schemas.Stats(
        total=found.pending + found.processing + found.completed + found.failed + found.cancelled,
        pending=found.pending,
        processing=found.processing,
        completed=found.completed,
        failed=found.failed,
        cancelled=found.cancelled,
        oldest_pending=found.oldest_pending.ToDatetime(UTC) if found.HasField("oldest_pending") else None,
        avg_processing_time_seconds=mean,
    )


def health(found: pb.GetMessageHealthResponse) -> schemas.QueueHealth:
    return schemas.QueueHealth(
        healthy=found.healthy, alert=found.alert, reasons=list(found.reasons), stats=stats(found.stats)
    )


def outbox_entry(entry: pb.OutboxEntry) -> schemas.OutboxEntry:
    return schemas.OutboxEntry(
        id=entry.id,
        job_id=entry.job_id,
        communication_id=entry.communication_id,
        channel=_CHANNEL_WORDS[entry.channel],
        recipient_contact=entry.recipient_contact,
        subject=entry.subject if entry.HasField("subject") else None,
        body=entry.body,
        attempt=entry.attempt,
        sent_at=entry.sent_at.ToDatetime(UTC),
    )
