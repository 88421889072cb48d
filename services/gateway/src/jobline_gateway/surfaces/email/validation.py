"""The checks of the e-mail surface, in the order that its specification gives.

Each check looks at the whole request before the next one begins, and the first that fails answers. 422 says that the
structure or a length is wrong and lists every offending field; 400 says that the batch has the wrong size or makes no
sense, so that a client can tell "split the batch" from "fix the field".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.surfaces.email.schemas import PLACEHOLDER, DisplayedChange, EmailBatch
from jobline_gateway.surfaces.email.surface import invalid

__all__ = ["parse_batch", "parse_displayed", "require_uuid"]

MAX_ITEMS = 100

_PLACEHOLDER = re.compile(PLACEHOLDER)
# RFC 9562 text form only: uuid.UUID would also take braces, `urn:uuid:` and any placing of hyphens.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

Model = TypeVar("Model", bound=BaseModel)


def parse_batch(body: bytes) -> EmailBatch:
    """The batch in a request body (checks 2 to 7). Raises Problem."""
    content = _object(body)
    _require_list(content, "items")
    items = content["items"]
    if not items:
        raise Problem(400, "Batch must contain at least 1 item")
    if len(items) > MAX_ITEMS:
        raise Problem(400, f"Maximum {MAX_ITEMS} items per batch")
    batch = _validated(EmailBatch, content)
    for name, text in _texts(batch):
        if not text.strip():
            raise Problem(400, f"{name} must not be blank")
    if not _PLACEHOLDER.search(batch.email_template):
        raise Problem(400, "email_template must contain at least one {{placeholder}}")
    return batch


def parse_displayed(body: bytes) -> bool:
    """The value of `{"displayed": …}`. Raises Problem."""
    return _validated(DisplayedChange, _object(body)).displayed


def require_uuid(value: str, what: str) -> str:
    """`value` when it is a UUID in its hyphenated text form, upper or lower case; else Problem 400."""
    if not _UUID.fullmatch(value):
        raise Problem(400, f"Invalid {what} ID format: {value}")
    return value.lower()


def _object(body: bytes) -> dict[str, Any]:
    try:
        return parse_json_object(body)
    except BodyError as error:
        raise invalid([error.error]) from error


def _require_list(content: dict[str, Any], name: str) -> None:
    if name not in content:
        raise invalid([FieldError(("body", name), "Field required", "missing")])
    if not isinstance(content[name], list):
        raise invalid([FieldError(("body", name), "Input should be a valid list", "list_type")])


def _validated(model: type[Model], content: dict[str, Any]) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid([_field_error(item["loc"], item["msg"], item["type"]) for item in found]) from error


def _field_error(loc: tuple[str | int, ...], msg: str, kind: str) -> FieldError:
    if kind == "model_type":
        # pydantic's sentence names the Python class.
        msg, kind = "Input should be a valid dictionary", "dict_type"
    return FieldError(("body", *loc), msg, kind)


def _texts(batch: EmailBatch) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(batch.items):
        yield f"items[{index}].recipient_name", item.recipient_name
        yield f"items[{index}].recipient_interest", item.recipient_interest
    yield "email_template", batch.email_template
