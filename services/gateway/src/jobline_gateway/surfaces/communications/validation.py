"""Reads the input of the communication surface: bodies and queries. The first bad field answers, with one sentence.

A template and what it needs are judged by the queue service, and so after everything that is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.problems import Problem
from jobline_gateway.surfaces.communications import schemas
from jobline_gateway.surfaces.communications.fields import SpelledFloat

__all__ = ["parse_new_message", "parse_query", "parse_retry_failed"]

Model = TypeVar("Model", bound=BaseModel)


def parse_new_message(body: bytes) -> schemas.NewMessage:
    """The message in a request body. Raises Problem."""
    return _validated(schemas.NewMessage, _object(body))


def parse_retry_failed(body: bytes) -> schemas.RetryFailed:
    """The conditions in a request body; no body is none. Raises Problem."""
    return _validated(schemas.RetryFailed, _object(body) if body else {})


def parse_query(model: type[Model], query: Mapping[str, str]) -> Model:
    """The parameters that `model` knows; of a repeated one the last value counts. Raises Problem."""
    return _validated(model, query)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return parse_json_object(body, SpelledFloat)
    except BodyError as error:
        wrong_kind = error.error.type == "dict_type"
        text = "Request body must be a JSON object" if wrong_kind else "Request body is not valid JSON"
        raise Problem(400, text) from error


def _validated(model: type[Model], content: Mapping[str, Any]) -> Model:
    # What is left out is checked like a null, so that its field's rule words the refusal.
    names = [field.alias for field in model.model_fields.values() if field.alias]
    try:
        return model.model_validate({name: content.get(name) for name in names}, by_name=False, context=content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        raise Problem(400, f"{first['loc'][0]} {reason}") from error
