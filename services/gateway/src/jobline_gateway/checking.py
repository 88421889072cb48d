"""Reads input against a model whose fields say their rules (fields.py). The first bad field answers, with one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.problems import Problem

__all__ = ["BadField", "checked", "parse_object", "validated"]

Model = TypeVar("Model", bound=BaseModel)


class BadField(Exception):
    """`str()` is a sentence that begins with the name of the field."""


def checked(model: type[Model], content: Mapping[str, Any]) -> Model:
    """What `model` knows of `content`. Raises BadField."""
    # What is left out is checked like a null, so that its field's rule words the refusal.
    names = [field.alias for field in model.model_fields.values() if field.alias]
    try:
        return model.model_validate({name: content.get(name) for name in names}, by_name=False, context=content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        raise BadField(f"{'.'.join(map(str, first['loc']))} {reason}") from error


def validated(model: type[Model], content: Mapping[str, Any]) -> Model:
    """What `model` knows of `content`: of a JSON object, or of a query, of which a repeated parameter's last value counts.
    Raises Problem 400."""
    try:
        return checked(model, content)
    except BadField as bad:
        raise Problem(400, str(bad)) from bad


def parse_object(body: bytes, parse_float: Callable[[str], float] = float) -> dict[str, Any]:
    """The JSON object in a request body; see `parse_json_object`. Raises Problem 400."""
    try:
        return parse_json_object(body, parse_float)
    except BodyError as error:
        wrong_kind = error.error.type == "dict_type"
        text = "Request body must be a JSON object" if wrong_kind else "Request body is not valid JSON"
        raise Problem(400, text) from error
