"""What `--json` prints: the client's values as JSON documents that scripts can rely on.

The keys are the field names of the contract (protos/jobline/v1), in its order, and every key is always there: null where
the contract has no value. Times are RFC 3339 texts in UTC, durations numbers of seconds, enum values their words in lower
case (`pending` for JOB_STATE_PENDING). Payloads, results and step outputs stay JSON text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobline.client import Step

__all__ = ["document", "to_json"]

#: Where the client's name of a field is another than the contract's.
_CONTRACT_NAMES: dict[tuple[type, str], str] = {(Step, "seconds"): "duration"}


def document(value: object) -> Any:
    """`value`, something the client returned, in the types of JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _CONTRACT_NAMES.get((type(value), field.name), field.name): document(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): document(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [document(item) for item in value]
    return value


def to_json(content: Any, *, indent: int | None = 2) -> str:
    """`content` as JSON text in ASCII: nothing in it can steer a terminal. With `indent` None it is one line."""
    return json.dumps(content, indent=indent, ensure_ascii=True).replace("\x7f", "\\u007f")
