"""Reads the bodies of the jobs API, in the order that its specification gives.

A body that is JSON but no object lacks every field, and is answered so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jobline_gateway.auth import is_text
from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.checking import BadField, checked
from jobline_gateway.problems import Problem
from jobline_gateway.surfaces.content.schemas import ContentGeneration
from jobline_gateway.surfaces.content.surface import INVALID_DATA, invalid_data, missing_fields, url_required

__all__ = ["parse_content_generation", "parse_website_analysis"]

MAX_URL = 2048

#: What no address contains; `urlsplit` would drop some of it without a word.
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_REQUIRED = ("topic", "businessInfo", "organizationId")
_REQUIRED_INSIDE = (("topic", "title"), ("businessInfo", "businessType"), ("businessInfo", "targetAudience"))


def parse_website_analysis(body: bytes) -> str:
    """The address of the page to analyse. Raises Problem."""
    url = _object(body).get("url")
    if not is_text(url, MAX_URL) or not _is_web_address(url):
        raise url_required()
    return url


def parse_content_generation(body: bytes) -> ContentGeneration:
    """What is to be written. Raises Problem."""
    content = _object(body)
    if any(content.get(name) in (None, "", {}, []) for name in _REQUIRED):
        raise missing_fields()
    if not all(_has_text(content[outer], inner) for outer, inner in _REQUIRED_INSIDE):
        raise invalid_data(INVALID_DATA)
    try:
        return checked(ContentGeneration, content)
    except BadField as bad:
        raise invalid_data(str(bad)) from bad


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        return parse_json_object(body)
    except BodyError as error:
        if error.error.type == "dict_type":
            return {}
        raise Problem(400, "Request body is not valid JSON") from error


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        has_host = (parts.hostname or "").strip(".") and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(has_host) and not _NOT_IN_A_URL.search(url)


def _has_text(value: object, name: str) -> bool:
    """Is `value` an object with some text under `name`?"""
    inner = value.get(name) if isinstance(value, dict) else None
    return isinstance(inner, str) and bool(inner.strip())
