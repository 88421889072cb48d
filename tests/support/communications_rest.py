"""The communication surface as its users see it, and the messages of CommunicationService behind it."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import communication_service_pb2 as pb

__all__ = ["BASE", "BUSINESS", "PAYLOAD", "at", "envelope", "message"]

BUSINESS = "/api/businesses/shop-1"
BASE = f"{BUSINESS}/communication-queue"

PAYLOAD = '{"channel":"email","recipientContact":"user@example.com","subject":"Hello","body":"…"}'

_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


def message(id: str, communication_id: str, status: str, priority: str = "normal", **more: Any) -> pb.Message:
    """A job; values that look like a timestamp's text become one."""
    times = {name: at(value) for name, value in more.items() if name.endswith("_at")}
    fields: dict[str, Any] = {
        "max_attempts": 3,
        "payload": PAYLOAD,
        "scheduled_at": at("2025-10-26T11:00:00Z"),
        "created_at": at("2025-10-26T10:55:00Z"),
        "updated_at": at("2025-10-26T10:55:00Z"),
        **more,
        **times,
    }
    return pb.Message(
        id=id,
        communication_id=communication_id,
        status=pb.MessageStatus.Value(f"MESSAGE_STATUS_{status.upper()}"),
        priority=pb.MessagePriority.Value(f"MESSAGE_PRIORITY_{priority.upper()}"),
        **fields,
    )


def envelope(status: int, text: str) -> dict[str, Any]:
    """The body of an error."""
    if status == 401:
        return {"statusCode": 401, "message": "Unauthorized"}
    return {"statusCode": status, "message": text, "error": _PHRASES[status]}
