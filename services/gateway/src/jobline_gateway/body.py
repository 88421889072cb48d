"""Reads a JSON request body, strictly, and no more of it than is allowed.

The surfaces promise which check answers first, so the body is read here and not by the framework. Python's parser
takes `NaN` and `Infinity`, which are not JSON (RFC 8259), and gives up on deep nesting with an exception of its own;
both are the sender's fault and answered like any other text that is not JSON.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from jobline_gateway.problems import FieldError, Problem

__all__ = ["BODY_DEADLINE", "BodyError", "bounded", "declared_length", "parse_json_object"]

#: Seconds in which a request's body of up to 1 MiB must have arrived.
BODY_DEADLINE = 30.0


class BodyError(Exception):
    """The body is not a JSON object. `error` says where and why."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.msg)
        self.error = error


def parse_json_object(body: bytes, parse_float: Callable[[str], float] = float) -> dict[str, Any]:
    """The object in `body`; of a repeated key the last value counts. `parse_float` makes the value of a number with a
    fraction or an exponent. Raises BodyError.

    Strings may still hold lone surrogates (`"\\ud800"`) and NUL: only the fields that are used matter, and their
    schema refuses them.
    """
    if not body:
        raise BodyError(FieldError(("body",), "Field required", "missing"))
    try:
        value = json.loads(body.decode("utf-8"), parse_float=parse_float, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise BodyError(_not_json("nested too deeply")) from error
    except UnicodeDecodeError as error:
        raise BodyError(_not_json(f"byte {error.start} is not UTF-8")) from error
    except json.JSONDecodeError as error:
        raise BodyError(_not_json(f"{error.msg} at character {error.pos}")) from error
    except ValueError as error:
        raise BodyError(_not_json("a constant or a number that JSON does not have, or too long a number")) from error
    if not isinstance(value, dict):
        raise BodyError(FieldError(("body",), "Input should be a valid dictionary", "dict_type"))
    return value


def _not_json(why: str) -> FieldError:
    return FieldError(("body",), f"JSON decode error: {why}", "json_invalid")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def declared_length(scope: Scope) -> int | None:
    """The bytes that a request's body is said to have; None: that is not known before its end."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return None
    declared = headers.get("content-length", "0")
    return int(declared) if declared.isdecimal() else None


def bounded(scope: Scope, receive: Receive, limit: int, deadline: float = BODY_DEADLINE) -> Receive:
    """A `receive` that raises Problem 413 beyond `limit` bytes, and 408 when the body has not come after `deadline`
    seconds. Raises 413 at once for a body that is declared to be longer.

    After a 413 the connection stays open and the server discards the rest, because a client that is still writing
    would see a reset instead of the answer; after a 408 there is nobody to be polite to.
    """
    if (declared_length(scope) or 0) > limit:
        raise Problem(413)
    received = 0
    complete = False
    expires = asyncio.get_running_loop().time() + deadline

    async def receive_bounded() -> Message:
        nonlocal received, complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(expires):
                message = await receive()
        except TimeoutError:
            raise Problem(408, headers={"Connection": "close"}) from None
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        received += len(message.get("body", b""))
        if received > limit:
            raise Problem(413)
        return message

    return receive_bounded
