"""Reads the smaller bodies of the database queue. The first bad field answers, with one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.checking import BadField, checked
from jobline_gateway.problems import Problem

__all__ = ["parse_object", "validated"]

Model = TypeVar("Model", bound=BaseModel)


def parse_object(body: bytes) -> dict[str, Any]:
    """The object in a request body. Raises Problem."""
    try:
        return parse_json_object(body)
    except BodyError as error:
        wrong_kind = error.error.type == "dict_type"
        text = "Request body must be a JSON object" if wrong_kind else "Request body is not valid JSON"
        raise Problem(400, text) from error


def validated(model: type[Model], content: Mapping[str, Any]) -> Model:
    """What `model` knows of `content`. Raises Problem."""
    try:
        return checked(model, content)
    except BadField as bad:
        raise Problem(400, str(bad)) from bad
