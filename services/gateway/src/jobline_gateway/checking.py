"""Checks input against a model whose fields say their rules (fields.py). The first bad field answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobline_gateway.problems import Problem

__all__ = ["BadField", "checked", "parse_query"]

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


def parse_query(model: type[Model], query: Mapping[str, str]) -> Model:
    """The parameters that `model` knows; of a repeated one the last value counts. Raises Problem 400."""
    try:
        return checked(model, query)
    except BadField as bad:
        raise Problem(400, str(bad)) from bad
