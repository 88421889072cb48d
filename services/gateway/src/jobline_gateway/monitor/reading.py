"""Proto values as JSON has them: times in UTC, durations in seconds, enum values as words, and null for what is not set."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["seconds_of", "time_of", "word_of"]


def time_of(message: Message, field: str) -> datetime | None:
    """The time in `field`; None when it is not set."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(UTC)


def seconds_of(message: Message, field: str) -> float | None:
    """The duration in `field`; None when it is not set."""
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    return duration.seconds + duration.nanos / 1e9


def word_of(message: Message, field: str) -> str:
    """The value of the enum in `field` in the core's spelling: `JOB_STATE_PENDING` is `pending`. Empty: unspecified."""
    kind = message.DESCRIPTOR.fields_by_name[field].enum_type
    number = getattr(message, field)
    if kind is None or number == 0:
        return ""
    values = kind.values_by_number
    return values[number].name.removeprefix(values[0].name.removesuffix("UNSPECIFIED")).lower()
