"""Reads the bodies of the communication surface. The first bad field answers, with one sentence.

A template and what it needs are judged by the queue service, and so after everything that is judged here.
"""

from __future__ import annotations

from jobline_gateway.checking import parse_object, validated
from jobline_gateway.fields import SpelledFloat
from jobline_gateway.surfaces.communications import schemas

__all__ = ["parse_new_message", "parse_retry_failed"]


def parse_new_message(body: bytes) -> schemas.NewMessage:
    """The message in a request body. Raises Problem."""
    return validated(schemas.NewMessage, parse_object(body, SpelledFloat))


def parse_retry_failed(body: bytes) -> schemas.RetryFailed:
    """The conditions in a request body; no body is none. Raises Problem."""
    return validated(schemas.RetryFailed, parse_object(body, SpelledFloat) if body else {})
