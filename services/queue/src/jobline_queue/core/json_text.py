"""Checks JSON that comes from outside, so that PostgreSQL never refuses a row of a group commit.

One bad row fails its whole group, so everything `jsonb` would refuse is refused here first: NUL and lone surrogates in
strings, numbers no `double` or 64-bit integer can hold, and nesting that would exhaust a parser. `jsonb` keeps numbers as
decimals and writes 1e308 with 309 digits, so what counts against the size is the text with its numbers written out.

The common case costs a parse by orjson and some searches: 1.9 µs for 220 bytes, where Python's own parser and the precise
pattern took 13.7. What could be bad is looked at again outside of its strings, in which ids and escapes look like numbers and
brackets; what still could be, or what orjson refuses, is looked at closely (60 ms for 512 KiB), which also words the refusal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from jobline_queue.core.errors import TooLarge, invalid

MAX_DEPTH = 64
MAX_BYTES = 1024 * 1024
MAX_STEP_BYTES = 256 * 1024

#: A literal is refused beyond this: the longest exact one of a double has 1077 characters.
_MAX_NUMBER = 1200
_MAX_EXPONENT = 2000

#: Finds every number that `_SUSPICIOUS` does, and more, without looking around each character.
_UNUSUAL_NUMBER = re.compile(r"[0-9](?:[eE]|[0-9]{18})")
_EXPONENT = r"(?:^|[\[,:\s])-?\d[\d.]*[eE]"
_SUSPICIOUS = re.compile(rf"\\u0000|\\u[dD][89a-fA-F]|\d{{19}}|{_EXPONENT}|[\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_INT64 = range(-(2**63), 2**63)


def check_json(field: str, text: str, max_bytes: int = MAX_BYTES) -> Any:
    """The parsed value of `text`. Raises InvalidField or TooLarge, naming `field` and what was expected."""
    if len(text) > max_bytes or (not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > max_bytes):
        raise TooLarge(f"{field}: expected at most {max_bytes} bytes of JSON")
    unusual = "\\u" in text or _UNUSUAL_NUMBER.search(text) or text.count("{") + text.count("[") > MAX_DEPTH
    if unusual and _could_be_bad(text):
        return _check_closely(field, text, max_bytes)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _check_closely(field, text, max_bytes)


def _could_be_bad(text: str) -> bool:
    """Whether orjson may take what PostgreSQL does not, if it is JSON at all: NUL, unusual numbers, deep nesting."""
    if "\\u0000" in text:
        return True
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    bare = "".join(text.split('"')[::2])
    return _UNUSUAL_NUMBER.search(bare) is not None or _depth(bare) > MAX_DEPTH


def _depth(bare: str) -> int:
    """How deep JSON without its strings is nested, or one more than is allowed: each round removes the innermost pairs."""
    brackets = bare.encode("utf-8", "surrogatepass").translate(_SQUARE, _NO_BRACKETS)
    depth = 0
    while brackets and depth <= MAX_DEPTH:
        brackets = brackets.replace(b"[]", b"")
        depth += 1
    return depth


def _check_closely(field: str, text: str, max_bytes: int) -> Any:
    """The same for any text, slowly: the precise pattern, and a walk over what it finds."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise invalid(field, f"expected JSON nested at most {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise invalid(field, f"expected JSON ({_brief(error)})") from None
    if text.count("{") + text.count("[") > MAX_DEPTH or _SUSPICIOUS.search(text):
        _walk(field, json.loads(text, object_pairs_hook=flat))
        _check_numbers(field, text, max_bytes)
    return value


def flat(pairs: Sequence[tuple[str, Any]]) -> list[Any]:
    """An object as the list of its keys and values: `jsonb` reads all of a key that comes again, a dict forgets."""
    return [part for pair in pairs for part in pair]


def content_hash(*parts: Any) -> bytes:
    """SHA-256 over the canonical JSON of `parts`: equal for contents that differ in spelling only."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).digest()


def check_text(field: str, text: str, at_most: int, at_least: int = 0) -> str:
    """A plain string field: its length in code points, no NUL, no lone surrogate."""
    if not at_least <= len(text) <= at_most:
        raise invalid(field, f"expected {at_least} to {at_most} characters, got {len(text)}")
    if "\0" in text or not (text.isascii() or _SURROGATE.search(text) is None):
        raise invalid(field, "expected text without NUL and lone surrogates")
    return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _brief(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    return "a number is out of range" if "digits" in str(error) else str(error)


def _walk(field: str, value: Any) -> None:
    """`value` has lists in the place of its objects."""
    todo: list[tuple[Any, int]] = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, list):
            if depth > MAX_DEPTH:
                raise invalid(field, f"expected JSON nested at most {MAX_DEPTH} deep")
            todo.extend((child, depth + 1) for child in item)
        else:
            _check_scalar(field, item)


def _check_numbers(field: str, text: str, max_bytes: int) -> None:
    """Looks at the literals of numbers that are not plain integers: a parsed value does not tell how it was written."""
    size = len(text)

    def measure(literal: str) -> float:
        nonlocal size
        mantissa, _, exponent = literal.lower().partition("e")
        value = float(literal)
        vanished = value == 0 and mantissa.strip("-0.") != ""
        if vanished or len(literal) > _MAX_NUMBER or abs(int(exponent or "0")) > _MAX_EXPONENT:
            raise invalid(field, "expected numbers that a double can hold")
        size += abs(int(exponent or "0"))
        return value

    json.loads(text, parse_float=measure)
    if size > max_bytes:
        raise TooLarge(f"{field}: expected at most {max_bytes} bytes of JSON, numbers written out")


def _check_scalar(field: str, item: Any) -> None:
    if isinstance(item, str):
        if "\0" in item or _SURROGATE.search(item):
            raise invalid(field, "expected JSON strings without NUL and lone surrogates")
    elif isinstance(item, float):
        if item in (float("inf"), float("-inf")):
            raise invalid(field, "expected numbers that a double can hold")
    elif isinstance(item, int) and item not in _INT64:
        raise invalid(field, "expected integers of at most 64 bits")
