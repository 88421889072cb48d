"""JSON text in and out, within the contract's caps.

What is too large or cannot be stored is found here, before it travels: a message over 4 MiB would end the whole stream,
and with it the work of every other job.
"""

from __future__ import annotations

import json

import orjson

from jobline.worker.errors import PermanentError
from jobline.worker.pipeline import Json

__all__ = ["MAX_RESULT", "MAX_STEP_OUTPUT", "decode", "encode"]

#: Bytes of a result's JSON text (Completed.result_json).
MAX_RESULT = 1024 * 1024

#: Bytes of a step output's JSON text (StepOutput.output_json).
MAX_STEP_OUTPUT = 256 * 1024

# Made once: `json.dumps` with options builds an encoder for every call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def decode(text: str) -> Json:
    """The payload's value. Raises PermanentError with the code INVALID_PAYLOAD for anything but JSON."""
    try:
        return orjson.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise PermanentError(f"the payload is not JSON: {error}", code="INVALID_PAYLOAD") from error


def encode(value: Json, most: int, what: str) -> str:
    """The JSON text of a pipeline's value, at most `most` bytes.

    Raises PermanentError with the code TOO_LARGE, or INTERNAL for a value that JSON cannot hold; `what` names it there.
    """
    try:
        text = _ENCODER.encode(value)
        size = len(text) if text.isascii() else len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentError(f"{what} is not a JSON value: {error}", code="INTERNAL") from error
    if size > most:
        raise PermanentError(f"{what} has {size} bytes of JSON, at most {most} are stored", code="TOO_LARGE")
    return text
