"""Reads the bodies of the communication surface. The first bad field answers, with one sentence.

A template and what it needs are judged by the queue service, and so after everything that is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.checking import BadField, checked
from jobline_gateway.fields import SpelledFloat
from jobline_gateway.problems import Problem
from jobline_gateway.surfaces.communications import schemas

__all__ = ["parse_new_message", "parse_retry_failed"]

Model = TypeVar("Model", bound=BaseModel)


def parse_new_message(body: bytes) -> schemas.NewMessage:
    """The message in a request body. Raises Problem."""
    return _validated(schemas.NewMessage, _object(body))


def parse_retry_failed(body: bytes) -> schemas.RetryFailed:
    """The conditions in a request body; no body is none. Raises Problem."""
    return _validated(schemas.RetryFailed, _object(body) if body else {})


def _object(body: bytes) -> dict[str, Any]:
    try:
        return parse_json_object(body, SpelledFloat)
    except BodyError as error:
        wrong_kind = error.error.type == "dict_type"
        text = "Request body must be a JSON object" if wrong_kind else "Request body is not valid JSON"
        raise Problem(400, text) from error


def _validated(model: type[Model], content: Mapping[str, Any]) -> Model:
    try:
        return checked(model, content)
    except BadField as bad:
        raise Problem(400, str(bad)) from bad
