"""Fields of messages as values of Python: times, durations and the words of enums."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

__all__ = ["optional_seconds", "seconds_of", "time_of", "word_of"]


def word_of(enum: EnumDescriptor, number: int, prefix: str) -> str:
    """The lower-case word of an enum value; the number itself for one that is newer than this client."""
    value = enum.values_by_number.get(number)
    return str(value.name).removeprefix(prefix).lower() if value is not None else str(number)


def time_of(message: Message, field: str) -> datetime | None:
    return getattr(message, field).ToDatetime(tzinfo=UTC) if message.HasField(field) else None


def seconds_of(duration: Duration) -> float:
    return duration.ToTimedelta().total_seconds()


def optional_seconds(message: Message, field: str) -> float | None:
    return seconds_of(getattr(message, field)) if message.HasField(field) else None
